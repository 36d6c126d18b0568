package cluster

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/secretctl/secretctl/internal/transport"
)

// Limits of what is read to explain a failure.
const (
	maxLogLines    = 5000
	maxLogBytes    = 4 << 20
	maxMetricBytes = 4 << 20
)

// Event is what happened to an object, according to Kubernetes. The message comes from the
// driver, its provider and the store behind it.
type Event struct {
	Time    time.Time // the latest
	Warning bool
	Reason  string // FailedMount
	Message string // one line
}

// Events returns the events of an object, newest first. kind is as in its
// manifest: "Pod".
func (c *Cluster) Events(ctx context.Context, namespace, kind, name string) ([]Event, error) {
	fields := query{"fieldSelector": "involvedObject.kind=" + kind + ",involvedObject.name=" + name}
	found, err := list[corev1.Event](ctx, c, coreObject("events", namespace, ""), fields)
	if err != nil {
		return nil, err
	}
	var events []Event
	for _, e := range found {
		events = append(events, Event{
			Time: lastTime(e), Warning: e.Type == corev1.EventTypeWarning,
			Reason: c.sanitizer.Line(e.Reason), Message: c.sanitizer.Tail(c.shorten(e.Message)),
		})
	}
	slices.SortStableFunc(events, func(a, b Event) int { return b.Time.Compare(a.Time) })
	return events, nil
}

// lastTime reads all forms of an event: an old one has a last timestamp, a new one an event
// time, and a series if it happened again.
func lastTime(e corev1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case e.EventTime.After(e.LastTimestamp.Time):
		return e.EventTime.Time
	}
	return e.LastTimestamp.Time
}

// Logs returns the last lines of a container's log since a time, or from the start if that
// is zero, that contain one of the words, or all lines without words: oldest first, each
// cut to its last 400 characters.
func (c *Cluster) Logs(ctx context.Context, p Pod, container string, since time.Time, words ...string) ([]string, error) {
	o := coreObject("pods", p.Namespace, p.Name).at("log")
	q := query{"container": container, "tailLines": strconv.Itoa(maxLogLines), "limitBytes": strconv.Itoa(maxLogBytes)}
	if !since.IsZero() {
		q["sinceTime"] = since.UTC().Format(time.RFC3339)
	}
	text, err := get[[]byte](ctx, c, o, q)
	if err != nil {
		return nil, err
	}
	var lines []string
	for l := range strings.Lines(string(text)) {
		if len(words) == 0 || slices.ContainsFunc(words, func(w string) bool { return strings.Contains(l, w) }) {
			lines = append(lines, c.sanitizer.Tail(c.shorten(l)))
		}
	}
	return lines, nil
}

// Metrics returns the named metrics from the port of a pod, each summed up over its labels.
// Those of the driver report rotations that fail and leave no other trace.
func (c *Cluster) Metrics(ctx context.Context, p Pod, port int, names ...string) (map[string]float64, error) {
	tunnel := c.PodTransport(p.Namespace, p.Name, port)
	defer tunnel.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/metrics", nil)
	if err != nil {
		return nil, err
	}
	text, err := fetch(tunnel, req)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("metrics of pod %s/%s: %w", p.Namespace, p.Name, transport.Explain(ctx, err))
	}
	return parseMetrics(text, names), nil
}

func fetch(rt http.RoundTripper, req *http.Request) ([]byte, error) {
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, transport.Answered(resp.StatusCode, "")
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxMetricBytes))
}

// parseMetrics reads lines of Prometheus' text format: name{label="value"} 1.
func parseMetrics(text []byte, names []string) map[string]float64 {
	sums := map[string]float64{}
	for l := range strings.Lines(string(text)) {
		end := strings.IndexAny(l, "{ ")
		if end < 0 || !slices.Contains(names, l[:end]) {
			continue
		}
		words := strings.Fields(l[max(end, strings.LastIndexByte(l, '}')+1):]) // the value, and perhaps a time
		if len(words) == 0 {
			continue
		}
		if value, err := strconv.ParseFloat(words[0], 64); err == nil {
			sums[l[:end]] += value
		}
	}
	return sums
}

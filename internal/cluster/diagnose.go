package cluster

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Limits of what is read of a log.
const (
	maxLogLines = 5000
	maxLogBytes = 4 << 20
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
	times := []time.Time{e.LastTimestamp.Time, e.EventTime.Time}
	if e.Series != nil {
		times = append(times, e.Series.LastObservedTime.Time)
	}
	return slices.MaxFunc(times, time.Time.Compare)
}

// Logs returns the last lines of a container's log since a time that contain one of the
// words: oldest first, each cut to its last 400 characters.
func (c *Cluster) Logs(ctx context.Context, p Pod, container string, since time.Time, words ...string) ([]string, error) {
	o := coreObject("pods", p.Namespace, p.Name).at("log")
	text, err := get[[]byte](ctx, c, o, query{
		"container": container, "tailLines": strconv.Itoa(maxLogLines), "limitBytes": strconv.Itoa(maxLogBytes), "sinceTime": since.UTC().Format(time.RFC3339),
	})
	if err != nil {
		return nil, err
	}
	var lines []string
	for l := range strings.Lines(string(text)) {
		if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(l, w) }) {
			lines = append(lines, c.sanitizer.Tail(c.shorten(l)))
		}
	}
	return lines, nil
}

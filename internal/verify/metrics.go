package verify

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// metric is a family of points in Prometheus's text format.
type metric struct {
	name, help string
	points     []point
}

type point struct {
	labels []string // name, value, name, value
	value  float64
}

// WriteMetrics writes the report in Prometheus's text format. All are gauges of the
// last run, which ended at the given time.
func WriteMetrics(w io.Writer, r Report, at time.Time) error {
	status := metric{name: "secretctl_check_status", help: "1, with the status that the check ended with."}
	took := metric{name: "secretctl_check_duration_seconds", help: "How long the check took."}
	for _, d := range r.Deliveries {
		last := map[string]int{} // a check that ran twice counts as it ended
		for _, c := range d.Checks {
			labels := []string{"delivery", d.Name, "id", c.ID, "subject", c.Subject}
			is := point{append(slices.Clip(labels), "status", string(c.Status)), 1}
			lasted := point{labels, c.Duration.Seconds()}
			if i, again := last[c.ID+" "+c.Subject]; again {
				status.points[i], took.points[i] = is, lasted
				continue
			}
			last[c.ID+" "+c.Subject] = len(status.points)
			status.points, took.points = append(status.points, is), append(took.points, lasted)
		}
	}
	ok := 0.0
	if r.Verdict() == Yes {
		ok = 1
	}
	var out bytes.Buffer
	for _, m := range []metric{
		status, took,
		{"secretctl_last_run_ok", "1 where every check passed, warned or was skipped.", []point{{nil, ok}}},
		{"secretctl_last_run_timestamp_seconds", "When the last run ended.", []point{{nil, float64(at.UnixMilli()) / 1000}}},
	} {
		m.write(&out)
	}
	_, err := w.Write(out.Bytes())
	return err
}

func (m metric) write(out *bytes.Buffer) {
	if len(m.points) == 0 {
		return
	}
	fmt.Fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n", m.name, m.help, m.name)
	for _, s := range m.points {
		out.WriteString(m.name)
		for i := 0; i < len(s.labels); i += 2 {
			fmt.Fprintf(out, `%c%s="%s"`, "{,"[min(i, 1)], s.labels[i], labelEscapes.Replace(s.labels[i+1]))
		}
		if len(s.labels) > 0 {
			out.WriteByte('}')
		}
		fmt.Fprintf(out, " %s\n", strconv.FormatFloat(s.value, 'f', -1, 64))
	}
}

// labelEscapes are all that a label's value needs.
var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// Headline says in a line what came of a delivery: how many checks ended how, and
// first what is wrong.
func (d DeliveryReport) Headline() string {
	var s Summary
	var wrong []string
	for _, c := range d.Checks {
		s.Add(c.Status)
		if c.Status == StatusFail || c.Status == StatusUnknown {
			wrong = append(wrong, fmt.Sprintf("%s %s is %s (%s)", c.ID, c.Subject, c.Status, c.Detail))
		}
	}
	return oneLine(strings.Join(append([]string{s.counts()}, wrong...), "; "))
}

// OK says whether nothing failed and nothing is unknown.
func (d DeliveryReport) OK() bool { return NewReport([]DeliveryReport{d}, nil).Verdict() == Yes }

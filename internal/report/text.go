package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/secretctl/secretctl/internal/verify"
)

// mark is a status in text.
type mark struct{ symbol, color string }

var marks = map[verify.Status]mark{
	verify.StatusPass: {"√", "32"}, verify.StatusWarn: {"!", "33"}, verify.StatusFail: {"×", "31"}, verify.StatusUnknown: {"?", "35"}, verify.StatusSkip: {"-", "2"},
}

// Symbol returns the character that stands for a status.
func Symbol(s verify.Status) string { return markOf(s).symbol }

func markOf(s verify.Status) mark { return marks[known(s)] }

func (m mark) show(color bool) string {
	if !color {
		return m.symbol
	}
	return "\x1b[" + m.color + "m" + m.symbol + "\x1b[0m"
}

// rounded rounds a duration to what is worth reading.
func rounded(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}

// writeText writes a line for each result, in the short form only for those that ran and
// did not pass, and then the counts. With several deliveries, those where something did not
// pass come first, and the others are a line each.
func writeText(w io.Writer, r Report, color, short bool) error {
	var out bytes.Buffer
	all, several, nameWidth := slices.Clone(r.Deliveries), len(r.Deliveries) > 1, 0
	if several {
		slices.SortStableFunc(all, func(a, b verify.DeliveryReport) int { return severity(worst(a)) - severity(worst(b)) })
	}
	for _, d := range all {
		nameWidth = max(nameWidth, utf8.RuneCountInString(d.Name))
	}
	lines := false
	for _, d := range all {
		switch {
		case !several || severity(worst(d)) < severity(verify.StatusPass) || len(d.Timeline) > 0:
			writeDelivery(&out, d, color, short)
		case len(d.Checks) > 0:
			fmt.Fprintf(&out, "%s %-*s  %s\n", markOf(worst(d)).show(color), nameWidth, d.Name, summarize(d.Checks).counts())
			lines = true
		}
	}
	if lines {
		out.WriteByte('\n')
	}
	writeStopped(&out, "", r.setupError(), color)
	fmt.Fprintln(&out, r.Summary.counts())
	_, err := w.Write(out.Bytes())
	return err
}

// writeStopped writes the error that kept checks from running, if there is one.
func writeStopped(out *bytes.Buffer, indent string, e *verify.SetupError, color bool) {
	if e == nil {
		return
	}
	fmt.Fprintf(out, "%s%s did not finish: %s\n", indent, markOf(verify.StatusUnknown).show(color), e.Message)
	if e.Hint != "" {
		fmt.Fprintf(out, "      hint: %s\n", e.Hint)
	}
}

func writeDelivery(out *bytes.Buffer, d verify.DeliveryReport, color, short bool) {
	idWidth, subjectWidth, heading := 0, 0, d.Name+"\n"
	for _, c := range d.Checks {
		idWidth = max(idWidth, len(c.ID))
		subjectWidth = max(subjectWidth, utf8.RuneCountInString(c.Subject))
	}
	for _, c := range d.Checks {
		if short && (c.Status == verify.StatusPass || c.Status == verify.StatusSkip) {
			continue
		}
		out.WriteString(heading)
		heading = ""
		fmt.Fprintf(out, "  %s %-*s  %-*s  %s (%s)\n", markOf(c.Status).show(color), idWidth, c.ID, subjectWidth, c.Subject, c.Detail, rounded(c.Duration()))
		if c.Hint != "" {
			fmt.Fprintf(out, "      hint: %s\n", c.Hint)
		}
		if c.Status != verify.StatusPass && c.Status != verify.StatusSkip && !c.NotRun {
			fmt.Fprintf(out, "      see secretctl explain %s\n", c.ID)
		}
	}
	if d.Error != nil {
		out.WriteString(heading)
		heading = ""
		writeStopped(out, "  ", d.Error, color)
	}
	if heading == "" {
		writeTimeline(out, d.Timeline)
		out.WriteByte('\n')
	}
}

// writeTimeline writes a line for each moment of each rotation.
func writeTimeline(out *bytes.Buffer, timeline []verify.Moment) {
	width := 0
	for _, m := range timeline {
		width = max(width, utf8.RuneCountInString(m.Replica))
	}
	for _, moments := range verify.Rotations(timeline) {
		fmt.Fprintf(out, "  timeline of %s, in seconds after %s\n", moments[0].Secret, verify.Origin(moments))
		for _, m := range moments {
			fmt.Fprintf(out, "    %7.1f  %-*s  %s\n", m.After().Seconds(), width, m.Replica, m.What)
		}
	}
}

package report

import (
	"bytes"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/secretctl/secretctl/internal/verify"
)

// A mark is how a status looks in text.
type mark struct{ symbol, color string }

// Symbol returns the character that stands for a status.
func Symbol(s verify.Status) string { return markOf(s).symbol }

func markOf(s verify.Status) mark {
	switch s {
	case verify.StatusPass:
		return mark{"√", "32"}
	case verify.StatusWarn:
		return mark{"!", "33"}
	case verify.StatusFail:
		return mark{"×", "31"}
	case verify.StatusSkip:
		return mark{"-", "2"}
	default:
		return mark{"?", "35"}
	}
}

func (m mark) show(color bool) string {
	if !color {
		return m.symbol
	}
	return "\x1b[" + m.color + "m" + m.symbol + "\x1b[0m"
}

// rounded leaves of a duration what is worth reading.
func rounded(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}

// writeText writes a line for each result, and in short form only for those that ran
// and did not pass, then the counts.
func writeText(w io.Writer, r Report, color, short bool) error {
	var out bytes.Buffer
	for _, d := range r.Deliveries {
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
			fmt.Fprintf(&out, "  %s %-*s  %-*s  %s (%s)\n", markOf(c.Status).show(color), idWidth, c.ID, subjectWidth, c.Subject, c.Detail, rounded(c.Duration))
			if c.Hint != "" {
				fmt.Fprintf(&out, "      hint: %s\n", c.Hint)
			}
			if c.Status != verify.StatusPass && c.Status != verify.StatusSkip {
				fmt.Fprintf(&out, "      see secretctl explain %s\n", c.ID)
			}
		}
		if heading == "" {
			writeTimeline(&out, d.Timeline)
			out.WriteByte('\n')
		}
	}
	if r.Error != nil {
		fmt.Fprintf(&out, "%s did not finish: %s\n", markOf(verify.StatusUnknown).show(color), r.Error.Message)
		if r.Error.Hint != "" {
			fmt.Fprintf(&out, "      hint: %s\n", r.Error.Hint)
		}
	}
	fmt.Fprintln(&out, r.Summary.counts())
	_, err := w.Write(out.Bytes())
	return err
}

// writeTimeline writes a line for each moment of a rotation.
func writeTimeline(out *bytes.Buffer, moments []verify.Moment) {
	if len(moments) == 0 {
		return
	}
	fmt.Fprintf(out, "  timeline, in seconds after %s\n", verify.Origin(moments))
	width := 0
	for _, m := range moments {
		width = max(width, utf8.RuneCountInString(m.Replica))
	}
	for _, m := range moments {
		fmt.Fprintf(out, "    %7.1f  %-*s  %s\n", m.After.Seconds(), width, m.Replica, m.What)
	}
}

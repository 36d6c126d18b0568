package verify

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/secretctl/secretctl/internal/hint"
)

// SchemaVersion is that of the JSON form. It grows when a field changes its
// meaning or goes; new fields and new checks do not count.
const SchemaVersion = 1

// Report is the outcome of a run.
type Report struct {
	SchemaVersion int              `json:"schemaVersion"`
	Summary       Summary          `json:"summary"`
	Deliveries    []DeliveryReport `json:"deliveries"`
	Error         *SetupError      `json:"error,omitempty"`
}

// Summary counts the results of all deliveries.
type Summary struct {
	Pass    int `json:"pass"`
	Warn    int `json:"warn"`
	Fail    int `json:"fail"`
	Unknown int `json:"unknown"`
	Skip    int `json:"skip"`
}

// DeliveryReport has the results of one delivery, in the order in which they came.
type DeliveryReport struct {
	Name     string   `json:"name"`
	Checks   []Result `json:"checks"`
	Timeline []Moment `json:"timeline,omitempty"` // of a rotation
}

// SetupError is what kept checks from being run, or ended the run early.
type SetupError struct {
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

// NewReport sums up. setup is what kept the run from starting or from going on,
// or nil; its text must be fit to show.
func NewReport(deliveries []DeliveryReport, setup error) Report {
	r := Report{SchemaVersion: SchemaVersion, Deliveries: append([]DeliveryReport{}, deliveries...)}
	for _, d := range deliveries {
		for _, c := range d.Checks {
			r.Summary.add(c.Status)
		}
	}
	if setup != nil {
		r.Error = &SetupError{oneLine(setup.Error()), oneLine(hint.Of(setup))}
	}
	return r
}

func (s *Summary) add(status Status) {
	switch status {
	case StatusPass:
		s.Pass++
	case StatusWarn:
		s.Warn++
	case StatusFail:
		s.Fail++
	case StatusSkip:
		s.Skip++
	default:
		s.Unknown++
	}
}

// Verdict is the answer that a whole report gives.
type Verdict int

// Yes: nothing failed. No: a check failed. Unclear: none failed, but something
// could not be found out.
const (
	Yes Verdict = iota
	No
	Unclear
)

// Verdict says what the results come to.
func (r Report) Verdict() Verdict {
	switch {
	case r.Summary.Fail > 0:
		return No
	case r.Summary.Unknown > 0 || r.Error != nil:
		return Unclear
	}
	return Yes
}

// Formats returns the names that [Write] knows.
func Formats() []string { return []string{"text", "short", "json", "junit"} }

// Write writes the report in a format; color is for text and short. An unknown
// format is a [*UsageError].
func Write(w io.Writer, format string, r Report, color bool) error {
	switch format {
	case "text":
		return writeText(w, r, color, false)
	case "short":
		return writeText(w, r, color, true)
	case "json":
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(r)
	case "junit":
		return writeJUnit(w, r)
	}
	return &UsageError{What: "output format", Got: format, Known: Formats()}
}

// counts says how many there are of each, without those there are none of.
func (s Summary) counts() string {
	text := fmt.Sprintf("%d checks", s.Pass+s.Warn+s.Fail+s.Unknown+s.Skip)
	sep := ": "
	for _, c := range []struct {
		n    int
		what string
	}{{s.Pass, "passed"}, {s.Warn, "warned"}, {s.Fail, "failed"}, {s.Unknown, "unknown"}, {s.Skip, "skipped"}} {
		if c.n > 0 {
			text += fmt.Sprintf("%s%d %s", sep, c.n, c.what)
			sep = ", "
		}
	}
	return text
}

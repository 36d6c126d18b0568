// Package report writes the results of checks: as text, JSON, JUnit XML, a web page, or
// what GitHub shows. It knows results, and no check.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/secretctl/secretctl/internal/verify"
)

// SchemaVersion is the version of the JSON form. It grows when a field changes its meaning
// or is removed, and not with new fields or checks.
const SchemaVersion = 1

// Report is the outcome of a run.
type Report struct {
	SchemaVersion int                     `json:"schemaVersion"`
	Time          time.Time               `json:"time,omitzero"`       // when the run ended
	Command       string                  `json:"command,omitempty"`   // without its flags
	Secretctl     string                  `json:"secretctl,omitempty"` // its version
	Summary       Summary                 `json:"summary"`
	Deliveries    []verify.DeliveryReport `json:"deliveries"`
	Error         *verify.SetupError      `json:"error,omitempty"`
}

// Summary counts the results of all deliveries.
type Summary struct {
	Pass    int `json:"pass"`
	Warn    int `json:"warn"`
	Fail    int `json:"fail"`
	Unknown int `json:"unknown"`
	Skip    int `json:"skip"`
}

// New returns a report with its summary. setup is what kept the run from starting or from
// going on, or nil; its text must be fit to show.
func New(deliveries []verify.DeliveryReport, setup *verify.SetupError) Report {
	r := Report{SchemaVersion: SchemaVersion, Deliveries: append([]verify.DeliveryReport{}, deliveries...), Error: setup}
	for _, d := range deliveries {
		for _, c := range d.Checks {
			r.Summary.Add(c.Status)
		}
	}
	return r
}

func summarize(checks []verify.Result) (s Summary) {
	for _, c := range checks {
		s.Add(c.Status)
	}
	return s
}

// worst is the worst status of a delivery; one that did not finish is unknown at best.
func worst(d verify.DeliveryReport) verify.Status {
	all := summarize(d.Checks)
	if d.Error != nil {
		all.Unknown++
	}
	return all.Worst()
}

// statuses has all statuses, the worst first.
var statuses = []verify.Status{verify.StatusFail, verify.StatusUnknown, verify.StatusWarn, verify.StatusPass, verify.StatusSkip}

// severity orders statuses, the worst first.
func severity(s verify.Status) int { return slices.Index(statuses, known(s)) }

// known returns one of the five statuses.
func known(s verify.Status) verify.Status {
	if !slices.Contains(statuses, s) {
		return verify.StatusUnknown
	}
	return s
}

// Add counts a status.
func (s *Summary) Add(status verify.Status) { *s.count(status)++ }

func (s *Summary) count(status verify.Status) *int {
	counts := map[verify.Status]*int{
		verify.StatusPass: &s.Pass, verify.StatusWarn: &s.Warn, verify.StatusFail: &s.Fail, verify.StatusUnknown: &s.Unknown, verify.StatusSkip: &s.Skip,
	}
	return counts[known(status)]
}

// Worst returns the worst status that was counted; skip if none was.
func (s Summary) Worst() verify.Status {
	i := slices.IndexFunc(statuses, func(status verify.Status) bool { return *s.count(status) > 0 })
	if i < 0 {
		return verify.StatusSkip
	}
	return statuses[i]
}

// Verdict returns the result of the whole report: pass, fail, or unknown if nothing failed
// and something could not be found out.
func (r Report) Verdict() verify.Status {
	switch {
	case r.Summary.Fail > 0:
		return verify.StatusFail
	case r.Summary.Unknown > 0 || r.Error != nil:
		return verify.StatusUnknown
	}
	return verify.StatusPass
}

// Formats returns the names that [Write] knows.
func Formats() []string { return []string{"text", "short", "json", "junit", "html", "github"} }

// Write writes the report in a format; color is for text and short. An unknown
// format is an error.
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
	case "html":
		return writeHTML(w, r)
	case "github":
		return writeMarkdown(w, r)
	}
	return fmt.Errorf("unknown format %q", format)
}

// groups returns the results group by group, in the order of their first results.
func groups(checks []verify.Result) [][]verify.Result {
	var all [][]verify.Result
	for _, c := range checks {
		i := slices.IndexFunc(all, func(g []verify.Result) bool { return g[0].Group() == c.Group() })
		if i < 0 {
			i, all = len(all), append(all, nil)
		}
		all[i] = append(all[i], c)
	}
	return all
}

// headline is the verdict in words.
func (r Report) headline() string {
	s := r.Summary
	switch {
	case s.Fail > 0:
		return verify.Count(s.Fail, "check") + " failed"
	case r.Error != nil:
		return "The checks did not finish"
	case s.Unknown > 0:
		return verify.Count(s.Unknown, "check") + " unknown"
	case s.Warn > 0:
		return "Nothing failed, with " + verify.Count(s.Warn, "warning")
	case s.Pass == 0 && slices.ContainsFunc(r.Deliveries, func(d verify.DeliveryReport) bool { return d.Paths != nil }):
		return "The path of each secret"
	case s.Pass == 0:
		return "Nothing was checked"
	}
	return "Every check passed"
}

// setupError returns Error, unless deliveries have their own.
func (r Report) setupError() *verify.SetupError {
	if slices.ContainsFunc(r.Deliveries, func(d verify.DeliveryReport) bool { return d.Error != nil }) {
		return nil
	}
	return r.Error
}

// Read reads the JSON form back.
func Read(from io.Reader) (Report, error) {
	var r Report
	if err := json.NewDecoder(from).Decode(&r); err != nil {
		return Report{}, errors.New("not JSON, or not in the form of a report")
	}
	noChecks := func(d verify.DeliveryReport) bool { return d.Checks == nil }
	switch {
	case r.SchemaVersion == 0 || r.Deliveries == nil || slices.ContainsFunc(r.Deliveries, noChecks):
		return Report{}, errors.New("not a report of checks")
	case r.SchemaVersion != SchemaVersion:
		return Report{}, fmt.Errorf("schemaVersion is %d, and this secretctl reads %d", r.SchemaVersion, SchemaVersion)
	}
	return r, nil
}

// counts is the summary in words, without the counts that are 0.
func (s Summary) counts() string {
	text := verify.Count(s.Pass+s.Warn+s.Fail+s.Unknown+s.Skip, "check")
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

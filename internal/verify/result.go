package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Status is how a check ended.
type Status string

// Unknown means that secretctl could not tell, and fail that something is wrong. A
// skipped check does not apply, or needs one that did not pass.
const (
	StatusPass    Status = "pass"
	StatusWarn    Status = "warn"
	StatusFail    Status = "fail"
	StatusUnknown Status = "unknown"
	StatusSkip    Status = "skip"
)

// Result is the outcome of one check.
type Result struct {
	ID       string // "mount/present"
	Title    string // what the check proves, in a few words
	Doc      string // the page that explains the check
	Subject  string // what was checked: "client-secret local"
	Status   Status
	Detail   string // one line: what was found
	Hint     string // one line: what to do about it, or ""
	Duration time.Duration
}

// Group returns the group of the check: what stands before the slash of its ID.
func (r Result) Group() string { return groupOf(r.ID) }

// MarshalJSON writes the documented form, with the duration in milliseconds.
func (r Result) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // a detail is for people, and no web page
	err := enc.Encode(struct {
		ID         string `json:"id"`
		Subject    string `json:"subject"`
		Status     Status `json:"status"`
		Detail     string `json:"detail"`
		Hint       string `json:"hint"`
		DurationMS int64  `json:"durationMs"`
	}{r.ID, r.Subject, r.Status, r.Detail, r.Hint, r.Duration.Milliseconds()})
	return out.Bytes(), err
}

// Pass says that it is as it should be.
func Pass(format string, args ...any) Result { return result(StatusPass, format, args) }

// Warn says that it works, but not as it should.
func Warn(format string, args ...any) Result { return result(StatusWarn, format, args) }

// Fail says that it is wrong.
func Fail(format string, args ...any) Result { return result(StatusFail, format, args) }

// Unknown says that it could not be found out, and why.
func Unknown(format string, args ...any) Result { return result(StatusUnknown, format, args) }

// Skip says why the check was not made.
func Skip(format string, args ...any) Result { return result(StatusSkip, format, args) }

func result(s Status, format string, args []any) Result {
	return Result{Status: s, Detail: fmt.Sprintf(format, args...)}
}

// WithHint returns r with what to do about it.
func (r Result) WithHint(format string, args ...any) Result {
	r.Hint = fmt.Sprintf(format, args...)
	return r
}

func groupOf(id string) string {
	group, _, _ := strings.Cut(id, "/")
	return group
}

// Target is what the checks of a delivery looked at.
type Target struct {
	Cluster       string `json:"cluster,omitempty"` // the address of its API server
	Namespace     string `json:"namespace,omitempty"`
	Workload      string `json:"workload,omitempty"`
	Mount         string `json:"mount,omitempty"` // on this machine, in place of a cluster
	Store         string `json:"store,omitempty"`
	Aidbox        string `json:"aidbox,omitempty"`
	AidboxVersion string `json:"aidboxVersion,omitempty"` // "" where nobody was asked
}

// Path is a secret's path from the store to the resources that refer to it.
type Path struct {
	Secret string
	Steps  []Step // up to the vault config entry
	Ends   []Step // the resources
}

// Step is a part of a path, and what came of the checks about it and about what leads
// to it.
type Step struct {
	Lines  []string
	Status Status   // "" if no check about it has run
	Checks []string // the IDs of those with that status, unless they passed
	Broken bool     // the first step of the path that failed
}

// DeliveryReport has the results of one delivery, in the order in which they came.
type DeliveryReport struct {
	Name     string   `json:"name"`
	Target   *Target  `json:"target,omitempty"`
	Paths    []Path   `json:"-"` // for a page
	Checks   []Result `json:"checks"`
	Timeline []Moment `json:"timeline,omitempty"` // of a rotation
	// DeadlineMS is how long after the write its file may change, in milliseconds.
	DeadlineMS int64 `json:"deadlineMs,omitempty"`
	// Error is what kept this one of several from being checked, or ended it early.
	Error *SetupError `json:"error,omitempty"`
}

// SetupError is what kept checks from being run, or ended the run early.
type SetupError struct {
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

package verify

import (
	"fmt"
	"time"
)

// Status is how a check ended.
type Status string

// Fail means that something is wrong, and unknown that secretctl could not find out. A skipped
// check does not apply, or needs one that did not pass.
const (
	StatusPass    Status = "pass"
	StatusWarn    Status = "warn"
	StatusFail    Status = "fail"
	StatusUnknown Status = "unknown"
	StatusSkip    Status = "skip"
)

// Result is the outcome of one check.
type Result struct {
	ID         string `json:"id"`      // "mount/present"
	Title      string `json:"-"`       // what the check proves, in a few words
	Doc        string `json:"-"`       // the page that explains the check
	Subject    string `json:"subject"` // what was checked: "client-secret local"
	Status     Status `json:"status"`
	Detail     string `json:"detail"` // one line: what was found
	Hint       string `json:"hint"`   // one line: what to do about it, or ""
	DurationMS int64  `json:"durationMs"`
	NotRun     bool   `json:"-"` // time ran out or somebody interrupted before it was its turn
}

// Group returns the group of the check.
func (r Result) Group() string { return groupOf(r.ID) }

// Duration returns how long the check took.
func (r Result) Duration() time.Duration { return time.Duration(r.DurationMS) * time.Millisecond }

// Pass is the result of a check that found everything right.
func Pass(format string, args ...any) Result { return result(StatusPass, format, args) }

// Warn is the result of a check of something that works, but needs attention.
func Warn(format string, args ...any) Result { return result(StatusWarn, format, args) }

// Fail is the result of a check that found something wrong.
func Fail(format string, args ...any) Result { return result(StatusFail, format, args) }

// Unknown is the result of a check that could not find out.
func Unknown(format string, args ...any) Result { return result(StatusUnknown, format, args) }

// Skip is the result of a check that was not made.
func Skip(format string, args ...any) Result { return result(StatusSkip, format, args) }

func result(s Status, format string, args []any) Result {
	return Result{Status: s, Detail: fmt.Sprintf(format, args...)}
}

// WithHint returns r with what to do about it.
func (r Result) WithHint(format string, args ...any) Result {
	r.Hint = fmt.Sprintf(format, args...)
	return r
}

// Target is where the checks of a delivery looked.
type Target struct {
	Cluster       string `json:"cluster,omitempty"` // the address of its API server
	Namespace     string `json:"namespace,omitempty"`
	Workload      string `json:"workload,omitempty"`
	Mount         string `json:"mount,omitempty"` // on this machine, in place of a cluster
	Store         string `json:"store,omitempty"`
	Aidbox        string `json:"aidbox,omitempty"`
	AidboxVersion string `json:"aidboxVersion,omitempty"` // "" if Aidbox was not asked
}

// Path is a secret's path from the store to the resources that refer to it.
type Path struct {
	Secret string
	Steps  []Step // up to the vault config entry
	Ends   []Step // the resources
}

// Step is a part of a path, with the outcome of the checks about it and about what leads to
// it.
type Step struct {
	Lines  []string
	Status Status   // "" if no check about it has run
	Checks []string // the IDs of those with that status, unless they passed
	Broken bool     // the first step of the path that failed
}

// DeliveryReport has the results of one delivery, in the order of the checks.
type DeliveryReport struct {
	Name     string   `json:"name"`
	Target   *Target  `json:"target,omitempty"`
	Paths    []Path   `json:"-"` // for the HTML page
	Checks   []Result `json:"checks"`
	Timeline []Moment `json:"timeline,omitempty"` // of rotations, one after the other
	// DeadlineMS is how long after the write the file may change, in milliseconds; of several
	// rotations the longest.
	DeadlineMS int64 `json:"deadlineMs,omitempty"`
	// Error is set if this delivery, one of several, was not checked or ended early.
	Error *SetupError `json:"error,omitempty"`
}

// SetupError is an error that kept checks from running, or ended the run early.
type SetupError struct {
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Status is how a check ended.
type Status string

// Unknown could not be found out, which is not the same as fail: found out to be
// wrong. A skipped check does not apply, or needs one that did not pass.
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
	Subject  string // what was looked at: "client-secret local"
	Status   Status
	Detail   string // one line: what was found
	Hint     string // one line: what to do about it, or ""
	Duration time.Duration
}

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

// check is one question. needs has the checks that must pass or warn before it
// makes sense: an ID, for the same subject, or "ID subject" for another one.
type check struct {
	id, subject string
	needs       []string
	run         func(ctx context.Context) Result
}

func (c check) key() string { return c.id + " " + c.subject }

// neededKeys returns the needs with their subjects.
func (c check) neededKeys() []string {
	var keys []string
	for _, n := range c.needs {
		if !strings.Contains(n, " ") {
			n += " " + c.subject
		}
		keys = append(keys, n)
	}
	return keys
}

// result runs the check, unless ctx has ended or a needed one stands in the way.
func (c check) result(ctx context.Context, statuses map[string]Status) Result {
	start := time.Now()
	r, blocked := c.blocked(statuses)
	switch {
	case ctx.Err() != nil:
		r = Unknown("%s before it ran", ended(ctx))
	case !blocked:
		if r = c.run(ctx); r.Status == StatusUnknown && ctx.Err() != nil {
			r.Detail = ended(ctx) + ": " + r.Detail
		}
	}
	r.ID, r.Subject, r.Duration = c.id, c.subject, time.Since(start)
	return r
}

func (c check) blocked(statuses map[string]Status) (Result, bool) {
	for _, key := range c.neededKeys() {
		if s := statuses[key]; s != StatusPass && s != StatusWarn {
			return Skip("needs %s, whose result is %s", strings.TrimSpace(key), s), true
		}
	}
	return Result{}, false
}

func ended(ctx context.Context) string {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return "time was up"
	}
	return "interrupted"
}

// needed picks the checks of the groups, and whatever they need, in the order
// that they have.
func needed(all []check, groups []string) []check {
	byKey := map[string]check{}
	for _, c := range all {
		byKey[c.key()] = c
	}
	wanted := map[string]bool{}
	var want func(c check)
	want = func(c check) {
		wanted[c.key()] = true
		for _, key := range c.neededKeys() {
			want(byKey[key])
		}
	}
	for _, c := range all {
		if slices.Contains(groups, groupOf(c.id)) {
			want(c)
		}
	}
	return slices.DeleteFunc(all, func(c check) bool { return !wanted[c.key()] })
}

package verify

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

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
	r.ID, r.Title, r.Doc, r.Subject, r.Duration = c.id, Title(c.id), doc(c.id), c.subject, time.Since(start)
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

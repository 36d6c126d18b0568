package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/hint"
)

// What a step finds, or has done, about an object. Absent is what the store lacks
// while the config names no source for it: that is reported, never written.
const (
	Unchanged = "unchanged"
	Create    = "create"
	Update    = "update"
	Absent    = "absent"
)

// Change is what happens to one object of the store. It never holds a value.
type Change struct {
	Phase   string `json:"phase"`
	Object  string `json:"object"`
	Action  string `json:"action"` // unchanged, create, update, absent
	Detail  string `json:"detail,omitempty"`
	Warning string `json:"warning,omitempty"` // something about it that will not work as it is

	OtherValue bool  `json:"-"` // of an update: the store has another value than what Detail names
	Refused    error `json:"-"` // why it would not be written; only with [Options.Compare]
}

// Pending says that a change is yet to be written.
func (c Change) Pending() bool { return c.Action == Create || c.Action == Update }

// Step is one phase of provisioning. Check says without asking anybody why it
// cannot be done, and Read gets the values that come from the user; both may be nil.
// Diff compares and writes nothing. Apply comes after Diff, writes what that found,
// and returns what became of each object; beside an error it returns what it had
// found or done before.
type Step struct {
	Name  string
	Check func() error
	Read  func(context.Context) error
	Diff  func(context.Context) ([]Change, error)
	Apply func(context.Context) ([]Change, error)
}

// StepFunc is a Step's Diff or Apply.
type StepFunc = func(context.Context) ([]Change, error)

// Part is what a phase does about some of its objects.
type Part struct{ Diff, Apply StepFunc }

// NewStep makes one of several steps, whose hints say how to go without it where
// it is not allowed: the people who may write secrets and policies are often not
// the same. A part with nothing to write is not applied.
func NewStep(phases []string, phase string, parts ...Part) Step {
	others := slices.DeleteFunc(slices.Clone(phases), func(p string) bool { return p == phase })
	hinted := func(changes []Change, err error) ([]Change, error) {
		if errors.Is(err, ErrDenied) {
			err = hint.Wrap(err, "%s; or leave this phase to somebody else: --phase %s", hint.Of(err), strings.Join(others, ","))
		}
		return changes, err
	}
	plans := make([][]Change, len(parts))
	diff := func(ctx context.Context) (all []Change, err error) {
		for i, part := range parts {
			if plans[i], err = part.Diff(ctx); err != nil {
				return hinted(nil, err)
			}
			all = append(all, plans[i]...)
		}
		return all, nil
	}
	apply := func(ctx context.Context) (done []Change, err error) {
		for i, part := range parts {
			changes := plans[i]
			if slices.ContainsFunc(changes, Change.Pending) {
				changes, err = part.Apply(ctx)
			}
			if done = append(done, changes...); err != nil {
				return hinted(done, err)
			}
		}
		return done, nil
	}
	return Step{Name: phase, Diff: diff, Apply: apply}
}

package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/hint"
)

// PhaseStore is the phase that writes the values, in every store.
const PhaseStore = "store"

// What a step finds about an object, or has done to it. Absent is a secret that neither
// the store nor a source has: it is reported and never written.
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
	Warning string `json:"warning,omitempty"` // what will not work as it is

	OtherValue bool  `json:"-"` // an update: the store has another value than the source in Detail
	Refused    error `json:"-"` // why provision would not write it; only with [Options.Compare]
}

// Pending reports whether a change has to be written.
func (c Change) Pending() bool { return c.Action == Create || c.Action == Update }

// StepFunc is the Diff or Apply of a step.
type StepFunc = func(context.Context) ([]Change, error)

// Step is one phase of provisioning.
type Step struct {
	Name  string
	Check func() error                // refuses a config with which the step cannot run; nil for none
	Read  func(context.Context) error // gets the values that come from the user; nil for none
	Diff  StepFunc                    // compares, and writes nothing
	// Apply writes what Diff found, and returns what happened to each object; with an
	// error, what happened before it.
	Apply StepFunc
}

// Part handles some of the objects of a phase.
type Part struct{ Diff, Apply StepFunc }

// NewStep returns the step of one of several phases. If something is denied, the hint
// names the other phases: secrets and policies often belong to different people. Parts
// without a pending change are not applied.
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

// Package provision makes a secret store match a delivery: the values in it, and
// the right of the pod to read them. It reads before it writes, writes only what
// differs, never deletes, and never replaces a value that somebody else changed
// in the meantime, so running it again is safe. It prints nothing.
package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/store"
)

// PhaseError says that there is no phase of that name.
type PhaseError struct {
	Phase string
	Known []string
}

func (e *PhaseError) Error() string { return fmt.Sprintf("phase %q is unknown", e.Phase) }

// Hint says which phases there are.
func (e *PhaseError) Hint() string { return "the phases are " + strings.Join(e.Known, ", ") }

// Usage says that it is a mistake of usage: nothing was attempted.
func (*PhaseError) Usage() bool { return true }

// CheckPhases returns a [*PhaseError] for the first of the phases that is not known.
func CheckPhases(phases, known []string) error {
	for _, p := range phases {
		if !slices.Contains(known, p) {
			return &PhaseError{Phase: p, Known: known}
		}
	}
	return nil
}

// Prepare does what [Run] begins with, before it asks any server: it refuses phases
// that are not known, has the steps checked, and reads their values. Run may follow,
// and does not read them again.
func Prepare(ctx context.Context, steps []store.Step, phases []string) error {
	var known []string
	for _, s := range steps {
		known = append(known, s.Name)
	}
	if err := CheckPhases(phases, known); err != nil {
		return err
	}
	for _, s := range named(steps, phases) {
		if s.Check == nil {
			continue
		}
		if err := s.Check(); err != nil {
			return err
		}
	}
	for _, s := range named(steps, phases) {
		if s.Read == nil {
			continue
		}
		if err := s.Read(ctx); err != nil {
			return err
		}
	}
	return nil
}

// named returns the steps that phases names, all of them where it names none.
func named(steps []store.Step, phases []string) []store.Step {
	if len(phases) == 0 {
		return steps
	}
	return slices.DeleteFunc(slices.Clone(steps), func(s store.Step) bool { return !slices.Contains(phases, s.Name) })
}

// Run runs the steps that phases names, all of them where it names none, in the
// order of steps. Every Diff comes before the first Apply. With dryRun it returns
// the plan; without, what was found and done, also beside an error, so that what
// was written before a failure is known.
func Run(ctx context.Context, steps []store.Step, phases []string, dryRun bool) ([]store.Change, error) {
	if err := Prepare(ctx, steps, phases); err != nil {
		return nil, err
	}
	steps = named(steps, phases)
	plans := make([][]store.Change, len(steps))
	for i, s := range steps {
		plan, err := s.Diff(ctx)
		if err != nil {
			return nil, err
		}
		plans[i] = plan
	}
	if dryRun {
		return slices.Concat(plans...), nil
	}
	var done []store.Change
	for i, s := range steps {
		if !slices.ContainsFunc(plans[i], store.Change.Pending) {
			done = append(done, plans[i]...)
			continue
		}
		changes, err := s.Apply(ctx)
		done = append(done, changes...)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// Package provision makes a secret store match a delivery: its values, and the pod's
// right to read them. It reads before it writes, writes only what differs, never deletes,
// and never replaces a value that somebody else changed since it was read, so running it
// again is safe. It prints nothing.
package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/store"
)

// PhaseError is a phase that does not exist.
type PhaseError struct {
	Phase string
	Known []string
}

func (e *PhaseError) Error() string { return fmt.Sprintf("phase %q is unknown", e.Phase) }

// Hint names the phases.
func (e *PhaseError) Hint() string { return "the phases are " + strings.Join(e.Known, ", ") }

// Usage marks a usage error: nothing was attempted.
func (*PhaseError) Usage() bool { return true }

// CheckPhases returns a [*PhaseError] for the first phase that is not known.
func CheckPhases(phases, known []string) error {
	for _, p := range phases {
		if !slices.Contains(known, p) {
			return &PhaseError{Phase: p, Known: known}
		}
	}
	return nil
}

// Prepare does what [Run] does before it sends a request: it refuses unknown phases and
// configs with which a step cannot run, and reads the sources. A Run that follows does
// not read them again.
func Prepare(ctx context.Context, steps []store.Step, phases []string) error {
	_, err := prepare(ctx, steps, phases)
	return err
}

// prepare returns the steps of the phases, all steps if there are no phases.
func prepare(ctx context.Context, steps []store.Step, phases []string) (chosen []store.Step, err error) {
	var known []string
	for _, s := range steps {
		known = append(known, s.Name)
		if len(phases) == 0 || slices.Contains(phases, s.Name) {
			chosen = append(chosen, s)
		}
	}
	if err := CheckPhases(phases, known); err != nil {
		return nil, err
	}
	for _, s := range chosen {
		if s.Check != nil && err == nil {
			err = s.Check()
		}
	}
	for _, s := range chosen {
		if s.Read != nil && err == nil {
			err = s.Read(ctx)
		}
	}
	return chosen, err
}

// Run runs the steps of the phases, all steps if there are no phases, in their order.
// Every Diff comes before the first Apply. With dryRun it returns the plan; otherwise
// what happened to each object, also with an error.
func Run(ctx context.Context, steps []store.Step, phases []string, dryRun bool) ([]store.Change, error) {
	steps, err := prepare(ctx, steps, phases)
	if err != nil {
		return nil, err
	}
	plans := make([][]store.Change, len(steps))
	for i, s := range steps {
		if plans[i], err = s.Diff(ctx); err != nil {
			return nil, err
		}
	}
	if dryRun {
		return slices.Concat(plans...), nil
	}
	var done []store.Change
	for i, s := range steps {
		changes := plans[i]
		if slices.ContainsFunc(changes, store.Change.Pending) {
			changes, err = s.Apply(ctx)
		}
		if done = append(done, changes...); err != nil {
			return done, err
		}
	}
	return done, nil
}

package provision

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
)

const (
	phaseStore  = "store"
	phaseAuth   = "auth"
	phasePolicy = "policy"
	phaseRole   = "role"
)

// VaultPhases returns the names of the steps, in their order.
func VaultPhases() []string { return []string{phaseStore, phaseAuth, phasePolicy, phaseRole} }

// Steps returns what provisions the delivery: the values, kubernetes auth, the
// policy and the role. in is where values come from; concurrency is how many
// requests are under way at the same time, 16 where it is 0. The steps remember
// what they read and generated: they are for one [Run], or several in a row.
func (v *Vault) Steps(in *secret.Inputs, concurrency int) []Step {
	store := newStoreStep(v, in, concurrency)
	auth := &authStep{v: v}
	policy := &policyStep{v: v}
	role := &roleStep{v: v, auth: auth}
	steps := []Step{
		newStep(VaultPhases(), phaseStore, store.diff, store.apply),
		newStep(VaultPhases(), phaseAuth, auth.diff, auth.apply),
		newStep(VaultPhases(), phasePolicy, policy.diff, policy.apply),
		newStep(VaultPhases(), phaseRole, role.diff, role.apply),
	}
	steps[0].Read = store.read
	return steps
}

type stepFunc func(context.Context) ([]Change, error)

// newStep makes one of several steps, whose hints say how to go without it where
// it is not allowed: the people who may write secrets and policies are often not
// the same.
func newStep(phases []string, phase string, diff, apply stepFunc) Step {
	others := slices.DeleteFunc(slices.Clone(phases), func(p string) bool { return p == phase })
	hinted := func(f stepFunc) stepFunc {
		return func(ctx context.Context) ([]Change, error) {
			changes, err := f(ctx)
			if errors.Is(err, errDenied) {
				err = hint.Wrap(err, "%s; or leave this phase to somebody else: --phase %s", hint.Of(err), strings.Join(others, ","))
			}
			return changes, err
		}
	}
	return Step{Name: phase, Diff: hinted(diff), Apply: hinted(apply)}
}

package vault

import (
	"context"
	"errors"

	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

const (
	phaseStore  = "store"
	phaseAuth   = "auth"
	phasePolicy = "policy"
	phaseRole   = "role"
)

var phases = []string{phaseStore, phaseAuth, phasePolicy, phaseRole}

// Steps implements [store.Store]: the values, kubernetes auth, the policy and the
// role.
func (v *Store) Steps(in *secret.Inputs, concurrency int) []store.Step {
	values := newStoreStep(v, in, concurrency)
	auth := &authStep{v: v}
	policy := &policyStep{v: v}
	role := &roleStep{v: v, auth: auth}
	steps := []store.Step{
		store.NewStep(phases, phaseStore, values.diff, values.apply),
		store.NewStep(phases, phaseAuth, auth.diff, auth.apply),
		store.NewStep(phases, phasePolicy, policy.diff, policy.apply),
		store.NewStep(phases, phaseRole, role.diff, role.apply),
	}
	steps[0].Read = values.read
	return steps
}

// Granted implements [store.Store]: the login itself can be tried.
func (v *Store) Granted(context.Context) (string, error) { return "", errors.ErrUnsupported }

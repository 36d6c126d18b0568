package vault

import (
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

const (
	phaseStore  = "store"
	phaseAuth   = "auth"
	phasePolicy = "policy"
	phaseRole   = "role"
)

// Phases returns the names of the steps, in their order.
func Phases() []string { return []string{phaseStore, phaseAuth, phasePolicy, phaseRole} }

// Steps returns what provisions the delivery: the values, kubernetes auth, the
// policy and the role. in is where values come from; concurrency is how many
// requests are under way at the same time, 16 where it is 0. The steps remember
// what they read and generated: they are for one [Run], or several in a row.
func (v *Store) Steps(in *secret.Inputs, concurrency int) []store.Step {
	values := newStoreStep(v, in, concurrency)
	auth := &authStep{v: v}
	policy := &policyStep{v: v}
	role := &roleStep{v: v, auth: auth}
	steps := []store.Step{
		store.NewStep(Phases(), phaseStore, values.diff, values.apply),
		store.NewStep(Phases(), phaseAuth, auth.diff, auth.apply),
		store.NewStep(Phases(), phasePolicy, policy.diff, policy.apply),
		store.NewStep(Phases(), phaseRole, role.diff, role.apply),
	}
	steps[0].Read = values.read
	return steps
}

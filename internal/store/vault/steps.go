package vault

import (
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

const (
	phaseAuth   = "auth"
	phasePolicy = "policy"
	phaseRole   = "role"
)

var phases = []string{store.PhaseStore, phaseAuth, phasePolicy, phaseRole}

// Steps implements [store.Store]: the values, kubernetes auth, and the policies and roles
// of the pod and the rotate job.
func (v *Store) Steps(in *secret.Inputs, concurrency int) []store.Step {
	auth := &authStep{v: v}
	var policies, roles []store.Part
	add := func(policy *policyStep, role *roleStep) {
		policies = append(policies, store.Part{Diff: policy.diff, Apply: policy.apply})
		roles = append(roles, store.Part{Diff: role.diff, Apply: role.apply})
	}
	is := v.d.Vault
	add(&policyStep{v: v, name: is.Policy, rules: podRules(v.d)},
		&roleStep{v: v, auth: auth, name: is.Role, account: v.d.Aidbox.ServiceAccount, policy: is.Policy})
	if v.d.RotateJob != nil {
		add(&policyStep{v: v, name: is.RotatePolicy(), rules: rotateRules(v.d)},
			&roleStep{v: v, auth: auth, name: is.RotateRole(), account: v.d.RotateAccount(), policy: is.RotatePolicy(), minTTL: v.d.RotateWithin()})
	}
	values := &storeStep{v: v, sources: &store.Sources{Delivery: v.d, Inputs: in, Sanitizer: v.o.Sanitizer}, concurrency: concurrency}
	steps := []store.Step{
		store.NewStep(phases, store.PhaseStore, store.Part{Diff: values.diff, Apply: values.apply}),
		store.NewStep(phases, phaseAuth, store.Part{Diff: auth.diff, Apply: auth.apply}),
		store.NewStep(phases, phasePolicy, policies...),
		store.NewStep(phases, phaseRole, roles...),
	}
	steps[0].Read = values.sources.Read
	return steps
}

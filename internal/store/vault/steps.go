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
// role of the pod, and those of the rotate job.
func (v *Store) Steps(in *secret.Inputs, concurrency int) []store.Step {
	values := newStoreStep(v, in, concurrency)
	auth := &authStep{v: v}
	vault := v.d.Vault
	policies := []store.Part{(&policyStep{v: v, name: vault.Policy, rules: podRules(v.d)}).part()}
	roles := []store.Part{(&roleStep{v: v, auth: auth, name: vault.Role, account: v.d.Aidbox.ServiceAccount, policy: vault.Policy}).part()}
	if v.d.RotateJob != nil {
		policies = append(policies, (&policyStep{v: v, name: vault.RotatePolicy(), rules: rotateRules(v.d)}).part())
		roles = append(roles, (&roleStep{v: v, auth: auth, name: vault.RotateRole(), account: v.d.RotateAccount(), policy: vault.RotatePolicy(), least: v.d.RotateWithin()}).part())
	}
	steps := []store.Step{
		store.NewStep(phases, phaseStore, store.Part{Diff: values.diff, Apply: values.apply}),
		store.NewStep(phases, phaseAuth, store.Part{Diff: auth.diff, Apply: auth.apply}),
		store.NewStep(phases, phasePolicy, policies...),
		store.NewStep(phases, phaseRole, roles...),
	}
	steps[0].Read = values.read
	return steps
}

// Granted implements [store.Store]: the login itself can be tried.
func (v *Store) Granted(context.Context) (string, error) { return "", errors.ErrUnsupported }

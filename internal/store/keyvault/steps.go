package keyvault

import (
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

const (
	phaseIdentity = "identity"
	phaseGrant    = "grant"
)

var phases = []string{store.PhaseStore, phaseIdentity, phaseGrant}

// Steps implements [store.Store]: the values, the identities of the pod and the rotate
// job, and the roles of these.
func (v *Store) Steps(in *secret.Inputs, concurrency int) []store.Step {
	if !v.o.Compare {
		v.readRole = officerRole // provision has to write too
	}
	r := v.resources()
	var identities, grants []store.Part
	add := func(identity *identityStep, wanted []wantedGrant) {
		grant := &grantStep{resources: r, identity: identity, wanted: wanted}
		identities = append(identities, store.Part{Diff: v.retryLogin(identity.diff), Apply: identity.apply})
		grants = append(grants, store.Part{Diff: v.retryLogin(grant.diff), Apply: grant.apply})
	}
	add(newIdentityStep(r), podGrants(v.d))
	if v.d.RotateJob != nil {
		add(newRotateIdentityStep(r), rotateGrants(v.d))
	}
	values := &storeStep{v: v, sources: &store.Sources{Delivery: v.d, Inputs: in, Sanitizer: v.o.Sanitizer}, concurrency: concurrency}
	steps := []store.Step{
		store.NewStep(phases, store.PhaseStore, store.Part{Diff: values.diff, Apply: values.apply}),
		store.NewStep(phases, phaseIdentity, identities...),
		store.NewStep(phases, phaseGrant, grants...),
	}
	steps[0].Read = values.sources.Read
	for i, name := range phases[1:] {
		steps[i+1].Check = func() error { return needs(v.d, "phase "+name, "subscriptionID", "resourceGroup", "cluster") }
	}
	return steps
}

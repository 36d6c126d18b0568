package keyvault

import (
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

const (
	phaseStore    = "store"
	phaseIdentity = "identity"
	phaseGrant    = "grant"
)

var phases = []string{phaseStore, phaseIdentity, phaseGrant}

// Steps implements [store.Store]: the values, the identities that the pod reads them as
// and the rotate job writes them as, and the roles that admit these.
func (v *Store) Steps(in *secret.Inputs, concurrency int) []store.Step {
	if !v.o.Compare {
		v.readRole = officerRole // who provisions has to write as well
	}
	values := newStoreStep(v, in, concurrency)
	r := &resources{d: v.d, azure: v.azure}
	identity := newIdentityStep(r)
	grant := &grantStep{r: r, identity: identity, wanted: podGrants(v.d)}
	identities := []store.Part{{Diff: v.afterLogin(identity.diff), Apply: identity.apply}}
	grants := []store.Part{{Diff: v.afterLogin(grant.diff), Apply: grant.apply}}
	if v.d.RotateJob != nil {
		identity := &identityStep{r: r, workload: newRotateIdentity(r)}
		grant := &grantStep{r: r, identity: identity, wanted: rotateGrants(v.d)}
		identities = append(identities, store.Part{Diff: v.afterLogin(identity.diff), Apply: identity.apply})
		grants = append(grants, store.Part{Diff: v.afterLogin(grant.diff), Apply: grant.apply})
	}
	steps := []store.Step{
		store.NewStep(phases, phaseStore, store.Part{Diff: values.diff, Apply: values.apply}),
		store.NewStep(phases, phaseIdentity, identities...),
		store.NewStep(phases, phaseGrant, grants...),
	}
	steps[0].Read = values.read
	for i := range steps[1:] {
		step := &steps[i+1]
		step.Check = func() error { return needs(v.d, "phase "+step.Name, "subscriptionID", "resourceGroup", "cluster") }
	}
	return steps
}

// needs returns a [*store.SettingError] where the config lacks one of these keys below azure.
func needs(d *config.Delivery, what string, keys ...string) error {
	values := map[string]string{"subscriptionID": d.Azure.SubscriptionID, "resourceGroup": d.Azure.ResourceGroup, "cluster": d.Azure.Cluster}
	var missing []string
	for _, key := range keys {
		if values[key] == "" {
			missing = append(missing, "azure."+key)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &store.SettingError{For: what, Missing: missing, Next: "write them there, or go without: " +
		"--phase store provisions the values alone, and render needs only azure.tenantID and azure.identity.clientID"}
}

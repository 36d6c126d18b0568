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

// Steps implements [store.Store]: the values, the identity that the pod reads them as,
// and the role that admits it.
func (v *Store) Steps(in *secret.Inputs, concurrency int) []store.Step {
	if !v.o.Compare {
		v.readRole = officerRole // who provisions has to write as well
	}
	values := newStoreStep(v, in, concurrency)
	r := &resources{d: v.d, azure: v.azure}
	identity := newIdentityStep(r)
	grant := &grantStep{r: r, identity: identity}
	steps := []store.Step{
		store.NewStep(phases, phaseStore, values.diff, values.apply),
		store.NewStep(phases, phaseIdentity, v.afterLogin(identity.diff), identity.apply),
		store.NewStep(phases, phaseGrant, v.afterLogin(grant.diff), grant.apply),
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

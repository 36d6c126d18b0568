package keyvault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// fillIn is [store.Provider.FillIn]: it looks up the tenant, and the client ID of the
// identity.
func (v *Store) fillIn(ctx context.Context) ([]store.Found, error) {
	var found []store.Found
	a := v.d.Azure
	if a.TenantID == "" {
		tenant, err := v.tenantOf(ctx, a.KeyVault)
		if err != nil {
			return nil, hint.Wrap(err, "is azure.keyVault the right name? or set azure.tenantID in the config")
		}
		a.TenantID = tenant
		found = append(found, store.Found{Setting: "azure.tenantID", Value: tenant, From: "Key Vault " + a.KeyVault})
	}
	if a.Identity.ClientID == "" && a.Identity.Type != config.IdentitySystem {
		keys := []string{"subscriptionID", "resourceGroup", "cluster"}
		if isWorkload(v.d) {
			keys = keys[:2]
		}
		identity, err := v.lookUp(ctx, "azure.identity.clientID", keys, newIdentityStep(v.resources()))
		if err != nil {
			return nil, err
		}
		a.Identity.ClientID = identity.Value
		found = append(found, identity)
	}
	return found, nil
}

// fillInRotateJob is [store.Provider.FillInRotateJob].
func (v *Store) fillInRotateJob(ctx context.Context) ([]store.Found, error) {
	if v.d.RotateJob.ClientID != "" {
		return nil, nil
	}
	found, err := v.lookUp(ctx, "rotateJob.clientID", []string{"subscriptionID", "resourceGroup"}, newRotateIdentityStep(v.resources()))
	if err != nil {
		return nil, err
	}
	v.d.RotateJob.ClientID = found.Value
	return []store.Found{found}, nil
}

// lookUp finds the client ID of an identity.
func (v *Store) lookUp(ctx context.Context, setting string, keys []string, identity *identityStep) (store.Found, error) {
	if err := needs(v.d, "looking up "+setting, keys...); err != nil {
		return store.Found{}, err
	}
	err := identity.find(ctx)
	switch {
	case identity.workload != nil && errors.Is(err, fs.ErrNotExist):
		return store.Found{}, hint.Wrap(err, "run: secretctl provision --phase identity, which creates it")
	case err != nil:
		return store.Found{}, err
	}
	is := identity.readers[0]
	if !isGUID.MatchString(is.clientID) { // it goes into manifests
		return store.Found{}, fmt.Errorf("%s: client ID: %w", is.name, azure.ErrUnexpected)
	}
	return store.Found{Setting: setting, Value: is.clientID, From: is.name}, nil
}

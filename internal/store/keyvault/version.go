package keyvault

import (
	"context"
	"net/http"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// StatusVersions implements [store.Store]. It takes the right to list versions, as the
// role Key Vault Reader gives it, and no more. Key Vault says when a version was made
// to the second, so where some were made in the same one there are several ids.
func (v *Store) StatusVersions(ctx context.Context, s config.Secret) (ids []string, err error) {
	if s.KeyVaultType() == config.ObjectKey {
		return nil, store.ErrNoStatusVersion
	}
	var newest []*azsecrets.SecretProperties
	err = v.retryWhilePropagating(ctx, s, readerRole, func() (err error) {
		newest, err = v.newest(ctx, s)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(newest) == 0 {
		return nil, v.absent(s)
	}
	for _, version := range newest {
		if enabled := version.Attributes.Enabled; enabled == nil || *enabled {
			ids = append(ids, version.ID.Version())
		}
	}
	if ids == nil { // older ones do not count: nobody gets them without naming them
		return nil, v.disabled(s)
	}
	return ids, nil
}

// newest returns the last version, or those of the last second.
func (v *Store) newest(ctx context.Context, s config.Secret) (newest []*azsecrets.SecretProperties, err error) {
	all, err := v.list(ctx, s)
	for _, version := range all {
		if version.Attributes.Created.Equal(*all[0].Attributes.Created) {
			newest = append(newest, version)
		}
	}
	return newest, err
}

// list returns the versions of a secret, the newest first.
func (v *Store) list(ctx context.Context, s config.Secret) (all []*azsecrets.SecretProperties, err error) {
	for pages := v.client(s).NewListSecretPropertiesVersionsPager(s.ObjectName, nil); pages.More(); {
		if err := pace(ctx, v.reads); err != nil {
			return nil, err
		}
		page, err := pages.NextPage(ctx)
		if r := v.azure.RefusalOf(err); r != nil && r.Status == http.StatusNotFound && r.Has("SecretNotFound") {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, version := range page.Value {
			if versionID(version.ID) == "" || version.Attributes == nil || version.Attributes.Created == nil {
				return nil, azure.ErrUnexpected
			}
			all = append(all, version)
		}
	}
	slices.SortStableFunc(all, func(a, b *azsecrets.SecretProperties) int { return b.Attributes.Created.Compare(*a.Attributes.Created) })
	return all, nil
}

// Versions implements [store.Store].
func (v *Store) Versions(ctx context.Context, s config.Secret) ([]store.Version, error) {
	if s.KeyVaultType() == config.ObjectKey {
		return nil, v.about(s, store.ErrPEM)
	}
	var all []*azsecrets.SecretProperties
	err := v.retryWhilePropagating(ctx, s, readerRole, func() (err error) {
		all, err = v.list(ctx, s)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(all) == 0:
		return nil, v.absent(s)
	}
	versions := make([]store.Version, len(all))
	for i, version := range all {
		a := version.Attributes
		versions[i] = store.Version{ID: version.ID.Version(), Created: *a.Created, Expires: azure.Deref(a.Expires), Gone: a.Enabled != nil && !*a.Enabled}
	}
	return versions, nil
}

// GetVersion implements [store.Store].
func (v *Store) GetVersion(ctx context.Context, s config.Secret, id string) (secret.Value, error) {
	is, err := v.readVersion(ctx, s, id)
	if err == nil && is.version == "" {
		err = v.absent(s)
	}
	return is.value, err
}

func (v *Store) absent(s config.Secret) error {
	return hint.Wrap(v.about(s, store.NotFound("is not in the store")), "run: secretctl provision")
}

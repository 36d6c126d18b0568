package keyvault

import (
	"context"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
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
		return nil, hint.Wrap(v.about(s, store.NotFound("is not in the store")), "run: secretctl provision")
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

// newest lists the versions and returns the last one, or those of the last second.
func (v *Store) newest(ctx context.Context, s config.Secret) (newest []*azsecrets.SecretProperties, err error) {
	var last time.Time
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
			switch made := *version.Attributes.Created; {
			case made.After(last):
				newest, last = []*azsecrets.SecretProperties{version}, made
			case made.Equal(last):
				newest = append(newest, version)
			}
		}
	}
	return newest, nil
}

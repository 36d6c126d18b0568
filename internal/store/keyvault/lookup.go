package keyvault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// fillIn is [store.Provider.FillIn]: it looks up the tenant and the client id of the
// identity.
func (v *Store) fillIn(ctx context.Context) ([]store.Found, error) {
	var found []store.Found
	a := v.d.Azure
	if a.TenantID == "" {
		tenant, err := v.tenant(ctx)
		if err != nil {
			return nil, err
		}
		a.TenantID = tenant
		found = append(found, store.Found{Setting: "azure.tenantID", Value: tenant, From: "Key Vault " + a.KeyVault})
	}
	if a.Identity.ClientID == "" && a.Identity.Type != config.IdentitySystem {
		who, err := v.whoReads(ctx)
		if err != nil {
			return nil, err
		}
		if err := who.check(); err != nil {
			return nil, err
		}
		a.Identity.ClientID = who.clientID
		found = append(found, store.Found{Setting: "azure.identity.clientID", Value: who.clientID, From: who.name})
	}
	return found, nil
}

// check refuses a client id that is none: it goes into manifests.
func (who reader) check() error {
	if !regexp.MustCompile("^" + guid + "$").MatchString(who.clientID) {
		return fmt.Errorf("%s: client ID: %w", who.name, azure.ErrUnexpected)
	}
	return nil
}

// fillInRotateJob is [store.Provider.FillInRotateJob].
func (v *Store) fillInRotateJob(ctx context.Context) ([]store.Found, error) {
	const setting = "rotateJob.clientID"
	if v.d.RotateJob.ClientID != "" {
		return nil, nil
	}
	if err := needs(v.d, "looking up "+setting, "subscriptionID", "resourceGroup"); err != nil {
		return nil, err
	}
	w := newRotateIdentity(&resources{d: v.d, azure: v.azure})
	err := w.find(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint.Wrap(err, "run: secretctl provision --phase identity, which makes it")
	}
	if err == nil {
		err = w.reader.check()
	}
	if err != nil {
		return nil, err
	}
	v.d.RotateJob.ClientID = w.reader.clientID
	return []store.Found{{Setting: setting, Value: w.reader.clientID, From: w.reader.name}}, nil
}

// whoReads finds the identity whose client id the config does not say.
func (v *Store) whoReads(ctx context.Context) (reader, error) {
	keys := []string{"subscriptionID", "resourceGroup", "cluster"}
	if v.d.Azure.Identity.Type == config.IdentityWorkload {
		keys = keys[:2]
	}
	if err := needs(v.d, "looking up azure.identity.clientID", keys...); err != nil {
		return reader{}, err
	}
	identity := newIdentityStep(&resources{d: v.d, azure: v.azure})
	if err := identity.find(ctx); err != nil {
		if identity.workload != nil && errors.Is(err, fs.ErrNotExist) {
			err = hint.Wrap(err, "run: secretctl provision --phase identity, which makes it")
		}
		return reader{}, err
	}
	return identity.readers[0], nil
}

const guid = `[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`

// authority is in a challenge, and ends in a tenant.
const authority = `authorization="https://[^"/]+/(` + guid + `)/?"`

// tenant asks the Key Vault where to log in.
func (v *Store) tenant(ctx context.Context) (string, error) {
	tenant, err := v.tenantOf(ctx, v.d.Azure.KeyVault)
	return tenant, hint.Wrap(err, "is azure.keyVault the right name? or write azure.tenantID in the config")
}

// tenantOf asks a Key Vault where to log in, which it says to whoever comes without
// a token.
func (v *Store) tenantOf(ctx context.Context, keyVault string) (string, error) {
	about := func(err error) error { return fmt.Errorf("key vault %q: tenant: %w", keyVault, err) }
	req, err := runtime.NewRequest(ctx, http.MethodGet, v.azure.VaultURL(keyVault)+"/secrets?api-version=7.5")
	if err != nil {
		return "", about(err)
	}
	options := v.azure.Options()
	resp, err := runtime.NewPipeline("", "", runtime.PipelineOptions{}, &options).Do(req) // which tries again
	if err != nil {
		return "", about(v.azure.Explain(ctx, err))
	}
	_ = resp.Body.Close()
	challenge := regexp.MustCompile(authority).FindStringSubmatch(resp.Header.Get("WWW-Authenticate"))
	if resp.StatusCode == http.StatusUnauthorized && challenge != nil {
		return challenge[1], nil
	}
	return "", hint.Wrap(about(azure.ErrUnexpected), "is there a proxy in between?")
}

// Reach implements [store.Store].
func (v *Store) Reach(ctx context.Context) (string, error) {
	names, wanted := v.d.KeyVaults(), v.d.Azure.TenantID
	for _, name := range names {
		tenant, err := v.tenantOf(ctx, name)
		if err != nil {
			return "", err
		}
		if wanted == "" {
			wanted = tenant
		}
		if !strings.EqualFold(tenant, wanted) {
			err := store.Invalid(fmt.Sprintf("key vault %q: is in tenant %s, and not in %s", name, tenant, wanted))
			return "", hint.Wrap(err, "azure.tenantID has to be the tenant of every Key Vault of the delivery: the provider logs in there")
		}
	}
	return fmt.Sprintf("Key Vault %s (tenant %s)", strings.Join(names, ", "), wanted), nil
}

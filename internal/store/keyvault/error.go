package keyvault

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// Key Vault's codes.
const (
	secretNotFound = "SecretNotFound"
	beingDeleted   = "ObjectIsBeingDeleted"
	beingRecovered = "ObjectIsBeingRecovered"
	onlyDeleted    = "ObjectIsDeletedButRecoverable"
)

// The roles that requests to a Key Vault need: to list versions, to read values, to read
// certificates as well, and to write.
const (
	readerRole  = "Key Vault Reader"
	userRole    = "Key Vault Secrets User"
	certRole    = "Key Vault Certificate User"
	officerRole = "Key Vault Secrets Officer"
)

// about names the secret that an error is about.
func (v *Store) about(s config.Secret, err error) error {
	return fmt.Errorf("key vault %q: secret %q: %w", s.KeyVault, s.ObjectName, err)
}

// fail restates in one line why a request about a secret failed. role is the role that
// the request needs.
func (v *Store) fail(ctx context.Context, s config.Secret, role string, err error) error {
	r := v.azure.RefusalOf(err)
	switch {
	case ctx.Err() != nil:
		err = v.azure.Explain(ctx, err)
	case r.Has(onlyDeleted):
		return v.recoverable(s)
	case r.Has(beingDeleted):
		err = hint.Wrap(errors.New("is being deleted"), "wait until it is deleted, then run: secretctl provision --recover")
	case r.Has(beingRecovered):
		err = hint.Wrap(errors.New("is being recovered"), "wait until it is recovered, then run again")
	case r.Has("SecretDisabled"):
		return v.disabled(s)
	case r.Has("ForbiddenByFirewall"), r.Has("ForbiddenByConnection"):
		err = hint.Wrap(errors.New("the Key Vault does not take requests from this network"),
			"%s", secret.Shellf("run where its firewall allows it, or run: az keyvault network-rule add --name %s --ip-address ADDRESS", s.KeyVault))
	case r.Has("ForbiddenByPolicy"), r.Has("AccessDenied"): // a Key Vault without RBAC
		err = hint.Wrap(fmt.Errorf("%w: its access policies do not let you do this", store.ErrDenied),
			"%s", secret.Shellf("run: az keyvault set-policy --name %s --secret-permissions get list set recover --object-id YOU", s.KeyVault))
	case r.HasStatus(http.StatusForbidden):
		err = azure.Denied(role, v.scope(s.KeyVault))
	default:
		err = v.azure.Explain(ctx, err)
	}
	return v.about(s, err)
}

func (v *Store) absent(s config.Secret) error {
	return hint.Wrap(v.about(s, store.NotFound("is not in the store")), "run: secretctl provision")
}

func (v *Store) disabled(s config.Secret) error {
	return hint.Wrap(v.about(s, store.Invalid("is disabled")), "%s", secret.Shellf("run: az keyvault secret set-attributes --vault-name %s --name %s --enabled true", s.KeyVault, s.ObjectName))
}

var errDeleted = errors.New("is deleted, and its name is kept until it is recovered or purged")

func (v *Store) recoverable(s config.Secret) error {
	return hint.Wrap(v.about(s, errDeleted), "run: secretctl provision --recover; secretctl never purges")
}

// scope names a Key Vault as a scope of roles, as far as the config knows it.
func (v *Store) scope(keyVault string) string {
	a := v.d.Azure
	if a.SubscriptionID == "" || a.ResourceGroup == "" {
		return "vaults/" + keyVault
	}
	return groupID(a) + "/providers/Microsoft.KeyVault/vaults/" + keyVault
}

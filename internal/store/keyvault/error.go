package keyvault

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

// The states of a name that cannot be set, as Key Vault calls them.
const (
	beingDeleted   = "ObjectIsBeingDeleted"
	beingRecovered = "ObjectIsBeingRecovered"
	onlyDeleted    = "ObjectIsDeletedButRecoverable"
)

// about says which secret an error is about.
func (v *Store) about(s config.Secret, err error) error {
	return fmt.Errorf("key vault %q: secret %q: %w", s.KeyVault, s.ObjectName, err)
}

// fail restates in one line why a request about a secret did not work. role is
// what it takes to be allowed to make it.
func (v *Store) fail(ctx context.Context, s config.Secret, role string, err error) error {
	r := v.azure.RefusalOf(err)
	switch {
	case ctx.Err() != nil:
		err = v.azure.Explain(ctx, err)
	case r.Has(onlyDeleted):
		return v.recoverable(s)
	case r.Has(beingDeleted):
		err = hint.Wrap(errors.New("is being deleted"), "wait for the end of that, then run: secretctl provision --recover")
	case r.Has(beingRecovered):
		err = hint.Wrap(errors.New("is being recovered"), "wait for the end of that, then run again")
	case r.Has("SecretDisabled"):
		return v.disabled(s)
	case r.Has("ForbiddenByFirewall"), r.Has("ForbiddenByConnection"):
		err = hint.Wrap(errors.New("the Key Vault does not take requests from this network"), "run where its firewall lets through, or run: az keyvault network-rule add --name %s --ip-address ADDRESS", s.KeyVault)
	case r != nil && r.Status == http.StatusForbidden:
		err = v.denied(s, role, r.Has("ForbiddenByPolicy") || r.Has("AccessDenied"))
	default:
		err = v.azure.Explain(ctx, err)
	}
	return v.about(s, err)
}

func (v *Store) disabled(s config.Secret) error {
	return hint.Wrap(v.about(s, store.Invalid("is disabled")), "run: az keyvault secret set-attributes --vault-name %s --name %s --enabled true", s.KeyVault, s.ObjectName)
}

// denied names what is missing.
func (v *Store) denied(s config.Secret, role string, byPolicy bool) error {
	if byPolicy { // the older way, in which there are no roles
		err := fmt.Errorf("%w: its access policies do not let you do this", store.ErrDenied)
		return hint.Wrap(err, "run: az keyvault set-policy --name %s --secret-permissions get list set recover --object-id YOU", s.KeyVault)
	}
	scope := v.scope(s.KeyVault)
	err := fmt.Errorf("%w: needs the role %s on %s", store.ErrDenied, role, scope)
	return hint.Wrap(err, "run: az role assignment create --role %q --scope %s --assignee YOU", role, scope)
}

// scope names a Key Vault as a scope of roles, as far as the config tells.
func (v *Store) scope(keyVault string) string {
	a := v.d.Azure
	if a.SubscriptionID == "" || a.ResourceGroup == "" {
		return "vaults/" + keyVault
	}
	return "/subscriptions/" + a.SubscriptionID + "/resourceGroups/" + a.ResourceGroup + "/providers/Microsoft.KeyVault/vaults/" + keyVault
}

package infra

import (
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/store"
)

func TestEachKeyVaultOfTheSecretsIsMade(t *testing.T) {
	w, d := newWorld(t), delivery()
	d.Secrets = append(d.Secrets, config.Secret{Name: "other", KeyVault: "contoso-other"})
	if _, err := provision.Run(t.Context(), w.infra(d).Steps(), []string{"vault"}, false); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"vault contoso", "vault contoso-other"}, w.writes); diff != "" {
		t.Error(diff)
	}
}

// keyVault is one that is there, as the change makes it.
func keyVault(change func(*armkeyvault.Vault)) *armkeyvault.Vault {
	v := &armkeyvault.Vault{
		ID: vaultID("aidbox-rg", "contoso"), Name: new("contoso"), Location: new("eastus"),
		Properties: &armkeyvault.VaultProperties{TenantID: new(tenant), EnableRbacAuthorization: new(true), EnableSoftDelete: new(true)},
	}
	change(v)
	return v
}

func TestKeyVaultThatIsThereChangesOnlyWhereNobodyLosesAnything(t *testing.T) {
	tests := map[string]struct {
		change func(*armkeyvault.Vault)
		want   store.Change
		write  string
	}{
		"as wanted": {func(*armkeyvault.Vault) {}, store.Change{Action: "unchanged", Detail: "in eastus"}, ""},
		"in another resource group and location": {
			func(v *armkeyvault.Vault) { v.ID, v.Location = vaultID("shared-rg", "contoso"), new("westeurope") },
			store.Change{Action: "unchanged", Detail: "in westeurope, resource group shared-rg"},
			"",
		},
		"no RBAC, and no access policies": {
			func(v *armkeyvault.Vault) {
				v.ID, v.Properties.EnableRbacAuthorization = vaultID("shared-rg", "contoso"), nil
			},
			store.Change{Action: "update", Detail: "RBAC authorization on; it has no access policies that this would disable"},
			"patch of vault shared-rg/contoso",
		},
		"no soft delete": {
			func(v *armkeyvault.Vault) { v.Properties.EnableSoftDelete = new(false) },
			store.Change{Action: "update", Detail: "soft delete on"},
			"patch of vault aidbox-rg/contoso",
		},
		"private": {
			func(v *armkeyvault.Vault) { v.Properties.PublicNetworkAccess = new("Disabled") },
			store.Change{Action: "unchanged", Detail: "in eastus", Warning: "takes requests from private networks only: run provision in one, and put the cluster's nodes into one"},
			"",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.vaults, w.taken = []*armkeyvault.Vault{keyVault(test.change)}, true
			test.want.Phase, test.want.Object = "vault", "Key Vault contoso"
			changes, err := provision.Run(t.Context(), w.infra(delivery()).Steps(), []string{"vault"}, false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]store.Change{test.want}, changes); diff != "" {
				t.Error(diff)
			}
			if got := strings.Join(w.writes, ", "); got != test.write {
				t.Errorf("wrote %q", got)
			}
			if again, err := w.run(delivery(), true); err != nil || again[1].Action != "unchanged" {
				t.Errorf("the second run: %+v, %v", again, err)
			}
		})
	}
}

func TestKeyVaultThatCannotBeHadIsAnError(t *testing.T) {
	purge := time.Date(2026, 12, 24, 23, 0, 0, 0, time.UTC)
	deleted := []*armkeyvault.DeletedVault{{Name: new("CONTOSO"), Properties: &armkeyvault.DeletedVaultProperties{Location: new("westeurope"), ScheduledPurgeDate: &purge}}}
	tests := map[string]struct {
		vaults    []*armkeyvault.Vault
		deleted   []*armkeyvault.DeletedVault
		err, hint string
	}{
		"deleted": {
			nil, deleted, "azure: Key Vault contoso: was deleted and can be recovered until 2026-12-24; until then the name is taken",
			"run: az keyvault recover --name contoso --location westeurope; or choose another azure.keyVault",
		},
		"another tenant's": {
			nil, nil, "azure: Key Vault contoso: the name is taken, by a Key Vault that this login cannot see",
			"names of Key Vaults are unique in Azure: choose another azure.keyVault",
		},
		"of another tenant than configured": {
			[]*armkeyvault.Vault{keyVault(func(v *armkeyvault.Vault) { v.Properties.TenantID = new("33333333-3333-3333-3333-333333333333") })},
			nil,
			"azure: Key Vault contoso: belongs to the tenant 33333333-3333-3333-3333-333333333333, and azure.tenantID is " + tenant, "correct azure.tenantID",
		},
		"access policies": {
			[]*armkeyvault.Vault{keyVault(func(v *armkeyvault.Vault) {
				v.Properties.EnableRbacAuthorization = new(false)
				v.Properties.AccessPolicies = []*armkeyvault.AccessPolicyEntry{{ObjectID: new("o"), TenantID: new(tenant), Permissions: &armkeyvault.Permissions{}}}
			})},
			nil,
			"azure: Key Vault contoso: uses access policies (1), which RBAC authorization would disable",
			"assign roles to their owners, then run: az keyvault update --name contoso --enable-rbac-authorization true",
		},
		"no answer of Azure": {
			[]*armkeyvault.Vault{keyVault(func(v *armkeyvault.Vault) { v.Properties = nil })},
			nil,
			"azure: Key Vault contoso: unexpected response", "",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.vaults, w.deleted, w.taken = test.vaults, test.deleted, true
			_, err := w.run(delivery(), false)
			if err == nil || err.Error() != test.err || !strings.Contains(hint.Of(err), test.hint) {
				t.Errorf("%v\nhint: %s", err, hint.Of(err))
			}
			if w.writes != nil {
				t.Error("something was written before:", w.writes)
			}
		})
	}
}

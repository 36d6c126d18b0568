package infra

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// vaultStep creates the Key Vaults: the delivery's own, and those of single secrets.
type vaultStep struct {
	*Infra
	plans []vaultPlan
}

// vaultPlan is the change of a Key Vault. group and patch are those of an existing one.
type vaultPlan struct {
	store.Change
	name, group string
	patch       armkeyvault.VaultPatchProperties
}

func (i *Infra) vault(name string) azure.Object {
	return azure.Object{Name: "Key Vault " + name, Role: contributor, Scope: i.groupID(), Provider: "Microsoft.KeyVault"}
}

// refuseVault is the error of a Key Vault that the delivery cannot use.
func (i *Infra) refuseVault(name, why, next string) error {
	return hint.Wrap(fmt.Errorf("azure: %s: %s", i.vault(name).Name, why), "%s", next)
}

func (s *vaultStep) diff(ctx context.Context) ([]store.Change, error) {
	names := []string{s.config.KeyVault}
	for _, name := range s.d.KeyVaults() {
		if !strings.EqualFold(name, s.config.KeyVault) {
			names = append(names, name)
		}
	}
	s.plans = nil
	var changes []store.Change
	for _, name := range names {
		plan := vaultPlan{name: name, Change: store.Change{Phase: phaseVault, Object: s.vault(name).Name}}
		vault, err := s.find(ctx, name)
		switch {
		case err != nil:
			return nil, err
		case vault == nil:
			plan.Action, plan.Detail = store.Create, "RBAC authorization, soft delete; in "+s.config.Location
		default:
			if err := s.compare(&plan, vault); err != nil {
				return nil, err
			}
		}
		s.plans = append(s.plans, plan)
		changes = append(changes, plan.Change)
	}
	return changes, nil
}

// find returns the Key Vault, or nil if there is none and the name is free.
func (s *vaultStep) find(ctx context.Context, name string) (*armkeyvault.Vault, error) {
	vault, err := s.azure.FindKeyVault(ctx, s.vaults, s.config.ResourceGroup, name)
	switch {
	case err == nil:
		return vault, nil
	case !s.absent(err):
		return nil, s.fail(ctx, s.vault(name), err)
	}
	free, err := s.vaults.CheckNameAvailability(ctx, armkeyvault.VaultCheckNameAvailabilityParameters{
		Name: &name, Type: new("Microsoft.KeyVault/vaults"),
	}, nil)
	switch {
	case s.denied(err), err == nil && azure.Deref(free.NameAvailable): // without the right to ask, the creation tells
		return nil, nil
	case err != nil:
		return nil, s.fail(ctx, s.vault(name), err)
	case azure.Deref(free.Reason) == armkeyvault.ReasonAccountNameInvalid:
		return nil, s.refuseVault(name, "is not a valid name for a Key Vault: "+s.azure.Text(azure.Deref(free.Message)), "correct azure.keyVault")
	}
	return nil, s.taken(ctx, name)
}

// taken returns the error of a name that a deleted Key Vault has, or one that this login
// cannot see.
func (s *vaultStep) taken(ctx context.Context, name string) error {
	deleted, err := azure.All(ctx, s.vaults.NewListDeletedPager(nil),
		func(p armkeyvault.VaultsClientListDeletedResponse) []*armkeyvault.DeletedVault { return p.Value })
	if err != nil && !s.denied(err) {
		return s.fail(ctx, s.vault(name), err)
	}
	for _, vault := range deleted {
		if p := vault.Properties; p != nil && strings.EqualFold(azure.Deref(vault.Name), name) {
			return s.refuseVault(name, "was deleted and can be recovered until "+azure.Deref(p.ScheduledPurgeDate).UTC().Format(time.DateOnly)+"; until then the name is taken",
				secret.Shellf("run: az keyvault recover --name %s --location %s; or choose another azure.keyVault", name, s.azure.Text(azure.Deref(p.Location))))
		}
	}
	return s.refuseVault(name, "the name is taken, by a Key Vault that this login cannot see", takenHint)
}

func (s *vaultStep) denied(err error) bool {
	return s.azure.RefusalOf(err).HasStatus(http.StatusForbidden)
}

func (s *vaultStep) compare(plan *vaultPlan, vault *armkeyvault.Vault) error {
	id, err := arm.ParseResourceID(*vault.ID)
	if err != nil {
		return err
	}
	p := vault.Properties
	plan.group = id.ResourceGroupName
	plan.Action, plan.Detail = store.Unchanged, "in "+s.azure.Text(azure.Deref(vault.Location))
	if !strings.EqualFold(plan.group, s.config.ResourceGroup) {
		plan.Detail += ", resource group " + s.azure.Text(plan.group)
	}
	if tenant := azure.Deref(p.TenantID); s.config.TenantID != "" && !strings.EqualFold(tenant, s.config.TenantID) {
		return s.refuseVault(plan.name, fmt.Sprintf("belongs to the tenant %s, and azure.tenantID is %s", s.azure.Text(tenant), s.config.TenantID),
			"correct azure.tenantID, or choose another azure.keyVault")
	}
	var updates []string
	if !azure.Deref(p.EnableRbacAuthorization) {
		if n := len(p.AccessPolicies); n > 0 {
			return s.refuseVault(plan.name, fmt.Sprintf("uses access policies (%d), which RBAC authorization would disable", n),
				secret.Shellf("assign roles to their owners, then run: az keyvault update --name %s --enable-rbac-authorization true", plan.name))
		}
		plan.patch.EnableRbacAuthorization = new(true)
		updates = append(updates, "RBAC authorization on; it has no access policies that this would disable")
	}
	if p.EnableSoftDelete != nil && !*p.EnableSoftDelete {
		plan.patch.EnableSoftDelete = new(true)
		updates = append(updates, "soft delete on")
	}
	if updates != nil {
		plan.Action, plan.Detail = store.Update, strings.Join(updates, "; ")
	}
	if strings.EqualFold(azure.Deref(p.PublicNetworkAccess), "Disabled") {
		plan.Warning = "takes requests from private networks only: run provision in one, and put the cluster's nodes into one"
	}
	return nil
}

func (s *vaultStep) apply(ctx context.Context) (done []store.Change, err error) {
	for _, plan := range s.plans {
		switch plan.Action {
		case store.Create:
			s.o.Waiting(plan.Object)
			err = s.create(ctx, plan.name)
		case store.Update:
			_, err = s.vaults.Update(ctx, plan.group, plan.name, armkeyvault.VaultPatchParameters{Properties: &plan.patch}, nil)
		}
		if err != nil {
			return done, s.fail(ctx, s.vault(plan.name), err)
		}
		done = append(done, plan.Change)
	}
	return done, nil
}

func (s *vaultStep) create(ctx context.Context, name string) error {
	poller, err := s.vaults.BeginCreateOrUpdate(ctx, s.config.ResourceGroup, name, armkeyvault.VaultCreateOrUpdateParameters{
		Location: &s.config.Location,
		Tags:     tags(),
		Properties: &armkeyvault.VaultProperties{
			TenantID:                &s.config.TenantID,
			SKU:                     &armkeyvault.SKU{Family: new(armkeyvault.SKUFamilyA), Name: new(armkeyvault.SKUNameStandard)},
			EnableRbacAuthorization: new(true),
			EnableSoftDelete:        new(true),
		},
	}, nil)
	if err != nil {
		return err
	}
	_, err = poller.PollUntilDone(ctx, &runtime.PollUntilDoneOptions{Frequency: s.o.pollInterval})
	return err
}

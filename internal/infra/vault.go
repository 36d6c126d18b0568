package infra

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// vaultStep makes the Key Vaults: the delivery's own, and those of single secrets.
type vaultStep struct {
	*Infra
	plans []vaultPlan
}

// vaultPlan is what is to be done about one. group and patch are of one that is there.
type vaultPlan struct {
	store.Change
	name, group string
	patch       armkeyvault.VaultPatchProperties
}

func (s *vaultStep) object(name string) object {
	return object{"Key Vault " + name, "Microsoft.KeyVault", s.groupID()}
}

func (s *vaultStep) client() (*armkeyvault.VaultsClient, error) {
	return armkeyvault.NewVaultsClient(s.config.SubscriptionID, s.azure.Credential(), s.azure.ARM())
}

func (s *vaultStep) names() []string {
	names := []string{s.config.KeyVault}
	for _, name := range s.d.KeyVaults() {
		if !strings.EqualFold(name, s.config.KeyVault) {
			names = append(names, name)
		}
	}
	return names
}

func (s *vaultStep) diff(ctx context.Context) ([]store.Change, error) {
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	s.plans = nil
	var changes []store.Change
	for _, name := range s.names() {
		vault, err := s.find(ctx, client, name)
		if err != nil {
			return nil, err
		}
		plan := vaultPlan{name: name, Change: store.Change{Phase: phaseVault, Object: s.object(name).name}}
		if vault == nil {
			plan.Action, plan.Detail = store.Create, "RBAC authorization, soft delete; in "+s.config.Location
		} else if err := s.compare(&plan, vault); err != nil {
			return nil, err
		}
		s.plans = append(s.plans, plan)
		changes = append(changes, plan.Change)
	}
	return changes, nil
}

// find returns the Key Vault: that of the resource group, or one elsewhere in the
// subscription, since many share one. nil is none, and a name that is free.
func (s *vaultStep) find(ctx context.Context, client *armkeyvault.VaultsClient, name string) (*armkeyvault.Vault, error) {
	got, err := client.Get(ctx, s.config.ResourceGroup, name, nil)
	switch {
	case err == nil:
		return &got.Vault, nil
	case !s.absent(err):
		return nil, s.fail(ctx, s.object(name), err)
	}
	free, err := client.CheckNameAvailability(ctx, armkeyvault.VaultCheckNameAvailabilityParameters{
		Name: &name, Type: new("Microsoft.KeyVault/vaults"),
	}, nil)
	switch {
	case s.denied(err): // who may only write to the group learns it when the Key Vault is made
		return nil, nil
	case err != nil:
		return nil, s.fail(ctx, s.object(name), err)
	case azure.Deref(free.NameAvailable):
		return nil, nil
	case azure.Deref(free.Reason) == armkeyvault.ReasonAccountNameInvalid:
		return nil, hint.Wrap(fmt.Errorf("azure: %s: is no name for a Key Vault: %s", s.object(name).name, s.azure.Text(azure.Deref(free.Message))), "correct azure.keyVault")
	}
	return s.findTaken(ctx, client, name)
}

// findTaken finds who has the name.
func (s *vaultStep) findTaken(ctx context.Context, client *armkeyvault.VaultsClient, name string) (*armkeyvault.Vault, error) {
	about := func(text, next string) error {
		return hint.Wrap(fmt.Errorf("azure: %s: %s", s.object(name).name, text), "%s", next)
	}
	for pages := client.NewListBySubscriptionPager(nil); pages.More(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, s.fail(ctx, s.object(name), err)
		}
		for _, vault := range page.Value {
			if strings.EqualFold(azure.Deref(vault.Name), name) {
				return vault, nil
			}
		}
	}
	for pages := client.NewListDeletedPager(nil); pages.More(); {
		page, err := pages.NextPage(ctx)
		if s.denied(err) {
			break
		}
		if err != nil {
			return nil, s.fail(ctx, s.object(name), err)
		}
		for _, deleted := range page.Value {
			if p := deleted.Properties; p != nil && strings.EqualFold(azure.Deref(deleted.Name), name) {
				return nil, about("was deleted and can be recovered until "+azure.Deref(p.ScheduledPurgeDate).UTC().Format(time.DateOnly)+"; until then the name is taken",
					fmt.Sprintf("run: az keyvault recover --name %s --location %s; or choose another azure.keyVault", name, s.azure.Text(azure.Deref(p.Location))))
			}
		}
	}
	return nil, about("the name is taken, by a Key Vault that this login cannot see", takenHint)
}

func (s *vaultStep) denied(err error) bool {
	refusal := s.azure.RefusalOf(err)
	return refusal != nil && refusal.Status == http.StatusForbidden
}

// compare completes the plan for a Key Vault that is there.
func (s *vaultStep) compare(plan *vaultPlan, vault *armkeyvault.Vault) error {
	o := s.object(plan.name)
	id, err := arm.ParseResourceID(azure.Deref(vault.ID))
	p := vault.Properties
	if err != nil || p == nil {
		return unexpected(o)
	}
	plan.group = id.ResourceGroupName
	plan.Action, plan.Detail = store.Unchanged, "in "+s.azure.Text(azure.Deref(vault.Location))
	if !strings.EqualFold(plan.group, s.config.ResourceGroup) {
		plan.Detail += ", resource group " + s.azure.Text(plan.group)
	}
	if tenant := azure.Deref(p.TenantID); s.config.TenantID != "" && !strings.EqualFold(tenant, s.config.TenantID) {
		return hint.Wrap(fmt.Errorf("azure: %s: is of the tenant %s, and azure.tenantID is %s", o.name, s.azure.Text(tenant), s.config.TenantID),
			"correct azure.tenantID, or choose another azure.keyVault")
	}
	var why []string
	if !azure.Deref(p.EnableRbacAuthorization) {
		if n := len(p.AccessPolicies); n > 0 {
			err := fmt.Errorf("azure: %s: %w: its access policies (%d) would end with that", o.name, errNoRBAC, n)
			return hint.Wrap(err, "give their owners roles instead, then run: az keyvault update --name %s --enable-rbac-authorization true", plan.name)
		}
		plan.patch.EnableRbacAuthorization = new(true)
		why = append(why, "RBAC authorization on; there are no access policies that would end with that")
	}
	if p.EnableSoftDelete != nil && !*p.EnableSoftDelete {
		plan.patch.EnableSoftDelete = new(true)
		why = append(why, "soft delete on")
	}
	if len(why) > 0 {
		plan.Action, plan.Detail = store.Update, strings.Join(why, "; ")
	}
	if strings.EqualFold(azure.Deref(p.PublicNetworkAccess), "Disabled") {
		plan.Warning = "takes requests from private networks only: provision, and the cluster's nodes, have to be in one"
	}
	return nil
}

// errNoRBAC is a Key Vault in which no role counts.
var errNoRBAC = errors.New("uses access policies, and switching to RBAC authorization is not safe")

func (s *vaultStep) apply(ctx context.Context) ([]store.Change, error) {
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	var done []store.Change
	for _, plan := range s.plans {
		switch plan.Action {
		case store.Create:
			s.o.Waiting(plan.Object)
			err = s.create(ctx, client, plan.name)
		case store.Update:
			_, err = client.Update(ctx, plan.group, plan.name, armkeyvault.VaultPatchParameters{Properties: &plan.patch}, nil)
		}
		if err != nil {
			return done, s.fail(ctx, s.object(plan.name), err)
		}
		done = append(done, plan.Change)
	}
	return done, nil
}

func (s *vaultStep) create(ctx context.Context, client *armkeyvault.VaultsClient, name string) error {
	poller, err := client.BeginCreateOrUpdate(ctx, s.config.ResourceGroup, name, armkeyvault.VaultCreateOrUpdateParameters{
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
	_, err = poller.PollUntilDone(ctx, &runtime.PollUntilDoneOptions{Frequency: s.o.askEvery})
	return err
}

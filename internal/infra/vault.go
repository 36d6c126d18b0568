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
	return armkeyvault.NewVaultsClient(s.d.Azure.SubscriptionID, s.azure.Credential(), s.azure.ARM())
}

func (s *vaultStep) names() []string {
	names := []string{s.d.Azure.KeyVault}
	for _, name := range s.d.KeyVaults() {
		if !strings.EqualFold(name, s.d.Azure.KeyVault) {
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
			plan.Action, plan.Detail = store.Create, "RBAC authorization, soft delete; in "+s.d.Azure.Location
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
	got, err := client.Get(ctx, s.d.Azure.ResourceGroup, name, nil)
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
	case deref(free.NameAvailable):
		return nil, nil
	case deref(free.Reason) == armkeyvault.ReasonAccountNameInvalid:
		return nil, hint.Wrap(fmt.Errorf("azure: %s: is no name for a Key Vault: %s", s.object(name).name, s.azure.Text(deref(free.Message))), "correct azure.keyVault")
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
			if strings.EqualFold(deref(vault.Name), name) {
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
			if p := deleted.Properties; p != nil && strings.EqualFold(deref(deleted.Name), name) {
				return nil, about("was deleted and can be recovered until "+deref(p.ScheduledPurgeDate).UTC().Format(time.DateOnly)+"; until then the name is taken",
					fmt.Sprintf("run: az keyvault recover --name %s --location %s; or choose another azure.keyVault", name, s.azure.Text(deref(p.Location))))
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
	id, err := arm.ParseResourceID(deref(vault.ID))
	p := vault.Properties
	if err != nil || p == nil {
		return unexpected(o)
	}
	plan.group = id.ResourceGroupName
	plan.Action, plan.Detail = store.Unchanged, "in "+s.azure.Text(deref(vault.Location))
	if !strings.EqualFold(plan.group, s.d.Azure.ResourceGroup) {
		plan.Detail += ", resource group " + s.azure.Text(plan.group)
	}
	if tenant := deref(p.TenantID); s.d.Azure.TenantID != "" && !strings.EqualFold(tenant, s.d.Azure.TenantID) {
		return hint.Wrap(fmt.Errorf("azure: %s: is of the tenant %s, and azure.tenantID is %s", o.name, s.azure.Text(tenant), s.d.Azure.TenantID),
			"correct azure.tenantID, or choose another azure.keyVault")
	}
	var why []string
	if !deref(p.EnableRbacAuthorization) {
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
	if strings.EqualFold(deref(p.PublicNetworkAccess), "Disabled") {
		plan.Warning = "takes requests from private networks only: provision, and the cluster's nodes, have to be in one"
	}
	return nil
}

// errNoRBAC is a Key Vault in which no role counts.
var errNoRBAC = errors.New("goes by access policies, and switching to RBAC authorization is not safe")

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
	poller, err := client.BeginCreateOrUpdate(ctx, s.d.Azure.ResourceGroup, name, armkeyvault.VaultCreateOrUpdateParameters{
		Location: &s.d.Azure.Location,
		Tags:     tags(),
		Properties: &armkeyvault.VaultProperties{
			TenantID:                &s.d.Azure.TenantID,
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

// Package infra creates what a delivery runs on in Azure: the resource group, the Key
// Vaults and the AKS cluster. It reads before it writes, changes existing resources only
// where the delivery needs it, and refuses if others would lose something. It never
// deletes, purges or recovers.
package infra

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

const contributor = "Contributor" // the role that creates resources

const (
	phaseGroup   = "group"
	phaseVault   = "vault"
	phaseCluster = "cluster"
)

// pollInterval suits Azure, which takes minutes to create a cluster.
const pollInterval = 10 * time.Second

// Options say how Azure is reached, and describe a new cluster.
type Options struct {
	azure.Access
	Nodes    int32             // at least 1
	NodeSize string            // of the virtual machines; "" leaves it to Azure
	Waiting  func(what string) // called before long operations; may be nil

	pollInterval time.Duration // for tests
}

// Infra is what a delivery runs on.
type Infra struct {
	d      *config.Delivery
	config *config.Azure // d's section
	azure  *azure.Session
	o      Options

	groups   *armresources.ResourceGroupsClient
	vaults   *armkeyvault.VaultsClient
	clusters *armcontainerservice.ManagedClustersClient
}

// New makes no request. The delivery's provider must be Azure.
func New(d *config.Delivery, o Options) (*Infra, error) {
	o.pollInterval = cmp.Or(o.pollInterval, pollInterval)
	if o.Waiting == nil {
		o.Waiting = func(string) {}
	}
	i := &Infra{d: d, config: d.Azure, azure: azure.NewSession(d.Azure.Cloud, d.Azure.TenantID, o.Access), o: o}
	subscription, login, options := d.Azure.SubscriptionID, i.azure.Credential(), i.azure.ARM()
	var errs [3]error
	i.groups, errs[0] = armresources.NewResourceGroupsClient(subscription, login, options)
	i.vaults, errs[1] = armkeyvault.NewVaultsClient(subscription, login, options)
	i.clusters, errs[2] = armcontainerservice.NewManagedClustersClient(subscription, login, options)
	return i, errors.Join(errs[:]...)
}

// Phases returns the names of the steps, in their order.
func Phases() []string { return []string{phaseGroup, phaseVault, phaseCluster} }

// ForKubeconfig is what [Kubeconfig] passes to [Missing] in place of phases.
const ForKubeconfig = "kubeconfig"

// Missing returns the settings that the phases need and the config leaves empty. No
// phases are all phases.
func Missing(d *config.Delivery, phases []string) (missing []string) {
	if len(phases) == 0 {
		phases = Phases()
	}
	has := func(phase string) bool { return slices.Contains(phases, phase) }
	a := d.Azure
	for _, s := range []struct {
		key, value string
		needed     bool
	}{
		{"azure.tenantID", a.TenantID, has(phaseVault)},
		{"azure.subscriptionID", a.SubscriptionID, true},
		{"azure.resourceGroup", a.ResourceGroup, true},
		{"azure.location", a.Location, !has(ForKubeconfig)},
		{"azure.cluster", a.Cluster, has(phaseCluster) || has(ForKubeconfig)},
	} {
		if s.needed && s.value == "" {
			missing = append(missing, s.key)
		}
	}
	return missing
}

// Steps returns the steps that create the resources, for one [provision.Run].
func (i *Infra) Steps() []store.Step {
	vaults, cluster := &vaultStep{Infra: i}, &clusterStep{Infra: i}
	return []store.Step{
		{Name: phaseGroup, Diff: i.diffGroup, Apply: i.createGroup},
		{Name: phaseVault, Diff: vaults.diff, Apply: vaults.apply},
		{Name: phaseCluster, Diff: cluster.diff, Apply: cluster.apply},
	}
}

func (i *Infra) subscription() string { return "/subscriptions/" + i.config.SubscriptionID }

func (i *Infra) groupID() string {
	return i.subscription() + "/resourceGroups/" + i.config.ResourceGroup
}

func (i *Infra) group() azure.Object {
	return azure.Object{Name: "resource group " + i.config.ResourceGroup, Role: contributor, Scope: i.subscription(), Provider: "Microsoft.Resources"}
}

func (i *Infra) groupChange(action, location string) []store.Change {
	return []store.Change{{Phase: phaseGroup, Object: i.group().Name, Action: action, Detail: "in " + location}}
}

// diffGroup does not care where the resource group is: what is in it may be elsewhere.
func (i *Infra) diffGroup(ctx context.Context) ([]store.Change, error) {
	got, err := i.groups.Get(ctx, i.config.ResourceGroup, nil)
	switch {
	case i.absent(err):
		return i.groupChange(store.Create, i.config.Location), nil
	case err != nil:
		return nil, i.fail(ctx, i.group(), err)
	case got.Properties != nil && azure.Deref(got.Properties.ProvisioningState) == stateDeleting:
		return nil, beingDeleted(i.group())
	}
	return i.groupChange(store.Unchanged, i.azure.Text(azure.Deref(got.Location))), nil
}

func (i *Infra) createGroup(ctx context.Context) ([]store.Change, error) {
	_, err := i.groups.CreateOrUpdate(ctx, i.config.ResourceGroup, armresources.ResourceGroup{Location: &i.config.Location, Tags: tags()}, nil)
	if err != nil {
		return nil, i.fail(ctx, i.group(), err)
	}
	return i.groupChange(store.Create, i.config.Location), nil
}

func beingDeleted(o azure.Object) error {
	return hint.Wrap(fmt.Errorf("azure: %s: is being deleted", o.Name), "wait until it is deleted, then run again")
}

// tags mark what secretctl creates.
func tags() map[string]*string { return map[string]*string{"managed-by": new("secretctl")} }

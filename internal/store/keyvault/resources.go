package keyvault

import (
	"context"
	"errors"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

type armClients struct {
	clusters    *armcontainerservice.ManagedClustersClient
	resources   *armresources.Client
	vaults      *armkeyvault.VaultsClient
	identities  *armmsi.UserAssignedIdentitiesClient
	credentials *armmsi.FederatedIdentityCredentialsClient
	assignments *armauthorization.RoleAssignmentsClient
}

func newARMClients(subscription string, session *azure.Session) (*armClients, error) {
	login, options := session.Credential(), session.ARM()
	var c armClients
	var errs [6]error
	c.clusters, errs[0] = armcontainerservice.NewManagedClustersClient(subscription, login, options)
	c.resources, errs[1] = armresources.NewClient(subscription, login, options)
	c.vaults, errs[2] = armkeyvault.NewVaultsClient(subscription, login, options)
	c.identities, errs[3] = armmsi.NewUserAssignedIdentitiesClient(subscription, login, options)
	c.credentials, errs[4] = armmsi.NewFederatedIdentityCredentialsClient(subscription, login, options)
	c.assignments, errs[5] = armauthorization.NewRoleAssignmentsClient(subscription, login, options)
	return &c, errors.Join(errs[:]...)
}

// resources are what a delivery has in Azure around its Key Vaults.
type resources struct {
	*armClients
	d     *config.Delivery
	azure *azure.Session

	known *armcontainerservice.ManagedCluster // once it was read
}

func (v *Store) resources() *resources { return &resources{armClients: v.arm, d: v.d, azure: v.azure} }

// needs returns a [*store.SettingError] if the config lacks one of these keys below azure.
func needs(d *config.Delivery, what string, keys ...string) error {
	values := map[string]string{"subscriptionID": d.Azure.SubscriptionID, "resourceGroup": d.Azure.ResourceGroup, "cluster": d.Azure.Cluster}
	var missing []string
	for _, key := range keys {
		if values[key] == "" {
			missing = append(missing, "azure."+key)
		}
	}
	if missing == nil {
		return nil
	}
	return &store.SettingError{For: what, Missing: missing, Next: "add them to the config, or do without: " +
		"--phase store provisions only the values, and render needs only azure.tenantID and azure.identity.clientID"}
}

func subscriptionID(a *config.Azure) string { return "/subscriptions/" + a.SubscriptionID }

func groupID(a *config.Azure) string { return subscriptionID(a) + "/resourceGroups/" + a.ResourceGroup }

func (r *resources) clusterName() string {
	return "AKS cluster " + r.d.Azure.ResourceGroup + "/" + r.d.Azure.Cluster
}

// unusable is the error of a cluster that the delivery cannot use.
func (r *resources) unusable(why, next string) error {
	return hint.Wrap(fmt.Errorf("azure: %s: %s", r.clusterName(), why), "%s", next)
}

func (r *resources) cluster(ctx context.Context) (*armcontainerservice.ManagedCluster, error) {
	if r.known != nil {
		return r.known, nil
	}
	got, err := r.clusters.Get(ctx, r.d.Azure.ResourceGroup, r.d.Azure.Cluster, nil)
	if err == nil && got.Properties == nil {
		err = azure.ErrUnexpected
	}
	if err != nil {
		scope := groupID(r.d.Azure) + "/providers/Microsoft.ContainerService/managedClusters/" + r.d.Azure.Cluster
		return nil, r.azure.Fail(ctx, azure.Object{Name: r.clusterName(), Role: "Reader", Scope: scope}, err)
	}
	r.known = &got.ManagedCluster
	return r.known, nil
}

// scaleSets lists the cluster's virtual machine scale sets and their resource group.
func (r *resources) scaleSets(ctx context.Context) (sets []*armresources.GenericResourceExpanded, group string, err error) {
	cluster, err := r.cluster(ctx)
	if err != nil {
		return nil, "", err
	}
	group = azure.Deref(cluster.Properties.NodeResourceGroup)
	if !azure.IsGroup(group) {
		return nil, "", r.azure.Fail(ctx, azure.Object{Name: r.clusterName()}, azure.ErrUnexpected)
	}
	filter := "resourceType eq 'Microsoft.Compute/virtualMachineScaleSets'"
	sets, err = azure.All(ctx, r.armClients.resources.NewListByResourceGroupPager(group, &armresources.ClientListByResourceGroupOptions{Filter: &filter}),
		func(p armresources.ClientListByResourceGroupResponse) []*armresources.GenericResourceExpanded {
			return p.Value
		})
	if err != nil {
		scope := subscriptionID(r.d.Azure) + "/resourceGroups/" + group
		err = r.azure.Fail(ctx, azure.Object{Name: "nodes of " + r.clusterName(), Role: "Reader", Scope: scope}, err)
	}
	return sets, group, err
}

// keyVault returns the id of a Key Vault in which roles count.
func (r *resources) keyVault(ctx context.Context, name string) (id string, err error) {
	o := azure.Object{Name: "Key Vault " + name, Role: "Reader", Scope: groupID(r.d.Azure) + "/providers/Microsoft.KeyVault/vaults/" + name}
	vault, err := r.azure.FindKeyVault(ctx, r.vaults, r.d.Azure.ResourceGroup, name)
	if err != nil {
		return "", r.azure.Fail(ctx, o, err)
	}
	if !azure.Deref(vault.Properties.EnableRbacAuthorization) {
		return "", hint.Wrap(fmt.Errorf("azure: %s: uses access policies (RBAC is disabled)", o.Name),
			"%s", secret.Shellf("run: az keyvault update --name %s --enable-rbac-authorization true; its access policies end with that", name))
	}
	return *vault.ID, nil
}

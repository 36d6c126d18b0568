package keyvault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// resources are what a delivery has in Azure around its Key Vault.
type resources struct {
	d     *config.Delivery
	azure *azure.Session

	known *armcontainerservice.ManagedCluster // once it was read
}

// armAccess is what a request was about, and what it takes to be allowed to make it.
type armAccess struct{ object, role, scope string }

// fail restates in one line why a request did not work. What does not exist is an
// fs.ErrNotExist.
func (r *resources) fail(ctx context.Context, a armAccess, err error) error {
	refusal := r.azure.RefusalOf(err)
	switch {
	case refusal != nil && refusal.Status == http.StatusForbidden:
		err = hint.Wrap(fmt.Errorf("%w: needs the role %s on %s", store.ErrDenied, a.role, a.scope),
			"run: az role assignment create --role %q --scope %s --assignee YOU", a.role, a.scope)
	case refusal != nil && refusal.Status == http.StatusNotFound:
		err = hint.Wrap(store.NotFound("not found"), "see azure.subscriptionID, azure.resourceGroup and the names in the config; secretctl infra makes what is missing")
	default:
		err = r.azure.Explain(ctx, err)
	}
	return fmt.Errorf("azure: %s: %w", a.object, err)
}

func (r *resources) group() string {
	return "/subscriptions/" + r.d.Azure.SubscriptionID + "/resourceGroups/" + r.d.Azure.ResourceGroup
}

// clusterName names the cluster for people.
func (r *resources) clusterName() string {
	return "AKS cluster " + r.d.Azure.ResourceGroup + "/" + r.d.Azure.Cluster
}

// cluster reads the AKS cluster, once.
func (r *resources) cluster(ctx context.Context) (*armcontainerservice.ManagedCluster, error) {
	if r.known != nil {
		return r.known, nil
	}
	client, err := armcontainerservice.NewManagedClustersClient(r.d.Azure.SubscriptionID, r.azure.Credential(), r.azure.ARM())
	if err != nil {
		return nil, err
	}
	scope := r.group() + "/providers/Microsoft.ContainerService/managedClusters/" + r.d.Azure.Cluster
	got, err := client.Get(ctx, r.d.Azure.ResourceGroup, r.d.Azure.Cluster, nil)
	if err == nil && got.Properties == nil {
		err = azure.ErrUnexpected
	}
	if err != nil {
		return nil, r.fail(ctx, armAccess{r.clusterName(), "Reader", scope}, err)
	}
	r.known = &got.ManagedCluster
	return r.known, nil
}

// scaleSet is a group of nodes of the cluster.
type scaleSet struct {
	name, group, principal string
	assigned               map[string]string // the other identities' principals, by client id in lower case
}

// scaleSets lists the groups of nodes, each with its system-assigned identity, "" where it has none.
func (r *resources) scaleSets(ctx context.Context) ([]scaleSet, error) {
	cluster, err := r.cluster(ctx)
	if err != nil {
		return nil, err
	}
	client, err := armresources.NewClient(r.d.Azure.SubscriptionID, r.azure.Credential(), r.azure.ARM())
	if err != nil {
		return nil, err
	}
	group := azure.Deref(cluster.Properties.NodeResourceGroup)
	filter := "resourceType eq 'Microsoft.Compute/virtualMachineScaleSets'"
	var sets []scaleSet
	for pages := client.NewListByResourceGroupPager(group, &armresources.ClientListByResourceGroupOptions{Filter: &filter}); pages.More(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			scope := "/subscriptions/" + r.d.Azure.SubscriptionID + "/resourceGroups/" + group
			return nil, r.fail(ctx, armAccess{"nodes of " + r.clusterName(), "Reader", scope}, err)
		}
		for _, resource := range page.Value {
			set := scaleSet{name: azure.Deref(resource.Name), group: group}
			if resource.Identity != nil {
				set.principal = azure.Deref(resource.Identity.PrincipalID)
				set.assigned = map[string]string{}
				for _, identity := range resource.Identity.UserAssignedIdentities {
					if identity != nil {
						set.assigned[strings.ToLower(azure.Deref(identity.ClientID))] = azure.Deref(identity.PrincipalID)
					}
				}
			}
			sets = append(sets, set)
		}
	}
	return sets, nil
}

// keyVault finds a Key Vault: in the resource group, or anywhere in the
// subscription, since many share one.
func (r *resources) keyVault(ctx context.Context, name string) (id string, err error) {
	client, err := armkeyvault.NewVaultsClient(r.d.Azure.SubscriptionID, r.azure.Credential(), r.azure.ARM())
	if err != nil {
		return "", err
	}
	a := armAccess{"Key Vault " + name, "Reader", r.group() + "/providers/Microsoft.KeyVault/vaults/" + name}
	got, err := client.Get(ctx, r.d.Azure.ResourceGroup, name, nil)
	if err == nil {
		return r.withRoles(got.Vault)
	}
	if refusal := r.azure.RefusalOf(err); refusal == nil || refusal.Status != http.StatusNotFound {
		return "", r.fail(ctx, a, err)
	}
	absent := r.fail(ctx, a, err)
	for pages := client.NewListBySubscriptionPager(nil); pages.More(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", absent
		}
		for _, vault := range page.Value {
			if strings.EqualFold(azure.Deref(vault.Name), name) {
				return r.withRoles(*vault)
			}
		}
	}
	return "", absent
}

// withRoles returns the id of a Key Vault in which roles count.
func (r *resources) withRoles(vault armkeyvault.Vault) (id string, err error) {
	object, id := "Key Vault "+azure.Deref(vault.Name), azure.Deref(vault.ID)
	switch {
	case id == "" || vault.Properties == nil:
		return "", fmt.Errorf("azure: %s: %w", object, azure.ErrUnexpected)
	case !azure.Deref(vault.Properties.EnableRbacAuthorization):
		err := fmt.Errorf("azure: %s: %w", object, errors.New("uses access policies (RBAC is disabled)"))
		return "", hint.Wrap(err, "run: az keyvault update --name %s --enable-rbac-authorization true; its access policies end with that", azure.Deref(vault.Name))
	}
	return id, nil
}

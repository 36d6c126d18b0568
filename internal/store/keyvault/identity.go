package keyvault

import (
	"context"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// reader is an identity that uses the Key Vaults.
type reader struct {
	name                string // for people
	clientID, principal string // "" until it is created
}

// identityStep finds the identities that use the Key Vaults, and creates a workload
// identity. The rotate job always has a workload identity: all pods of a node have the
// node's identity, and they must not write.
type identityStep struct {
	r        *resources
	workload *workloadIdentity // nil for the other types

	readers []reader
}

func newIdentityStep(r *resources) *identityStep {
	s := &identityStep{r: r}
	if isWorkload(r.d) {
		s.workload = &workloadIdentity{
			resources: r, account: r.d.Aidbox.ServiceAccount,
			clientID: r.d.Azure.Identity.ClientID, setting: "azure.identity.clientID", name: r.d.ManagedIdentityName(),
		}
	}
	return s
}

func newRotateIdentityStep(r *resources) *identityStep {
	return &identityStep{r: r, workload: &workloadIdentity{
		resources: r, account: r.d.RotateAccount(),
		clientID: r.d.RotateJob.ClientID, setting: "rotateJob.clientID", name: r.d.RotateIdentityName(),
	}}
}

// find sets readers, once.
func (s *identityStep) find(ctx context.Context) (err error) {
	if s.readers != nil {
		return nil
	}
	switch kind := s.r.d.Azure.Identity.Type; {
	case s.workload != nil:
		if err = s.workload.find(ctx); err == nil {
			s.readers = []reader{s.workload.reader}
		}
	case kind == config.IdentitySystem:
		s.readers, err = s.r.systemIdentities(ctx)
	case kind == config.IdentityNode:
		s.readers, err = s.r.nodeIdentity(ctx)
	default:
		s.readers, err = s.r.clusterIdentity(ctx, kind)
	}
	return err
}

func (s *identityStep) diff(ctx context.Context) ([]store.Change, error) {
	if s.workload != nil {
		changes, err := s.workload.diff(ctx)
		s.readers = []reader{s.workload.reader}
		return changes, err
	}
	if err := s.find(ctx); err != nil {
		return nil, err
	}
	var changes []store.Change
	for _, found := range s.readers {
		change := store.Change{Phase: phaseIdentity, Object: found.name, Action: store.Unchanged, Detail: "object id " + found.principal}
		switch {
		case found.clientID != "":
			change.Detail = "client id " + found.clientID
		case found.principal == "":
			change.Action, change.Detail, change.Warning = store.Absent, "", "has no system-assigned identity: pods on these nodes cannot read the secrets"
		}
		changes = append(changes, change)
	}
	return changes, nil
}

// apply has something to do for a workload identity only.
func (s *identityStep) apply(ctx context.Context) ([]store.Change, error) {
	changes, err := s.workload.apply(ctx)
	s.readers = []reader{s.workload.reader}
	return changes, err
}

// clusterIdentity returns the identity of the kubelets, or of AKS's add-on.
func (r *resources) clusterIdentity(ctx context.Context, kind string) ([]reader, error) {
	cluster, err := r.cluster(ctx)
	if err != nil {
		return nil, err
	}
	what, found := "kubelet identity", cluster.Properties.IdentityProfile["kubeletidentity"]
	missing := r.unusable("has no kubelet identity; does it still use a service principal?",
		secret.Shellf("run: az aks update --resource-group %s --name %s --enable-managed-identity", r.d.Azure.ResourceGroup, r.d.Azure.Cluster))
	if kind == config.IdentityAddon {
		what, found = "add-on's identity", nil
		if addon := cluster.Properties.AddonProfiles["azureKeyvaultSecretsProvider"]; addon != nil {
			found = (*armcontainerservice.UserAssignedIdentity)(addon.Identity)
		}
		missing = r.unusable("the add-on azure-keyvault-secrets-provider is not enabled",
			secret.Shellf("run: az aks enable-addons --addons azure-keyvault-secrets-provider --resource-group %s --name %s", r.d.Azure.ResourceGroup, r.d.Azure.Cluster))
	}
	if found == nil || azure.Deref(found.ClientID) == "" || azure.Deref(found.ObjectID) == "" {
		return nil, missing
	}
	if wanted := r.d.Azure.Identity.ClientID; wanted != "" && !strings.EqualFold(wanted, *found.ClientID) {
		return nil, r.unusable("its "+what+" has the client id "+r.azure.Text(*found.ClientID)+", and azure.identity.clientID is "+wanted,
			"leave azure.identity.clientID out: it is looked up; or set azure.identity.type to kubelet, addon or node, whichever the client id belongs to")
	}
	return []reader{{name: what + " of " + r.clusterName(), clientID: *found.ClientID, principal: *found.ObjectID}}, nil
}

// nodeIdentity returns the user-assigned identity of the nodes that the config names.
func (r *resources) nodeIdentity(ctx context.Context) ([]reader, error) {
	sets, _, err := r.scaleSets(ctx)
	if err != nil {
		return nil, err
	}
	wanted := r.d.Azure.Identity.ClientID
	for _, set := range sets {
		if set.Identity == nil {
			continue
		}
		for _, is := range set.Identity.UserAssignedIdentities {
			if is != nil && is.PrincipalID != nil && strings.EqualFold(azure.Deref(is.ClientID), wanted) {
				return []reader{{name: "user-assigned identity of the nodes of " + r.clusterName(), clientID: wanted, principal: *is.PrincipalID}}, nil
			}
		}
	}
	return nil, r.unusable("no nodes with a user-assigned identity of the client id "+wanted, "run: az vmss identity assign; or correct azure.identity.clientID")
}

// systemIdentities returns the system-assigned identity of each scale set.
func (r *resources) systemIdentities(ctx context.Context) (found []reader, err error) {
	sets, group, err := r.scaleSets(ctx)
	if err != nil {
		return nil, err
	}
	name, some := "NAME", false
	for _, set := range sets {
		name = azure.Deref(set.Name)
		is := reader{name: "nodes " + name + " of " + r.clusterName()}
		if set.Identity != nil {
			is.principal = azure.Deref(set.Identity.PrincipalID)
		}
		some = some || is.principal != ""
		found = append(found, is)
	}
	if !some {
		return nil, r.unusable("no nodes with a system-assigned identity",
			secret.Shellf("run: az vmss identity assign --resource-group %s --name %s; or set azure.identity.type to kubelet", group, name))
	}
	return found, nil
}

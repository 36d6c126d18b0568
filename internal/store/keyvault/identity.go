package keyvault

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// reader is who the CSI provider reads the Key Vault as.
type reader struct {
	name                string // for people
	clientID, principal string // "" where it is yet to be made
}

// identityStep finds the identity that reads, and for workload identity makes it. The
// rotate job has a workload identity, whatever the pod has: all pods of a node have the
// node's, and must not write.
type identityStep struct {
	r        *resources
	workload *workloadIdentity // nil for the others

	readers []reader
}

func newIdentityStep(r *resources) *identityStep {
	s := &identityStep{r: r}
	if r.d.Azure.Identity.Type == config.IdentityWorkload {
		s.workload = newPodIdentity(r)
	}
	return s
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
		if found.clientID != "" {
			change.Detail = "client id " + found.clientID
		}
		if found.principal == "" {
			change.Action, change.Detail, change.Warning = store.Absent, "", "has no system-assigned identity, so that pods on its nodes cannot read the secrets"
		}
		changes = append(changes, change)
	}
	return changes, nil
}

func (s *identityStep) apply(ctx context.Context) ([]store.Change, error) {
	changes, err := s.workload.apply(ctx) // the only one that has something to do
	s.readers = []reader{s.workload.reader}
	return changes, err
}

// find sets readers, unless it is known already.
func (s *identityStep) find(ctx context.Context) (err error) {
	if s.readers != nil {
		return nil
	}
	switch identity := s.r.d.Azure.Identity.Type; {
	case s.workload != nil:
		if err = s.workload.find(ctx); err == nil {
			s.readers = []reader{s.workload.reader}
		}
	case identity == config.IdentitySystem:
		s.readers, err = s.r.systemIdentities(ctx)
	default:
		find := map[string]func(context.Context) (reader, error){
			config.IdentityKubelet: s.r.kubeletIdentity, config.IdentityAddon: s.r.addonIdentity, config.IdentityNode: s.r.nodeIdentity,
		}[identity]
		var found reader
		found, err = find(ctx)
		s.readers = []reader{found}
	}
	if err != nil {
		s.readers = nil
	}
	return err
}

// kubeletIdentity is the managed identity of the cluster's nodes.
func (r *resources) kubeletIdentity(ctx context.Context) (reader, error) {
	cluster, err := r.cluster(ctx)
	if err != nil {
		return reader{}, err
	}
	kubelet := cluster.Properties.IdentityProfile["kubeletidentity"]
	if kubelet == nil || azure.Deref(kubelet.ClientID) == "" || azure.Deref(kubelet.ObjectID) == "" {
		err := fmt.Errorf("azure: %s: %w", r.clusterName(), errors.New("has no kubelet identity; is it one of the older kind, with a service principal?"))
		return reader{}, hint.Wrap(err, "run: az aks update --resource-group %s --name %s --enable-managed-identity", r.d.Azure.ResourceGroup, r.d.Azure.Cluster)
	}
	return r.fits("kubelet identity", *kubelet.ClientID, *kubelet.ObjectID)
}

// fits returns an identity of the cluster, unless the config names another one.
func (r *resources) fits(what, clientID, principal string) (reader, error) {
	if wanted := r.d.Azure.Identity.ClientID; wanted != "" && !strings.EqualFold(wanted, clientID) {
		err := fmt.Errorf("azure: %s: its %s has the client id %s, and azure.identity.clientID is %s", r.clusterName(), what, r.azure.Text(clientID), wanted)
		return reader{}, hint.Wrap(err, "leave azure.identity.clientID out: it is looked up; or set azure.identity.type to whose it is: kubelet, addon or node")
	}
	return reader{name: what + " of " + r.clusterName(), clientID: clientID, principal: principal}, nil
}

// addonIdentity is the one that AKS makes for its add-on.
func (r *resources) addonIdentity(ctx context.Context) (reader, error) {
	cluster, err := r.cluster(ctx)
	if err != nil {
		return reader{}, err
	}
	addon := cluster.Properties.AddonProfiles["azureKeyvaultSecretsProvider"]
	if addon == nil || addon.Identity == nil || azure.Deref(addon.Identity.ClientID) == "" || azure.Deref(addon.Identity.ObjectID) == "" {
		err := fmt.Errorf("azure: %s: %w", r.clusterName(), errors.New("the add-on azure-keyvault-secrets-provider is not enabled"))
		return reader{}, hint.Wrap(err, "run: az aks enable-addons --addons azure-keyvault-secrets-provider --resource-group %s --name %s", r.d.Azure.ResourceGroup, r.d.Azure.Cluster)
	}
	return r.fits("add-on's identity", *addon.Identity.ClientID, *addon.Identity.ObjectID)
}

// nodeIdentity is the user-assigned identity of the nodes that the config names.
func (r *resources) nodeIdentity(ctx context.Context) (reader, error) {
	sets, err := r.scaleSets(ctx)
	if err != nil {
		return reader{}, err
	}
	wanted := r.d.Azure.Identity.ClientID
	for _, set := range sets {
		if principal := set.assigned[strings.ToLower(wanted)]; principal != "" {
			return reader{name: "user-assigned identity of the nodes of " + r.clusterName(), clientID: wanted, principal: principal}, nil
		}
	}
	err = fmt.Errorf("azure: %s: %w", r.clusterName(), errors.New("no nodes with a user-assigned identity of the client id "+wanted))
	return reader{}, hint.Wrap(err, "run: az vmss identity assign; or correct azure.identity.clientID")
}

// systemIdentities are those of the cluster's nodes, one for each group of them.
func (r *resources) systemIdentities(ctx context.Context) ([]reader, error) {
	sets, err := r.scaleSets(ctx)
	if err != nil {
		return nil, err
	}
	var found []reader
	some := false
	for _, set := range sets {
		found = append(found, reader{name: "nodes " + set.name + " of " + r.clusterName(), principal: set.principal})
		some = some || set.principal != ""
	}
	if !some {
		name, group := "NAME", "GROUP"
		if len(sets) > 0 {
			name, group = sets[0].name, sets[0].group
		}
		err := fmt.Errorf("azure: %s: %w", r.clusterName(), errors.New("no nodes with a system-assigned identity"))
		return nil, hint.Wrap(err, "run: az vmss identity assign --resource-group %s --name %s; or set azure.identity.type to kubelet", group, name)
	}
	return found, nil
}

package infra

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/internal/transport"
)

// The states in which nobody works on a cluster, and those of work that matters.
const (
	stateSucceeded = "Succeeded"
	stateFailed    = "Failed"
	stateCanceled  = "Canceled"
	stateCreating  = "Creating"
	stateDeleting  = "Deleting"
)

// driverAddOn is AKS's own way to install the CSI driver and the Azure provider.
const driverAddOn = "azureKeyvaultSecretsProvider"

// clusterStep makes the AKS cluster.
type clusterStep struct {
	*Infra
	change store.Change
	found  *armcontainerservice.ManagedCluster
}

func (i *Infra) cluster() object {
	return object{"AKS cluster " + i.config.ResourceGroup + "/" + i.config.Cluster, "Microsoft.ContainerService", i.groupID()}
}

func (i *Infra) clusters() (*armcontainerservice.ManagedClustersClient, error) {
	return armcontainerservice.NewManagedClustersClient(i.config.SubscriptionID, i.azure.Credential(), i.azure.ARM())
}

func (s *clusterStep) diff(ctx context.Context) ([]store.Change, error) {
	s.change = store.Change{Phase: phaseCluster, Object: s.cluster().name}
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	if s.found == nil {
		s.change.Action = store.Create
		s.change.Detail = fmt.Sprintf("OIDC issuer, workload identity, nodes: %d; in %s", s.o.Nodes, s.config.Location)
		return []store.Change{s.change}, nil
	}
	if err := s.compare(); err != nil {
		return nil, err
	}
	return []store.Change{s.change}, nil
}

// read sets found, to nil where there is no cluster.
func (s *clusterStep) read(ctx context.Context) error {
	s.found = nil
	client, err := s.clusters()
	if err != nil {
		return err
	}
	got, err := client.Get(ctx, s.config.ResourceGroup, s.config.Cluster, nil)
	switch {
	case s.absent(err):
		return nil
	case err != nil:
		return s.fail(ctx, s.cluster(), err)
	case got.Properties == nil:
		return unexpected(s.cluster())
	}
	s.found = &got.ManagedCluster
	return nil
}

func (s *clusterStep) state() string { return azure.Deref(s.found.Properties.ProvisioningState) }

func (s *clusterStep) busy() bool {
	return !slices.Contains([]string{"", stateSucceeded, stateFailed, stateCanceled}, s.state())
}

// lacking names what is off in the cluster that found is.
func (s *clusterStep) lacking() []string {
	var off []string
	p := s.found.Properties
	if p.OidcIssuerProfile == nil || !azure.Deref(p.OidcIssuerProfile.Enabled) {
		off = append(off, "OIDC issuer")
	}
	if p.SecurityProfile == nil || p.SecurityProfile.WorkloadIdentity == nil || !azure.Deref(p.SecurityProfile.WorkloadIdentity.Enabled) {
		off = append(off, "workload identity")
	}
	return off
}

// needed says whether the delivery cannot do without what is lacking. Switching it
// on restarts the API server, so nobody else's cluster is made to.
func (s *clusterStep) needed(lacking []string) bool {
	return len(lacking) > 0 && s.config.Identity.Type == config.IdentityWorkload
}

// compare completes the change for a cluster that is there.
func (s *clusterStep) compare() error {
	lacking, p := s.lacking(), s.found.Properties
	s.change.Action, s.change.Detail = store.Unchanged, "in "+s.azure.Text(azure.Deref(s.found.Location))
	var warnings []string
	switch {
	case s.state() == stateDeleting:
		return hint.Wrap(fmt.Errorf("azure: %s: is being deleted", s.cluster().name), "wait for the end of that, then run again")
	case s.state() == stateCreating:
		s.change.Action, s.change.Detail = store.Create, "is being made already: to be waited for"
	case s.state() == stateFailed || s.state() == stateCanceled:
		s.change.Action, s.change.Detail = store.Update, "its last operation ended with "+s.state()+": to be sent again"
	case s.needed(lacking):
		s.change.Action, s.change.Detail = store.Update, strings.Join(lacking, ", ")+" on"
		warnings = append(warnings, "its API server restarts, and pods get tokens of a new issuer")
	case len(lacking) > 0:
		warnings = append(warnings, strings.Join(lacking, " and ")+" off, which azure.identity.type workload would need")
	}
	if p.PowerState != nil && azure.Deref(p.PowerState.Code) == armcontainerservice.CodeStopped {
		warnings = append(warnings, fmt.Sprintf("is stopped: az aks start --resource-group %s --name %s", s.config.ResourceGroup, s.config.Cluster))
	}
	if addOn := p.AddonProfiles[driverAddOn]; addOn != nil && azure.Deref(addOn.Enabled) {
		warnings = append(warnings, "its add-on "+driverAddOn+" brings the CSI driver and the Azure provider: do without secretctl install")
	}
	s.change.Warning = strings.Join(warnings, "; ")
	return nil
}

func (s *clusterStep) apply(ctx context.Context) ([]store.Change, error) {
	s.o.Waiting(s.change.Object)
	for s.found != nil && s.busy() { // an earlier run, or another writer: no request is taken meanwhile
		if err := transport.Sleep(ctx, s.o.askEvery); err != nil {
			return nil, s.fail(ctx, s.cluster(), err)
		}
		if err := s.read(ctx); err != nil {
			return nil, err
		}
	}
	if s.found != nil && s.state() == stateSucceeded && !s.needed(s.lacking()) {
		return []store.Change{s.change}, nil
	}
	if err := s.put(ctx); err != nil {
		return nil, s.fail(ctx, s.cluster(), err)
	}
	return []store.Change{s.change}, nil
}

// put makes the cluster, or sends the one that was found with what it lacks,
// unless it changed in the meantime.
func (s *clusterStep) put(ctx context.Context) error {
	client, err := s.clusters()
	if err != nil {
		return err
	}
	cluster, options := s.fresh(), &armcontainerservice.ManagedClustersClientBeginCreateOrUpdateOptions{IfNoneMatch: new("*")}
	if s.found != nil {
		cluster, options = s.completed(), &armcontainerservice.ManagedClustersClientBeginCreateOrUpdateOptions{IfMatch: s.found.ETag}
	}
	poller, err := client.BeginCreateOrUpdate(ctx, s.config.ResourceGroup, s.config.Cluster, cluster, options)
	if err != nil {
		return err
	}
	_, err = poller.PollUntilDone(ctx, &runtime.PollUntilDoneOptions{Frequency: s.o.askEvery})
	return err
}

func (s *clusterStep) fresh() armcontainerservice.ManagedCluster {
	pool := &armcontainerservice.ManagedClusterAgentPoolProfile{
		Name:   new("nodepool1"),
		Count:  &s.o.Nodes,
		Mode:   new(armcontainerservice.AgentPoolModeSystem),
		OSType: new(armcontainerservice.OSTypeLinux),
		Type:   new(armcontainerservice.AgentPoolTypeVirtualMachineScaleSets),
	}
	if s.o.NodeSize != "" {
		pool.VMSize = &s.o.NodeSize
	}
	return armcontainerservice.ManagedCluster{
		Location: &s.config.Location,
		Tags:     tags(),
		Identity: &armcontainerservice.ManagedClusterIdentity{Type: new(armcontainerservice.ResourceIdentityTypeSystemAssigned)},
		Properties: &armcontainerservice.ManagedClusterProperties{
			DNSPrefix:         new(dnsPrefix(s.config.Cluster)),
			AgentPoolProfiles: []*armcontainerservice.ManagedClusterAgentPoolProfile{pool},
			NetworkProfile: &armcontainerservice.NetworkProfile{ // the default of the API is being retired
				NetworkPlugin:     new(armcontainerservice.NetworkPluginAzure),
				NetworkPluginMode: new(armcontainerservice.NetworkPluginModeOverlay),
			},
			OidcIssuerProfile: &armcontainerservice.ManagedClusterOIDCIssuerProfile{Enabled: new(true)},
			SecurityProfile:   workloadIdentity(nil),
		},
	}
}

// completed is the cluster that was found, with what it lacks and without what
// only Azure writes.
func (s *clusterStep) completed() armcontainerservice.ManagedCluster {
	cluster, properties := *s.found, *s.found.Properties
	cluster.Properties = &properties
	cluster.ID, cluster.Name, cluster.Type, cluster.SystemData, cluster.ETag = nil, nil, nil, nil, nil
	properties.ProvisioningState, properties.PowerState = nil, nil
	if s.needed(s.lacking()) {
		properties.OidcIssuerProfile = &armcontainerservice.ManagedClusterOIDCIssuerProfile{Enabled: new(true)}
		properties.SecurityProfile = workloadIdentity(properties.SecurityProfile)
	}
	return cluster
}

func workloadIdentity(profile *armcontainerservice.ManagedClusterSecurityProfile) *armcontainerservice.ManagedClusterSecurityProfile {
	on := azure.Deref(profile)
	on.WorkloadIdentity = &armcontainerservice.ManagedClusterSecurityProfileWorkloadIdentity{Enabled: new(true)}
	return &on
}

// dnsPrefix makes of a cluster's name what a host name may begin with.
func dnsPrefix(cluster string) string {
	const most = 54
	name := strings.ReplaceAll(cluster, "_", "-")
	return strings.TrimRight(name[:min(len(name), most)], "-")
}

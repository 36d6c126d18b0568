package infra

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/internal/transport"
)

// The provisioning states that matter. Every other state is an operation in progress.
const (
	stateSucceeded = "Succeeded"
	stateFailed    = "Failed"
	stateCanceled  = "Canceled"
	stateCreating  = "Creating"
	stateDeleting  = "Deleting"
)

// driverAddOn is AKS's own way to install the CSI driver and the Azure provider.
const driverAddOn = "azureKeyvaultSecretsProvider"

type clusterStep struct {
	*Infra
	change store.Change
	found  *armcontainerservice.ManagedCluster // nil for none
}

func (i *Infra) cluster() azure.Object {
	return azure.Object{
		Name: "AKS cluster " + i.config.ResourceGroup + "/" + i.config.Cluster,
		Role: contributor, Scope: i.groupID(), Provider: "Microsoft.ContainerService",
	}
}

func (s *clusterStep) diff(ctx context.Context) ([]store.Change, error) {
	s.change = store.Change{Phase: phaseCluster, Object: s.cluster().Name}
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	if s.found == nil {
		s.change.Action = store.Create
		s.change.Detail = fmt.Sprintf("OIDC issuer, workload identity, nodes: %d; in %s", s.o.Nodes, s.config.Location)
	} else if s.state() == stateDeleting {
		return nil, beingDeleted(s.cluster())
	} else {
		s.compare()
	}
	return []store.Change{s.change}, nil
}

func (s *clusterStep) read(ctx context.Context) error {
	got, err := s.clusters.Get(ctx, s.config.ResourceGroup, s.config.Cluster, nil)
	switch {
	case s.absent(err):
		s.found = nil
		return nil
	case err == nil && got.Properties == nil:
		err = azure.ErrUnexpected
	}
	if err != nil {
		return s.fail(ctx, s.cluster(), err)
	}
	s.found = &got.ManagedCluster
	return nil
}

func (s *clusterStep) state() string { return azure.Deref(s.found.Properties.ProvisioningState) }

func (s *clusterStep) busy() bool {
	return !slices.Contains([]string{"", stateSucceeded, stateFailed, stateCanceled}, s.state())
}

func (s *clusterStep) failed() bool { return s.state() == stateFailed || s.state() == stateCanceled }

// own reports whether secretctl made the cluster. What others last did to theirs, such as an
// upgrade, is not repeated unasked.
func (s *clusterStep) own() bool { return azure.Deref(s.found.Tags["managed-by"]) == "secretctl" }

// disabled names the features for workload identity that the cluster has not enabled.
func (s *clusterStep) disabled() (features []string) {
	p := s.found.Properties
	if p.OidcIssuerProfile == nil || !azure.Deref(p.OidcIssuerProfile.Enabled) {
		features = append(features, "OIDC issuer")
	}
	if p.SecurityProfile == nil || p.SecurityProfile.WorkloadIdentity == nil || !azure.Deref(p.SecurityProfile.WorkloadIdentity.Enabled) {
		features = append(features, "workload identity")
	}
	return features
}

// mustEnable reports whether the delivery needs a feature that is disabled. Enabling one
// restarts the API server, so it is not done without need.
func (s *clusterStep) mustEnable() bool {
	return s.config.Identity.Type == config.IdentityWorkload && s.disabled() != nil
}

func (s *clusterStep) compare() {
	disabled, p := s.disabled(), s.found.Properties
	s.change.Action, s.change.Detail = store.Unchanged, "in "+s.azure.Text(azure.Deref(s.found.Location))
	var warnings []string
	switch {
	case s.state() == stateCreating:
		s.change.Action, s.change.Detail = store.Create, "is already being created: secretctl waits for it"
	case s.failed() && s.own():
		s.change.Action, s.change.Detail = store.Update, "its last operation ended with "+s.state()+": secretctl sends it again"
	case s.mustEnable():
		s.change.Action, s.change.Detail = store.Update, strings.Join(disabled, ", ")+" on"
		warnings = append(warnings, "its API server restarts, and pods get tokens of a new issuer")
	case disabled != nil:
		warnings = append(warnings, strings.Join(disabled, " and ")+" off, which azure.identity.type workload would need")
	}
	if s.failed() && !s.own() {
		warnings = append(warnings, "its last operation ended with "+s.state()+"; secretctl repeats it only for a cluster that it made")
	}
	if p.PowerState != nil && azure.Deref(p.PowerState.Code) == armcontainerservice.CodeStopped {
		warnings = append(warnings, secret.Shellf("is stopped: az aks start --resource-group %s --name %s", s.config.ResourceGroup, s.config.Cluster))
	}
	if addOn := p.AddonProfiles[driverAddOn]; addOn != nil && azure.Deref(addOn.Enabled) {
		warnings = append(warnings, "its add-on "+driverAddOn+" brings the CSI driver and the Azure provider: skip secretctl install")
	}
	s.change.Warning = strings.Join(warnings, "; ")
}

func (s *clusterStep) apply(ctx context.Context) ([]store.Change, error) {
	s.o.Waiting(s.change.Object)
	for s.found != nil && s.busy() { // with an operation of others; AKS takes one at a time
		if err := transport.Sleep(ctx, s.o.pollInterval); err != nil {
			return nil, s.fail(ctx, s.cluster(), err)
		}
		if err := s.read(ctx); err != nil {
			return nil, err
		}
	}
	if s.found == nil || s.failed() && s.own() || s.mustEnable() {
		if err := s.put(ctx); err != nil {
			return nil, s.fail(ctx, s.cluster(), err)
		}
	}
	return []store.Change{s.change}, nil
}

// put creates the cluster or updates the one that was found, unless it changed since.
func (s *clusterStep) put(ctx context.Context) error {
	cluster, options := s.created(), &armcontainerservice.ManagedClustersClientBeginCreateOrUpdateOptions{IfNoneMatch: new("*")}
	if s.found != nil {
		cluster, options.IfNoneMatch, options.IfMatch = s.updated(), nil, s.found.ETag
	}
	poller, err := s.clusters.BeginCreateOrUpdate(ctx, s.config.ResourceGroup, s.config.Cluster, cluster, options)
	if err != nil {
		return err
	}
	_, err = poller.PollUntilDone(ctx, &runtime.PollUntilDoneOptions{Frequency: s.o.pollInterval})
	return err
}

func (s *clusterStep) created() armcontainerservice.ManagedCluster {
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
	properties := &armcontainerservice.ManagedClusterProperties{
		DNSPrefix:         new(dnsPrefix(s.config.Cluster)),
		AgentPoolProfiles: []*armcontainerservice.ManagedClusterAgentPoolProfile{pool},
		NetworkProfile: &armcontainerservice.NetworkProfile{ // AKS retires its default
			NetworkPlugin:     new(armcontainerservice.NetworkPluginAzure),
			NetworkPluginMode: new(armcontainerservice.NetworkPluginModeOverlay),
		},
	}
	enableWorkloadIdentity(properties)
	return armcontainerservice.ManagedCluster{
		Location:   &s.config.Location,
		Tags:       tags(),
		Identity:   &armcontainerservice.ManagedClusterIdentity{Type: new(armcontainerservice.ResourceIdentityTypeSystemAssigned)},
		Properties: properties,
	}
}

// updated returns the cluster that was found, without the fields that only Azure writes.
func (s *clusterStep) updated() armcontainerservice.ManagedCluster {
	cluster, properties := *s.found, *s.found.Properties
	cluster.Properties = &properties
	cluster.ID, cluster.Name, cluster.Type, cluster.SystemData, cluster.ETag = nil, nil, nil, nil, nil
	properties.ProvisioningState, properties.PowerState = nil, nil
	if s.mustEnable() {
		enableWorkloadIdentity(&properties)
	}
	return cluster
}

func enableWorkloadIdentity(p *armcontainerservice.ManagedClusterProperties) {
	profile := azure.Deref(p.SecurityProfile)
	profile.WorkloadIdentity = &armcontainerservice.ManagedClusterSecurityProfileWorkloadIdentity{Enabled: new(true)}
	p.SecurityProfile = &profile
	p.OidcIssuerProfile = &armcontainerservice.ManagedClusterOIDCIssuerProfile{Enabled: new(true)}
}

// dnsPrefix makes a cluster's name fit into a host name.
func dnsPrefix(cluster string) string {
	const longest = 54
	name := strings.ReplaceAll(cluster, "_", "-")
	return strings.TrimRight(name[:min(len(name), longest)], "-")
}

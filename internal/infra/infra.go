// Package infra makes what a delivery stands on in Azure: the resource group, the
// Key Vaults and the AKS cluster. It reads before it writes, changes in what is
// there only what the delivery cannot do without, and refuses where that would
// take something from somebody. It never deletes, purges or recovers.
package infra

import (
	"cmp"
	"slices"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

const (
	phaseGroup   = "group"
	phaseVault   = "vault"
	phaseCluster = "cluster"
)

// Azure answers "go on" for minutes while it makes a cluster.
const askEvery = 10 * time.Second

// Options say how Azure is reached, and what the config does not say of a cluster
// that is yet to be made.
type Options struct {
	azure.Access
	Nodes    int32             // at least 1
	NodeSize string            // of the virtual machines; "" leaves it to Azure
	Waiting  func(what string) // is told what takes its time; may be nil

	askEvery time.Duration // for tests
}

// Infra is what a delivery stands on.
type Infra struct {
	d      *config.Delivery
	config *config.Azure // d's section
	azure  *azure.Session
	o      Options
}

// New makes no request. The delivery's provider has to be Key Vault.
func New(d *config.Delivery, o Options) *Infra {
	o.askEvery = cmp.Or(o.askEvery, askEvery)
	if o.Waiting == nil {
		o.Waiting = func(string) {}
	}
	return &Infra{d: d, config: d.Azure, azure: azure.NewSession(d.Azure.Cloud, d.Azure.TenantID, o.Access), o: o}
}

// Phases returns the names of the steps, in their order.
func Phases() []string { return []string{phaseGroup, phaseVault, phaseCluster} }

// ForKubeconfig stands in for a phase in what [Missing] is asked.
const ForKubeconfig = "kubeconfig"

// Missing returns the settings that the phases need, all phases where none is
// named, and that the config leaves empty.
func Missing(d *config.Delivery, phases []string) []string {
	if len(phases) == 0 {
		phases = Phases()
	}
	isFor := func(those ...string) bool {
		return slices.ContainsFunc(phases, func(p string) bool { return slices.Contains(those, p) })
	}
	a := d.Azure
	var missing []string
	for _, s := range []struct {
		key, value string
		needed     bool
	}{
		{"azure.tenantID", a.TenantID, isFor(phaseVault)},
		{"azure.subscriptionID", a.SubscriptionID, true},
		{"azure.resourceGroup", a.ResourceGroup, true},
		{"azure.location", a.Location, isFor(phaseGroup, phaseVault, phaseCluster)},
		{"azure.cluster", a.Cluster, isFor(phaseCluster, ForKubeconfig)},
	} {
		if s.needed && s.value == "" {
			missing = append(missing, s.key)
		}
	}
	return missing
}

// Steps returns what makes the resources. They remember what they read: they are
// for one [provision.Run].
func (i *Infra) Steps() []store.Step {
	group := &groupStep{Infra: i}
	vaults := &vaultStep{Infra: i}
	cluster := &clusterStep{Infra: i}
	return []store.Step{
		{Name: phaseGroup, Diff: group.diff, Apply: group.apply},
		{Name: phaseVault, Diff: vaults.diff, Apply: vaults.apply},
		{Name: phaseCluster, Diff: cluster.diff, Apply: cluster.apply},
	}
}

func (i *Infra) groupID() string {
	return "/subscriptions/" + i.config.SubscriptionID + "/resourceGroups/" + i.config.ResourceGroup
}

// tags mark what secretctl has made.
func tags() map[string]*string { return map[string]*string{"managed-by": new("secretctl")} }

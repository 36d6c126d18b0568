package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
)

const (
	installHint = "install the Secrets Store CSI driver with rotation: secretctl install, or its Helm chart with " +
		"--set enableSecretRotation=true (and on AKS the add-on azure-keyvault-secrets-provider)"
	rotationHint = "the driver needs the flag --enable-secret-rotation=true and, from 1.6.0, requiresRepublish: true in its " +
		"CSIDriver object: helm upgrade with --set enableSecretRotation=true"
	agentsHint = "it is a DaemonSet that secretctl does not recognize, or no DaemonSet at all: see kubectl get daemonsets -A"
)

// providerHints says how each provider is installed.
var providerHints = map[string]string{
	config.ProviderVault: "install it: secretctl install, or helm install vault hashicorp/vault --set csi.enabled=true",
	config.ProviderAzure: "install it: secretctl install, or helm install csi-secrets-store-provider-azure",
}

// The audiences of the tokens that kubelet can hand over: what the Vault provider
// takes by itself, and what Azure trades for its own.
const (
	vaultAudience = "vault"
	azureAudience = "api://AzureADTokenExchange"
)

// platform is what the cluster has for any delivery. Each check fills in what the
// later ones need.
type platform struct {
	d  *config.Delivery
	w  Dependencies
	c  *cluster.Cluster
	vs *values

	served    map[string][]string // resources of the driver's API, with their versions
	driver    cluster.CSIDriver
	agents    []cluster.Agent
	agentsErr error
}

func clusterChecks(d *config.Delivery, w Dependencies, vs *values) []check {
	p := &platform{d: d, w: w, c: w.Cluster, vs: vs}
	api, driver := []string{"cluster/api"}, []string{"cluster/csi-driver"}
	return []check{
		{"cluster/api", "", nil, p.api},
		{"cluster/csi-driver", "", api, p.csiDriver},
		{"cluster/rotation-enabled", "", driver, p.rotationEnabled},
		{"cluster/provider", "", driver, p.provider},
		{"cluster/crds", "", api, p.crds},
		{"cluster/token-requests", "", driver, p.tokenRequests},
	}
}

// api asks for what every authenticated identity may see: which resources the
// driver has brought.
func (p *platform) api(ctx context.Context) Result {
	if p.c == nil && p.w.NoCluster != nil {
		return p.vs.unknown(p.w.NoCluster)
	}
	if p.c == nil {
		return Skip("no cluster is looked at")
	}
	var err error
	if p.served, err = p.c.CRDs(ctx); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return p.vs.unknown(err)
	}
	return Pass("%s answers", p.c.Host())
}

func (p *platform) crds(context.Context) Result {
	if len(p.served) == 0 {
		return Fail("the cluster does not know SecretProviderClass: the CRDs of the Secrets Store CSI driver are not installed").WithHint(installHint)
	}
	var missing []string
	for _, resource := range []string{"secretproviderclasses", "secretproviderclasspodstatuses"} {
		if !slices.Contains(p.served[resource], "v1") {
			missing = append(missing, resource)
		}
	}
	if len(missing) > 0 {
		return Fail("the cluster serves no version v1 of %s", strings.Join(missing, ", ")).WithHint("upgrade the CRDs of the driver to 1.0 or later: " + installHint)
	}
	return Pass("SecretProviderClass and SecretProviderClassPodStatus are served as v1")
}

func (p *platform) csiDriver(ctx context.Context) Result {
	var err error
	if p.driver, err = p.c.CSIDriver(ctx); errors.Is(err, fs.ErrNotExist) {
		return Fail("the Secrets Store CSI driver is not installed: there is no CSIDriver secrets-store.csi.k8s.io").WithHint(installHint)
	}
	if err != nil {
		return p.vs.unknown(err)
	}
	p.agents, p.agentsErr = p.c.Agents(ctx)
	nodes, err := p.c.DriverNodes(ctx)
	if err != nil {
		return p.vs.unknown(err)
	}
	agent, found := p.agent(cluster.RoleDriver)
	switch {
	case len(nodes) == 0:
		return Fail("the driver is registered, but runs on no node").WithHint("see the pods of its DaemonSet: kubectl get pods -A -l app=secrets-store-csi-driver")
	case found && !agent.Works():
		return agentNotReady(agent)
	case found:
		return Pass("the driver%s runs on %s (DaemonSet %s/%s)", versionOf(agent), count(len(nodes), "node"), agent.Namespace, agent.Name)
	}
	return Pass("the driver runs on %s", count(len(nodes), "node"))
}

// agent returns the first DaemonSet with a role.
func (p *platform) agent(role string) (cluster.Agent, bool) {
	i := slices.IndexFunc(p.agents, func(a cluster.Agent) bool { return a.Role == role })
	if i < 0 {
		return cluster.Agent{}, false
	}
	return p.agents[i], true
}

func agentNotReady(a cluster.Agent) Result {
	return Fail("%s: where it does not run, no pod with secrets can start, and none rotates", podsReady(a)).
		WithHint("kubectl describe daemonset -n %s %s", a.Namespace, a.Name)
}

func podsReady(a cluster.Agent) string {
	if a.Desired == 0 {
		return fmt.Sprintf("DaemonSet %s/%s has no pods, as no node fits it", a.Namespace, a.Name)
	}
	return fmt.Sprintf("DaemonSet %s/%s has %d of %d pods ready", a.Namespace, a.Name, a.Ready, a.Desired)
}

func versionOf(a cluster.Agent) string {
	if a.Version == "" {
		return ""
	}
	return " " + a.Version
}

func (p *platform) rotationEnabled(context.Context) Result {
	if p.agentsErr != nil {
		return p.vs.unknown(p.agentsErr)
	}
	rotation := cluster.RotationOf(&p.driver, p.agents)
	switch {
	case !rotation.Known && p.driver.RequiresRepublish:
		return Unknown("%s; its CSIDriver object has requiresRepublish", rotation.Why).WithHint(agentsHint)
	case !rotation.Known:
		return Unknown("%s; its CSIDriver object lacks requiresRepublish, without which 1.6.0 and later do not rotate", rotation.Why).WithHint(agentsHint)
	case !rotation.Enabled:
		return Fail("%s", rotation.Why).WithHint(rotationHint)
	}
	return Pass("%s", rotation.Why)
}

func (p *platform) provider(context.Context) Result {
	agent, found := p.agent(p.d.Provider)
	_, driver := p.agent(cluster.RoleDriver)
	switch {
	case p.agentsErr != nil:
		return p.vs.unknown(p.agentsErr)
	case found && !agent.Works():
		return agentNotReady(agent)
	case found:
		return Pass("provider %s%s runs (DaemonSet %s/%s)", p.d.Provider, versionOf(agent), agent.Namespace, agent.Name)
	case driver:
		return Fail("the driver's provider %s is not installed: no DaemonSet listens on its socket", p.d.Provider).WithHint("%s", providerHints[p.d.Provider])
	}
	return Unknown("neither a DaemonSet of provider %s nor one of the driver was found", p.d.Provider).WithHint(agentsHint)
}

// tokenRequests asks whether the provider gets the token that the store wants to
// see.
func (p *platform) tokenRequests(context.Context) Result {
	given := fmt.Sprintf("the CSIDriver object requests tokens for %s", listed(p.driver.Audiences))
	has := func(audience string) bool { return slices.Contains(p.driver.Audiences, audience) }
	if p.d.Provider == config.ProviderAzure {
		switch {
		case p.d.Azure.Identity.Type != config.IdentityWorkload:
			return Skip("identity %s takes no token of the pod's", p.d.Azure.Identity.Type)
		case !has(azureAudience):
			return Fail("%s, and workload identity takes one for %q", given, azureAudience).
				WithHint("add {audience: %q} to spec.tokenRequests of CSIDriver secrets-store.csi.k8s.io: Helm value tokenRequests[0].audience of the driver", azureAudience)
		}
		return Pass("%s", given)
	}
	switch wanted := p.d.Vault.Audience; {
	case wanted == "" && !has(vaultAudience):
		return Pass("%s; the Vault provider requests one itself, for the API server's own audience", given)
	case wanted == "" || has(wanted):
		return Pass("%s", given)
	default:
		return Pass("%s; the Vault provider requests one itself, for the audience %q, because the SecretProviderClass says so", given, wanted)
	}
}

// podAudiences returns for which audiences the pod's token is that the store sees.
func (p *platform) podAudiences() []string {
	switch {
	case p.d.Provider == config.ProviderAzure:
		return []string{azureAudience}
	case p.d.Vault != nil && p.d.Vault.Audience != "":
		return []string{p.d.Vault.Audience}
	case slices.Contains(p.driver.Audiences, vaultAudience):
		return []string{vaultAudience}
	}
	return nil
}

func listed(words []string) string {
	if len(words) == 0 {
		return "no audience"
	}
	return fmt.Sprintf("%q", words)
}

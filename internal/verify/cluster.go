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
		"--set enableSecretRotation=true"
	rotationHint = "the driver needs the flag --enable-secret-rotation=true and, from 1.6.0, requiresRepublish: true in its " +
		"CSIDriver object: helm upgrade with --set enableSecretRotation=true"
	addonHint = "the driver is the add-on of AKS, which Helm does not own: az aks addon update --resource-group RG --name CLUSTER " +
		"--addon azure-keyvault-secrets-provider --enable-secret-rotation"
	agentsHint = "secretctl does not recognize its DaemonSet: run kubectl get daemonsets -A"
)

var clusterChecks = []Check{
	{
		ID: "cluster/api", Title: "the API server responds",
		run: apiResponds,
	},
	{
		ID: "cluster/csi-driver", Title: "the Secrets Store CSI driver runs",
		Needs: []string{"cluster/api"},
		run:   csiDriverRuns,
	},
	{
		ID: "cluster/rotation-enabled", Title: "the driver updates mounted files",
		Needs: []string{"cluster/csi-driver"},
		run:   rotationEnabled,
	},
	{
		ID: "cluster/provider", Title: "the store's provider runs",
		Needs: []string{"cluster/csi-driver"},
		run:   providerRuns,
	},
	{
		ID: "cluster/crds", Title: "the driver's CRDs are installed",
		Needs: []string{"cluster/api"},
		run:   crdsServed,
	},
	{
		ID: "cluster/token-requests", Title: "the provider gets the token that the store expects",
		Needs: []string{"cluster/csi-driver"},
		run:   tokensRequested,
	},
	{
		ID: "cluster/ownership", Title: "nothing else made the objects that render writes",
		Needs: []string{"cluster/api"},
		run:   nothingElseMade,
	},
}

// apiResponds asks which resources the driver has, which every authenticated user may see.
func apiResponds(_ context.Context, r *run, _ subject) Result {
	switch {
	case r.Cluster == nil && r.NoCluster != nil:
		return r.unknown(r.NoCluster)
	case r.Cluster == nil:
		return Skip("no cluster is configured")
	}
	if _, err := r.driver.crds(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r.unknown(err)
	}
	return Pass("%s responds", r.Cluster.Host())
}

func crdsServed(_ context.Context, r *run, _ subject) Result {
	served, _ := r.driver.crds() // cluster/api reports the error
	if len(served) == 0 {
		return Fail("the CRDs of the Secrets Store CSI driver are not installed").WithHint(installHint)
	}
	missing := slices.DeleteFunc([]string{"secretproviderclasses", "secretproviderclasspodstatuses"}, func(resource string) bool {
		return slices.Contains(served[resource], "v1")
	})
	if len(missing) > 0 {
		return Fail("the cluster does not serve v1 of %s", strings.Join(missing, ", ")).WithHint("upgrade the CRDs of the driver to 1.0 or later: " + installHint)
	}
	return Pass("SecretProviderClass and SecretProviderClassPodStatus are served as v1")
}

func csiDriverRuns(ctx context.Context, r *run, _ subject) Result {
	if _, err := r.driver.registered(); errors.Is(err, fs.ErrNotExist) {
		return Fail("the Secrets Store CSI driver is not installed: no CSIDriver secrets-store.csi.k8s.io").WithHint(installHint)
	} else if err != nil {
		return r.unknown(err)
	}
	nodes, err := r.Cluster.DriverNodes(ctx)
	if err != nil {
		return r.unknown(err)
	}
	agents, _ := r.driver.agents() // cluster/provider reports the error
	on := " on " + Count(len(nodes), "node")
	switch agent, found := agentWith(cluster.RoleDriver, agents); {
	case len(nodes) == 0:
		return Fail("the driver is registered, but runs on no node").WithHint("check the pods of its DaemonSet: kubectl get pods -A -l app=secrets-store-csi-driver")
	case found && !agent.Works():
		return agentNotReady(agent)
	case found:
		return Pass("%s", running("the driver", agent, on))
	}
	return Pass("the driver runs%s", on)
}

func rotationEnabled(_ context.Context, r *run, _ subject) Result {
	agents, err := r.driver.agents()
	if err != nil {
		return r.unknown(err)
	}
	registration, _ := r.driver.registered() // cluster/csi-driver reports the error
	agent, found := agentWith(cluster.RoleDriver, agents)
	switch rotation := r.driver.rotation(); {
	case !rotation.Known && registration.RequiresRepublish:
		return Unknown("%s; its CSIDriver object has requiresRepublish", rotation.Why).WithHint(agentsHint)
	case !rotation.Known:
		return Unknown("%s; its CSIDriver object does not have requiresRepublish, without which 1.6.0 and later do not rotate", rotation.Why).WithHint(agentsHint)
	case rotation.Enabled:
		return Pass("%s", rotation.Why)
	case found && strings.HasPrefix(agent.Name, "aks-"):
		return Fail("%s", rotation.Why).WithHint(addonHint)
	default:
		return Fail("%s", rotation.Why).WithHint(rotationHint)
	}
}

func providerRuns(_ context.Context, r *run, _ subject) Result {
	agents, err := r.driver.agents()
	if err != nil {
		return r.unknown(err)
	}
	agent, found := agentWith(r.d.Provider, agents)
	_, driverFound := agentWith(cluster.RoleDriver, agents)
	var unmounted []string // CAs that the config says the provider's pods have
	if found && r.Provider.Files != nil {
		unmounted = slices.DeleteFunc(r.Provider.Files(r.d), func(file string) bool {
			return slices.ContainsFunc(agent.Mounts, func(mount string) bool { return within(file, mount) })
		})
	}
	switch {
	case found && !agent.Works():
		return agentNotReady(agent)
	case len(unmounted) > 0:
		return Warn("provider %s runs, but DaemonSet %s/%s mounts nothing at %s, where the config says that its pods have the CA",
			r.d.Provider, agent.Namespace, agent.Name, strings.Join(unmounted, ", ")).
			WithHint("mount it there, as docs/running-aidbox.md shows; ignore this if the provider's image has it")
	case found:
		return Pass("%s", running("provider "+r.d.Provider, agent, ""))
	case driverFound:
		return Fail("the driver's provider %s is not installed: no DaemonSet listens on its socket", r.d.Provider).WithHint("%s", r.Provider.InstallHint)
	}
	return Unknown("neither a DaemonSet of provider %s nor one of the driver was found", r.d.Provider).WithHint(agentsHint)
}

// tokensRequested checks that the provider gets the token that the store expects.
func tokensRequested(_ context.Context, r *run, _ subject) Result {
	registration, _ := r.driver.registered() // cluster/csi-driver reports the error
	given := "the CSIDriver object requests tokens for no audience"
	if len(registration.Audiences) > 0 {
		given = fmt.Sprintf("the CSIDriver object requests tokens for %q", registration.Audiences)
	}
	wanted := r.Provider.TokenRequests(r.d)
	missing := slices.DeleteFunc(slices.Clone(wanted), func(audience string) bool { return slices.Contains(registration.Audiences, audience) })
	switch itself := r.Provider.RequestsTokens; {
	case len(wanted) == 0 && !itself:
		return Skip("the pod's identity needs no Kubernetes token")
	case len(missing) > 0 && !itself:
		return Fail("%s, and the provider needs one for %q", given, missing[0]).
			WithHint("add {audience: %q} to spec.tokenRequests of CSIDriver secrets-store.csi.k8s.io: Helm value tokenRequests[0].audience of the driver", missing[0])
	case len(missing) > 0:
		return Pass("%s; the provider requests one itself, for the audience %q of the SecretProviderClass", given, missing[0])
	case len(r.Provider.Audiences(r.d, registration.Audiences)) == 0:
		return Pass("%s; the provider requests one itself, for the API server's own audience", given)
	}
	return Pass("%s", given)
}

// nothingElseMade names the objects of others that applying what render writes would change.
func nothingElseMade(ctx context.Context, r *run, _ subject) Result {
	objects := [][2]string{{"ServiceAccount", r.d.Aidbox.ServiceAccount}, {"ConfigMap", r.d.ConfigMapName()}}
	for _, c := range r.Provider.Classes(r.d) {
		objects = append(objects, [2]string{"SecretProviderClass", c.Name})
	}
	if w := r.d.Aidbox.Workload; w.ManagedBy == config.ManagedBySecretctl {
		objects = append(objects, [2]string{w.Kind, w.Name})
	}
	var others []string
	for _, o := range objects {
		otherOwner, err := r.Cluster.OtherOwner(ctx, o[0], r.d.Namespace, o[1])
		switch {
		case errors.Is(err, fs.ErrNotExist): // or its kind is not served, which cluster/crds reports
		case err != nil:
			return r.unknown(err)
		case otherOwner != "":
			others = append(others, fmt.Sprintf("%s %s/%s %s", o[0], r.d.Namespace, o[1], r.line(otherOwner)))
		}
	}
	if len(others) > 0 {
		return Warn("%s: applying what render writes takes it over", strings.Join(others, "; ")).
			WithHint("secretctl diff --only cluster shows what would change; give the delivery a name or aidbox.serviceAccount of its own, or leave the object out, in render and diff: --skip KIND")
	}
	return Pass("each of %s was made by secretctl, or does not exist yet", Count(len(objects), "object"))
}

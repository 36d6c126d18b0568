package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/cluster"
)

// driver is what the cluster has of the CSI driver, each asked for once.
type driver struct {
	c            *cluster.Cluster
	served       memo[map[string][]string]
	registration memo[cluster.CSIDriver]
	daemons      memo[[]cluster.Agent]
}

// crds returns the resources of the driver's API, with their versions.
func (d *driver) crds(ctx context.Context) (map[string][]string, error) {
	return d.served.get("", func() (map[string][]string, error) { return d.c.CRDs(ctx) })
}

// registered returns the driver's CSIDriver object.
func (d *driver) registered(ctx context.Context) (cluster.CSIDriver, error) {
	return d.registration.get("", func() (cluster.CSIDriver, error) { return d.c.CSIDriver(ctx) })
}

// agents returns the DaemonSets of the driver and of its providers.
func (d *driver) agents(ctx context.Context) ([]cluster.Agent, error) {
	return d.daemons.get("", func() ([]cluster.Agent, error) { return d.c.Agents(ctx) })
}

// rotation returns how the driver rotates.
func (d *driver) rotation(ctx context.Context) cluster.Rotation {
	var registration *cluster.CSIDriver
	if found, err := d.registered(ctx); err == nil {
		registration = &found
	}
	agents, err := d.agents(ctx)
	found := cluster.RotationOf(registration, agents)
	if err != nil {
		found.Why = "the driver's DaemonSet may not be read, so its version and flags are not known"
	}
	return found
}

// agentWith returns the first DaemonSet with a role.
func agentWith(role string, agents []cluster.Agent) (cluster.Agent, bool) {
	i := slices.IndexFunc(agents, func(a cluster.Agent) bool { return a.Role == role })
	if i < 0 {
		return cluster.Agent{}, false
	}
	return agents[i], true
}

func agentNotReady(a cluster.Agent) Result {
	return Fail("%s: on nodes without it, pods with secrets cannot start or rotate", podsReady(a)).
		WithHint("kubectl describe daemonset -n %s %s", a.Namespace, a.Name)
}

func podsReady(a cluster.Agent) string {
	if a.Desired == 0 {
		return fmt.Sprintf("DaemonSet %s/%s has no pods: no node matches", a.Namespace, a.Name)
	}
	return fmt.Sprintf("DaemonSet %s/%s has %d of %d pods ready", a.Namespace, a.Name, a.Ready, a.Desired)
}

// versionOf returns the version of a DaemonSet's image with a space before it, if
// it is known.
func versionOf(a cluster.Agent) string {
	if a.Version == "" {
		return ""
	}
	return " " + a.Version
}

// maxListed is how many replicas a detail names: a rotation may have a thousand.
const maxListed = 10

// list joins what is said of replicas. Of a long list it leaves out the end, and says how
// many that are.
func list(separator string, items []string) string {
	if more := len(items) - maxListed; more > 0 {
		items = append(slices.Clone(items[:maxListed]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(items, separator)
}

// Count returns "1 file", "2 files".
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

package verify

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/secret"
)

// driver is the CSI driver in the cluster, which is asked once for each part.
type driver struct {
	crds       func() (map[string][]string, error) // the resources of its API, with their versions
	registered func() (cluster.CSIDriver, error)
	agents     func() ([]cluster.Agent, error) // DaemonSets of the driver and of its providers
}

func newDriver(ctx context.Context, c *cluster.Cluster) driver {
	return driver{
		sync.OnceValues(func() (map[string][]string, error) { return c.CRDs(ctx) }),
		sync.OnceValues(func() (cluster.CSIDriver, error) { return c.CSIDriver(ctx) }),
		sync.OnceValues(func() ([]cluster.Agent, error) { return c.Agents(ctx) }),
	}
}

// rotation returns how the driver rotates.
func (d driver) rotation() cluster.Rotation {
	var registration *cluster.CSIDriver
	if found, err := d.registered(); err == nil {
		registration = &found
	}
	agents, err := d.agents()
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

func podsReady(a cluster.Agent) string {
	if a.Desired == 0 {
		return fmt.Sprintf("DaemonSet %s/%s has no pods: no node matches", a.Namespace, a.Name)
	}
	return fmt.Sprintf("DaemonSet %s/%s has %d of %d pods ready", a.Namespace, a.Name, a.Ready, a.Desired)
}

func agentNotReady(a cluster.Agent) Result {
	return Fail("%s: on nodes without it, pods with secrets cannot start or rotate", podsReady(a)).
		WithHint("%s", secret.Shellf("kubectl describe daemonset -n %s %s", a.Namespace, a.Name))
}

// running returns "NAME VERSION runs (DaemonSet NAMESPACE/NAME)", without a version that is
// not known.
func running(name string, a cluster.Agent, where string) string {
	if a.Version != "" {
		name += " " + a.Version
	}
	return fmt.Sprintf("%s runs%s (DaemonSet %s/%s)", name, where, a.Namespace, a.Name)
}

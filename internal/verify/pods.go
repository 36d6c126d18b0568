package verify

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
)

// pods is what runs for a delivery in the cluster.
type pods struct {
	c *cluster.Cluster
	d *config.Delivery

	workload cluster.Workload
	err      error // why the workload is not known

	mu   sync.Mutex
	gone map[string]bool // pods that were replaced during their checks, by UID
}

// load reads the workload as it is now.
func (p *pods) load(ctx context.Context) {
	p.workload, p.err = p.c.Workload(ctx, p.d.Namespace, p.d.Aidbox.Workload.Kind, p.d.Aidbox.Workload.Name)
}

// deployment is the subject of what is about all replicas.
func deployment(d *config.Delivery) string {
	return strings.ToLower(d.Aidbox.Workload.Kind) + "/" + d.Aidbox.Workload.Name
}

// replicas returns the pods that count: not those that are going away or have ended.
func (p *pods) replicas() []cluster.Pod {
	return slices.DeleteFunc(slices.Clone(p.workload.Pods), func(pod cluster.Pod) bool {
		return pod.Terminating || pod.Ended()
	})
}

// reloadIfGone reads the workload again if pods were replaced during their checks, and
// returns the new ones.
func (p *pods) reloadIfGone(ctx context.Context) (fresh []cluster.Pod, reloaded bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.gone) == 0 {
		return nil, false
	}
	known := map[string]bool{}
	for _, pod := range p.workload.Pods {
		known[pod.UID] = true
	}
	p.load(ctx)
	return slices.DeleteFunc(p.replicas(), func(pod cluster.Pod) bool { return known[pod.UID] }), true
}

// wentAway reports whether a pod was deleted or is terminating, and remembers it.
func (p *pods) wentAway(ctx context.Context, pod cluster.Pod) bool {
	live, err := p.c.Pod(ctx, pod.Namespace, pod.Name)
	if !errors.Is(err, fs.ErrNotExist) && (err != nil || !live.Terminating && live.UID == pod.UID) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone[pod.UID] = true
	return true
}

// aidboxIn finds the container that Aidbox is in: of those that have the secrets
// where they belong the one that is told of the vault config.
func aidboxIn(d *config.Delivery, spec cluster.Spec) cluster.Container {
	best, bestRank := cluster.Container{Name: d.Aidbox.Workload.Container}, -1
	for _, c := range spec.Containers {
		rank := 0
		if slices.ContainsFunc(c.Mounts, func(m cluster.Mount) bool { return hasSecrets(d, m) }) {
			rank += 4
		}
		if len(c.VaultConfig) > 0 {
			rank += 2
		}
		if c.Name == d.Aidbox.Workload.Container {
			rank++
		}
		if rank > bestRank {
			best, bestRank = c, rank
		}
	}
	return best
}

// hasSecrets says whether a volume of the driver is where the secrets belong.
func hasSecrets(d *config.Delivery, m cluster.Mount) bool {
	return m.Volume.SecretProviderClass != "" && slices.ContainsFunc(d.Secrets, func(wanted config.Secret) bool {
		folder := d.MountFolder(wanted)
		return within(m.Path, folder) || within(folder, m.Path)
	})
}

// within says whether a path is in a folder, or is the folder.
func within(file, folder string) bool {
	folder, file = path.Clean(folder), path.Clean(file)
	return folder == file || strings.HasPrefix(file, folder+"/")
}

// Why a file cannot be checked.
var (
	errNoReplica = errors.New("no running pod")
	errGone      = errors.New("the pod was replaced during the check")
)

// notRunning says whether an error means that there is no running container to look
// into. mount/present reports why.
func notRunning(err error) bool {
	return errors.Is(err, errNoReplica) || errors.Is(err, errGone) || errors.Is(err, cluster.ErrNotRunning)
}

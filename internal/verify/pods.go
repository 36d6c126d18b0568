package verify

import (
	"cmp"
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

// Why a file cannot be checked.
var (
	errNoReplica = errors.New("no running pod")
	errGone      = errors.New("the pod was replaced during the check")
)

// notRunning reports whether an error means that there is no running container to look
// into. mount/present reports why.
func notRunning(err error) bool {
	return errors.Is(err, errNoReplica) || errors.Is(err, errGone) || errors.Is(err, cluster.ErrNotRunning)
}

// pods are what runs for a delivery in the cluster.
type pods struct {
	c *cluster.Cluster
	d *config.Delivery

	workload cluster.Workload
	err      error    // why the workload is not known
	gone     sync.Map // UIDs of pods that were, during their checks
}

// load reads the workload.
func (p *pods) load(ctx context.Context) {
	p.workload, p.err = p.c.Workload(ctx, p.d.Namespace, p.d.Aidbox.Workload.Kind, p.d.Aidbox.Workload.Name)
}

// deployment is the subject of what concerns all replicas.
func deployment(d *config.Delivery) string {
	return strings.ToLower(d.Aidbox.Workload.Kind) + "/" + d.Aidbox.Workload.Name
}

// replicas returns the pods that count: not those that are terminating or have ended.
func (p *pods) replicas() []cluster.Pod {
	return slices.DeleteFunc(slices.Clone(p.workload.Pods), func(pod cluster.Pod) bool {
		return pod.Terminating || pod.Ended()
	})
}

// isGone reports whether a pod was deleted, is terminating or has ended, and remembers it.
func (p *pods) isGone(ctx context.Context, pod cluster.Pod) bool {
	live, err := p.c.Pod(ctx, pod.Namespace, pod.Name)
	if !errors.Is(err, fs.ErrNotExist) && (err != nil || !live.Terminating && !live.Ended() && live.UID == pod.UID) {
		return false
	}
	p.gone.Store(pod.UID, true)
	return true
}

// rolloutState says why pods have an earlier template, and what to do.
func (r *run) rolloutState() (what, next string) {
	switch r.pods.workload.Halt {
	case cluster.HaltPaused:
		return "a rollout is paused", r.rollout("resume")
	case cluster.HaltOnDelete:
		return "the updateStrategy is OnDelete", "delete the pods one after the other: each comes back with the current template"
	case cluster.HaltPartition:
		return "the updateStrategy has a partition", "set rollingUpdate.partition to 0 to replace the pods below it too"
	}
	return "a rollout is in progress", r.rollout("status")
}

// mounts returns a mount for each of the pods. If the workload has no pods, it returns one
// that fails: a workload that nobody checked must not count as healthy.
func (p *pods) mounts(of []cluster.Pod) (mounts []*mount) {
	if len(p.replicas()) == 0 {
		err := p.err
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = errNoReplica
		}
		none := func(context.Context, cluster.Look) (cluster.Observation, error) { return nil, err }
		return []*mount{{d: p.d, observe: none, replica: deployment(p.d), folder: p.d.MountFolder}}
	}
	for _, pod := range of {
		mounts = append(mounts, p.mount(pod))
	}
	return mounts
}

func (p *pods) mount(pod cluster.Pod) *mount {
	c := aidboxIn(p.d, pod.Spec)
	m := &mount{
		d: p.d, replica: "pod/" + pod.Name, pod: &pod, container: c.Name, folder: p.d.MountFolder,
		vaultConfig: cmp.Or(c.VaultConfig, config.VaultConfigFile), otherConfig: c.OtherVaultConfig, unset: c.VaultConfigUnset,
	}
	m.observe = func(ctx context.Context, l cluster.Look) (cluster.Observation, error) {
		seen, err := p.c.Observe(ctx, pod, c.Name, l)
		for path, f := range seen {
			f.Err = p.explain(ctx, pod, c.Name, f.Err)
			seen[path] = f
		}
		return seen, p.explain(ctx, pod, c.Name, err)
	}
	m.watch = func(ctx context.Context, path string, saw func(cluster.File)) {
		p.c.Watch(ctx, pod, c.Name, path, func(f cluster.File) {
			f.Err = p.explain(ctx, pod, c.Name, f.Err)
			saw(f)
		})
	}
	return m
}

// explain returns an error, or errGone if the pod is the reason for it.
func (p *pods) explain(ctx context.Context, pod cluster.Pod, container string, err error) error {
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, cluster.ErrNotFile), errors.Is(err, cluster.ErrTooLong), ctx.Err() != nil:
		return err
	case errors.Is(err, fs.ErrPermission):
		return deniedError("the user of container " + container + " cannot read it")
	case p.isGone(ctx, pod):
		return errGone
	}
	return err
}

// aidboxIn returns the container of Aidbox: the one with the name in the config, or else one
// that mounts the secrets at their path, or one with the variable of the vault config. A
// sidecar may mount the secrets too.
func aidboxIn(d *config.Delivery, spec cluster.Spec) cluster.Container {
	best, bestRank := cluster.Container{Name: d.Aidbox.Workload.Container}, -1
	for _, c := range spec.Containers {
		if c.Name == d.Aidbox.Workload.Container {
			return c
		}
		rank := 0
		if slices.ContainsFunc(c.Mounts, func(m cluster.Mount) bool { return hasSecrets(d, m) }) {
			rank += 2
		}
		if c.VaultConfig != "" {
			rank++
		}
		if rank > bestRank {
			best, bestRank = c, rank
		}
	}
	return best
}

// hasSecrets reports whether a mount is a volume of the driver at the path of the secrets.
func hasSecrets(d *config.Delivery, m cluster.Mount) bool {
	return m.Volume.SecretProviderClass != "" && slices.ContainsFunc(d.Secrets, func(wanted config.Secret) bool {
		folder := d.MountFolder(wanted)
		return within(m.Path, folder) || within(folder, m.Path)
	})
}

// within reports whether a path is in a folder, or is the folder.
func within(file, folder string) bool {
	folder, file = path.Clean(folder), path.Clean(file)
	return folder == file || strings.HasPrefix(file, folder+"/")
}

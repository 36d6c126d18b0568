package verify

import (
	"context"
	"errors"
	"io/fs"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
)

// mounts returns a mount for each pod. Without any pod it returns one that fails, since
// a workload that nobody checked must not count as healthy.
func (p *pods) mounts(of []cluster.Pod) []*mount {
	if len(p.replicas()) == 0 {
		err := p.err
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = errNoReplica
		}
		none := func(context.Context, cluster.Look) (cluster.Observation, error) { return nil, err }
		return []*mount{{d: p.d, observe: none, replica: deployment(p.d), folder: p.d.MountFolder}}
	}
	var mounts []*mount
	for _, pod := range of {
		c := aidboxIn(p.d, pod.Spec)
		vaultConfig := config.VaultConfigFile
		for _, name := range []string{"AIDBOX_VAULT_CONFIG", "BOX_VAULT_CONFIG"} {
			if named := c.VaultConfig[name]; named != "" {
				vaultConfig = named
			}
		}
		mounts = append(mounts, &mount{
			d: p.d, replica: "pod/" + pod.Name, pod: &pod, container: c.Name, folder: p.d.MountFolder, vaultConfig: vaultConfig,
			observe: func(ctx context.Context, l cluster.Look) (cluster.Observation, error) {
				seen, err := p.c.Observe(ctx, pod, c.Name, l)
				for path, f := range seen {
					f.Err = p.explain(ctx, pod, c.Name, f.Err)
					seen[path] = f
				}
				return seen, p.explain(ctx, pod, c.Name, err)
			},
			watch: func(ctx context.Context, path string, saw func(cluster.File)) {
				p.c.Watch(ctx, pod, c.Name, path, func(f cluster.File) {
					f.Err = p.explain(ctx, pod, c.Name, f.Err)
					saw(f)
				})
			},
		})
	}
	return mounts
}

// explain says whether the pod is the reason of an error.
func (p *pods) explain(ctx context.Context, pod cluster.Pod, container string, err error) error {
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, cluster.ErrNotFile), errors.Is(err, cluster.ErrTooLong), ctx.Err() != nil:
		return err
	case errors.Is(err, fs.ErrPermission):
		return deniedError("the user of container " + container + " cannot read it")
	case p.wentAway(ctx, pod):
		return errGone
	}
	return err
}

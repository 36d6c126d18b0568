package verify

import (
	"context"
	"errors"
	"io/fs"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// mounts returns a mount for each pod. Without any pod it returns one that fails, since
// a workload that nobody checked must not count as healthy.
func (p *pods) mounts(of []cluster.Pod) []*mount {
	if len(p.replicas()) == 0 {
		err := p.err
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = errNoReplica
		}
		return []*mount{{files: noFiles{err}, replica: deployment(p.d), folder: p.d.MountFolder}}
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
			files: podFiles{p, pod, c.Name}, replica: "pod/" + pod.Name, pod: &pod, container: c.Name,
			folder: p.d.MountFolder, vaultConfig: vaultConfig,
		})
	}
	return mounts
}

// podFiles are files in a container of a pod.
type podFiles struct {
	pods      *pods
	pod       cluster.Pod
	container string
}

func (f podFiles) stat(ctx context.Context, path string) (cluster.FileInfo, error) {
	info, err := f.pods.c.Stat(ctx, f.pod, f.container, path)
	return info, f.explain(ctx, err)
}

func (f podFiles) digest(ctx context.Context, path string) (string, error) {
	digest, err := f.pods.c.Digest(ctx, f.pod, f.container, path)
	return digest, f.explain(ctx, err)
}

func (f podFiles) list(ctx context.Context, path string) ([]string, error) {
	names, err := f.pods.c.List(ctx, f.pod, f.container, path)
	return names, f.explain(ctx, err)
}

func (f podFiles) read(ctx context.Context, path string) (secret.Value, error) {
	v, err := f.pods.c.ReadFile(ctx, f.pod, f.container, path)
	return v, f.explain(ctx, err)
}

// explain says whether the pod is the reason of an error.
func (f podFiles) explain(ctx context.Context, err error) error {
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist), ctx.Err() != nil:
		return err
	case errors.Is(err, fs.ErrPermission):
		return deniedError("the user of container " + f.container + " cannot read it")
	case f.pods.wentAway(ctx, f.pod):
		return errGone
	}
	return err
}

// noFiles are those of a workload without pods.
type noFiles struct{ err error }

func (f noFiles) stat(context.Context, string) (cluster.FileInfo, error) {
	return cluster.FileInfo{}, f.err
}
func (f noFiles) digest(context.Context, string) (string, error)     { return "", f.err }
func (f noFiles) list(context.Context, string) ([]string, error)     { return nil, f.err }
func (f noFiles) read(context.Context, string) (secret.Value, error) { return secret.Value{}, f.err }

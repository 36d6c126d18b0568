package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// driverHint is where to look when the mount does not follow the store.
const driverHint = "the driver needs requiresRepublish: true in its CSIDriver object and --enable-secret-rotation=true, and takes up to " +
	"--rotation-poll-interval and 90 s; if both are set, the logs of the driver and of its provider name the cause"

// mounts returns one mount for each of the pods, and where there is none, one that
// says so: what nobody looked at must not look well.
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
		return deniedError("the user of container " + f.container + " may not read it")
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

func deletePod(p *cluster.Pod) string {
	return fmt.Sprintf("delete the pod, so that the driver mounts anew: kubectl delete pod -n %s %s", p.Namespace, p.Name)
}

// driverStatus looks for what keeps a rotation from the file, and at what the driver
// says that it mounted.
func (r *run) driverStatus(ctx context.Context, m *mount, s config.Secret) Result {
	got := m.look(ctx, s)
	switch {
	case errors.Is(got.err, fs.ErrNotExist), unseen(got.err):
		return Skip("there is no file to look at")
	case got.found && got.info.Link != path.Join(dataLink, s.FileName()):
		return notThroughDataLink()
	}
	status, err := r.podStatus(ctx, m.pod, r.classes[s.Name])
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("%v", err).WithHint("%s", deletePod(m.pod))
	case err != nil:
		return r.unknown(err)
	case !status.Mounted:
		return Fail("its SecretProviderClassPodStatus says mounted: false").WithHint("%s", deletePod(m.pod))
	}
	version, listed := status.Versions[r.Provider.StatusID(s)]
	if !listed {
		return Fail("its SecretProviderClassPodStatus does not list %s", r.Provider.StatusID(s)).
			WithHint("the SecretProviderClass did not name it when the pod started: apply what secretctl render writes, then %s", deletePod(m.pod))
	}
	switch newest, err := r.values.newestVersions(ctx, s); {
	case errors.Is(err, store.ErrNoStatusVersion):
		return Pass("the driver reports it as mounted; its status last changed %s ago", max(0, time.Since(status.Changed)).Round(time.Second))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		return Fail("the driver mounted version %s, and new pods get none: %s", version, r.line(err.Error())).WithHint("%s", hint.Of(err))
	case err != nil:
		result := r.unknown(err)
		result.Detail = fmt.Sprintf("the driver reports version %s as mounted; what the store has is not known: %s", version, result.Detail)
		return result
	case !slices.Contains(newest, version):
		return Fail("the driver mounted version %s, and the store has %s", version, strings.Join(newest, " or ")).WithHint("after a rotation, wait; %s", driverHint)
	}
	return Pass("the driver reports version %s as mounted, which is the store's", version)
}

// podStatus returns the driver's status for this very pod, and not for an earlier
// one of its name.
func (r *run) podStatus(ctx context.Context, p *cluster.Pod, class string) (cluster.PodStatus, error) {
	all, err := r.Cluster.PodStatuses(ctx, p.Namespace)
	if err != nil {
		return cluster.PodStatus{}, err
	}
	for _, st := range all {
		if st.PodUID == p.UID && st.SecretProviderClass == class {
			return st, nil
		}
	}
	return cluster.PodStatus{}, fmt.Errorf("the driver has no SecretProviderClassPodStatus of this pod: %w", fs.ErrNotExist)
}

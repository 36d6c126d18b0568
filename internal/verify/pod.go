package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// podMounts returns one mount for each replica, and where there is none, one that
// says so: what nobody looked at must not look well.
func (r *run) podMounts() []Mount {
	var mounts []Mount
	for _, p := range r.pods.replicas() {
		mounts = append(mounts, r.podMount(p))
	}
	if len(mounts) == 0 {
		mounts = append(mounts, r.noMount())
	}
	return mounts
}

func (r *run) noMount() Mount {
	result := Fail("no pod of %s runs in namespace %s, so nothing is mounted", r.d.Aidbox.Workload, r.d.Namespace).
		WithHint("secretctl verify workload says why")
	err := errNoReplica
	if r.pods.err != nil && !errors.Is(r.pods.err, fs.ErrNotExist) {
		result, err = r.unknown(r.pods.err), r.pods.err
	}
	look := func(context.Context, config.Secret) Result { return result }
	return Mount{
		Replica: deployment(r.d), Present: look, Readable: look,
		Status:      func(context.Context, config.Secret) Result { return Skip("%v", errNoReplica) },
		Digest:      func(context.Context, config.Secret) (string, error) { return "", err },
		Read:        func(context.Context, config.Secret) (secret.Value, error) { return secret.Value{}, err },
		VaultConfig: func(context.Context) ([]byte, error) { return nil, err },
	}
}

// podMount is the mount in one pod's container of Aidbox.
type podMount struct {
	*run
	pod       cluster.Pod
	container cluster.Container
	digests   memo[string] // by the secret's name
}

func (r *run) podMount(p cluster.Pod) Mount {
	m := &podMount{run: r, pod: p, container: aidboxIn(r.d, p.Spec)}
	return Mount{
		Replica: "pod/" + p.Name, Pod: &p,
		Present: m.present, Readable: m.readable, Status: m.status,
		Digest: m.digestOf,
		Read: func(ctx context.Context, secret config.Secret) (secret.Value, error) {
			return r.Cluster.ReadFile(ctx, p, m.container.Name, r.d.MountedFile(secret))
		},
		VaultConfig: m.vaultConfig,
	}
}

func (m *podMount) digestOnce(ctx context.Context, s config.Secret) (string, error) {
	return m.digests.get(s.Name, func() (string, error) { return m.digestOf(ctx, s) })
}

func (m *podMount) digestOf(ctx context.Context, s config.Secret) (string, error) {
	digest, err := m.Cluster.Digest(ctx, m.pod, m.container.Name, m.d.MountedFile(s))
	if err != nil && m.wentAway(ctx, err) {
		err = errGone
	}
	return digest, err
}

// wentAway says whether the pod is the reason of an error, and takes note of it.
func (m *podMount) wentAway(ctx context.Context, err error) bool {
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) && ctx.Err() == nil && m.pods.wentAway(ctx, m.pod)
}

func (m *podMount) deletePod() string {
	return fmt.Sprintf("delete the pod, so that the driver mounts anew: kubectl delete pod -n %s %s", m.pod.Namespace, m.pod.Name)
}

// present says whether the file is there, also where it cannot be read.
func (m *podMount) present(ctx context.Context, s config.Secret) Result {
	if status := m.pod.Status(m.container.Name); m.pod.Phase == "Pending" && !status.Running {
		return Fail("the pod has not started: %s", orWord(status.Reason, m.pod.Phase)).
			WithHint("the cause is at workload/deployment: secretctl verify workload")
	}
	file := m.d.MountedFile(s)
	_, err := m.digestOnce(ctx, s)
	switch {
	case errors.Is(err, errGone):
		return Skip("%v; the pods that are there now follow", err)
	case errors.Is(err, fs.ErrNotExist):
		return m.absent(ctx, s)
	case err == nil, errors.Is(err, fs.ErrPermission), errors.Is(err, cluster.ErrNotFile), errors.Is(err, cluster.ErrTooLong):
		return Pass("%s in container %s", file, m.container.Name)
	default:
		return m.unknown(err)
	}
}

// absent says what is there in place of the file.
func (m *podMount) absent(ctx context.Context, s config.Secret) Result {
	class, folder := m.classes[s.Name], m.d.MountFolder(s)
	mounts := m.pod.Spec.SecretMounts(class)
	names, err := m.Cluster.List(ctx, m.pod, m.container.Name, folder)
	switch {
	case len(mounts) == 0:
		return Fail("the pod mounts no volume of SecretProviderClass %s", class).
			WithHint("apply what secretctl render writes; for a Deployment of your own, what secretctl render --patch writes")
	case !slices.ContainsFunc(mounts, func(v cluster.Mount) bool { return within(folder, v.Path) }):
		return Fail("the volume is mounted at %s, not at %s", mounts[0].Path, folder).WithHint("set mountPath in the config, or the mountPath of the volume")
	case errors.Is(err, fs.ErrNotExist):
		return Fail("folder %s does not exist in container %s", folder, m.container.Name).WithHint("%s", m.deletePod())
	case err != nil:
		return m.unknown(err)
	case len(names) == 0:
		return Fail("folder %s is EMPTY, and the pod is %s", folder, readiness(m.pod)).
			WithHint("%s; the driver answers OK without mounting while the folder is young, and so it stays", m.deletePod())
	}
	return Fail("no file %s in %s; there is: %s", s.FileName(), folder, m.line(strings.Join(names, " "))).
		WithHint("the SecretProviderClass does not name it, or did not when the pod started: apply what secretctl render writes, then %s", m.deletePod())
}

func readiness(p cluster.Pod) string {
	if p.Ready {
		return p.Phase + " and Ready"
	}
	return p.Phase
}

func orWord(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

var emptyDigest = digest(secret.Value{})

// digest is what a [Mount] says of a file that has the value.
func digest(v secret.Value) string {
	sum := sha256.Sum256(v.Reveal())
	return hex.EncodeToString(sum[:])
}

// readable asks as the container's user, which is Aidbox's.
func (m *podMount) readable(ctx context.Context, s config.Secret) Result {
	info, statErr := m.Cluster.Stat(ctx, m.pod, m.container.Name, m.d.MountedFile(s))
	mode := ""
	if statErr == nil {
		mode = fmt.Sprintf(" (mode %04o)", info.Mode)
	}
	digest, err := m.digestOnce(ctx, s)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return Fail("the user of container %s may not read it%s", m.container.Name, mode).
			WithHint("leave filePermission at its default, 0644: the driver's files belong to root, and fsGroup has no effect on them")
	case errors.Is(err, cluster.ErrNotFile):
		return Fail("is no regular file%s", mode).WithHint("mount the volume as a folder at %s", m.d.MountFolder(s))
	case errors.Is(err, cluster.ErrTooLong):
		return Fail("is longer than 1 MiB").WithHint("store the secret alone: with secretKey, the file has one key of the path")
	case err != nil:
		return m.unknown(err)
	case digest == emptyDigest:
		return Fail("is empty").WithHint("store a value that is not empty")
	}
	return Pass("by the container's user%s", mode)
}

// status looks for what keeps a rotation from the file, and at what the driver
// says that it mounted.
func (m *podMount) status(ctx context.Context, s config.Secret) Result {
	info, err := m.Cluster.Stat(ctx, m.pod, m.container.Name, m.d.MountedFile(s))
	switch {
	case errors.Is(err, fs.ErrNotExist), unseen(err):
		return Skip("there is no file to look at")
	case err == nil && info.Link != path.Join(dataLink, s.FileName()):
		return Fail("does not go through %s: it keeps its first value", dataLink).WithHint("mount the folder as a whole, without subPath, and copy nothing into it")
	}
	status, err := m.podStatus(ctx, m.classes[s.Name])
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("%v", err).WithHint("%s", m.deletePod())
	case err != nil:
		return m.unknown(err)
	case !status.Mounted:
		return Fail("its SecretProviderClassPodStatus says mounted: false").WithHint("%s", m.deletePod())
	}
	version, listed := status.Versions[m.Provider.StatusID(s)]
	if !listed {
		return Fail("its SecretProviderClassPodStatus does not list %s", m.Provider.StatusID(s)).
			WithHint("the SecretProviderClass did not name it when the pod started: apply what secretctl render writes, then %s", m.deletePod())
	}
	switch newest, err := m.values.newestVersions(ctx, s); {
	case errors.Is(err, store.ErrNoStatusVersion):
		return Pass("the driver says mounted; its status last changed %s ago", max(0, time.Since(status.Changed)).Round(time.Second))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		return Fail("the driver mounted version %s, and new pods get none: %s", version, m.line(err.Error())).WithHint("%s", hint.Of(err))
	case err != nil:
		r := m.unknown(err)
		r.Detail = fmt.Sprintf("the driver says mounted, version %s; what the store has is not known: %s", version, r.Detail)
		return r
	case !slices.Contains(newest, version):
		return Fail("the driver mounted version %s, and the store has %s", version, strings.Join(newest, " or ")).WithHint("after a rotation, wait; %s", driverHint)
	}
	return Pass("the driver says mounted, version %s as in the store", version)
}

// podStatus returns the driver's status for this very pod, and not for an earlier
// one of its name.
func (m *podMount) podStatus(ctx context.Context, class string) (cluster.PodStatus, error) {
	all, err := m.Cluster.PodStatuses(ctx, m.pod.Namespace)
	if err != nil {
		return cluster.PodStatus{}, err
	}
	for _, st := range all {
		if st.PodUID == m.pod.UID && st.SecretProviderClass == class {
			return st, nil
		}
	}
	return cluster.PodStatus{}, fmt.Errorf("the driver has no SecretProviderClassPodStatus of this pod: %w", fs.ErrNotExist)
}

// vaultConfig reads the file that the container's variables name.
func (m *podMount) vaultConfig(ctx context.Context) ([]byte, error) {
	file := config.VaultConfigFile
	for _, name := range []string{"AIDBOX_VAULT_CONFIG", "BOX_VAULT_CONFIG"} {
		if named := m.container.VaultConfig[name]; named != "" {
			file = named
		}
	}
	v, err := m.Cluster.ReadFile(ctx, m.pod, m.container.Name, file)
	if err != nil && m.wentAway(ctx, err) {
		return nil, errGone
	}
	return v.Reveal(), err
}

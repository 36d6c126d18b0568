package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

// driverHint is where to look when the mount does not follow the store.
const driverHint = "the driver needs requiresRepublish: true in its CSIDriver object and --enable-secret-rotation=true, and takes up to " +
	"--rotation-poll-interval and 90 s; if both are set, the logs of the driver and of its provider name the cause"

// The names that the CSI driver publishes under: the files are links through
// dataLink, which is a link to a folder named by the time.
const (
	dataLink      = "..data"
	publishedName = "..2006_01_02_15_04_05"
)

// filePresent says whether the file is there, also where it cannot be read.
func filePresent(ctx context.Context, r *run, m *mount, s config.Secret) Result {
	where := ""
	if m.pod != nil {
		if status := m.pod.Status(m.container); m.pod.Phase == "Pending" && !status.Running {
			return Fail("the pod has not started: %s", cmp.Or(status.Reason, m.pod.Phase)).
				WithHint("the cause is at workload/deployment: secretctl verify workload")
		}
		where = " in container " + m.container
	}
	got := m.look(ctx, s)
	switch err := got.Err; {
	case got.Found, errors.Is(err, fs.ErrPermission), errors.Is(err, cluster.ErrNotFile), errors.Is(err, cluster.ErrTooLong):
		return Pass("%s%s", m.file(s), where)
	case errors.Is(err, errNoReplica):
		return Fail("no pod of %s runs in namespace %s, so nothing is mounted", r.d.Aidbox.Workload, r.d.Namespace).
			WithHint("secretctl verify workload says why")
	case errors.Is(err, errGone):
		return Skip("%v; the pods that replaced it are checked below", err)
	case errors.Is(err, fs.ErrNotExist):
		return fileAbsent(ctx, r, m, s, where)
	default:
		return r.unknown(err)
	}
}

// fileAbsent says what is there in place of the file.
func fileAbsent(ctx context.Context, r *run, m *mount, s config.Secret, where string) Result {
	folder := m.folder(s)
	again, state := "delete the pod, so that the driver mounts again", ""
	if m.pod != nil {
		if result, wrong := notMounted(r, m, s); wrong {
			return result
		}
		again, state = deletePod(m.pod), ", and the pod is "+readiness(m.pod)
	}
	seen := fileOf(folder)(m.observation(ctx))
	names := seen.Names
	switch err := seen.Err; {
	case errors.Is(err, fs.ErrNotExist) && m.pod == nil:
		return Fail("folder %s does not exist", folder).WithHint("mount the volume here, name another folder with --mount-path, or check the pods with --target pod")
	case errors.Is(err, fs.ErrNotExist):
		return Fail("folder %s does not exist%s", folder, where).WithHint("%s", again)
	case err != nil:
		return r.unknown(err)
	case len(names) == 0:
		return Fail("folder %s is EMPTY%s", folder, state).
			WithHint("%s; the driver skips a mount whose folder is younger than its poll interval, and reports success", again)
	case slices.Contains(names, s.FileName()):
		return Fail("%s is a dangling link", m.file(s)).WithHint("%s", again)
	}
	return Fail("no file %s in %s; found: %s", s.FileName(), folder, r.line(strings.Join(names, " "))).
		WithHint("the SecretProviderClass does not list it, or did not when the pod started: apply what secretctl render writes, then %s", again)
}

// notMounted says whether the pod has no volume where the file belongs.
func notMounted(r *run, m *mount, s config.Secret) (result Result, wrong bool) {
	class, folder := r.classes[s.Name], m.folder(s)
	mounts := m.pod.Spec.SecretMounts(class)
	switch {
	case len(mounts) == 0:
		return Fail("the pod mounts no volume of SecretProviderClass %s", class).
			WithHint("%s", r.workloadHint()), true
	case !slices.ContainsFunc(mounts, func(v cluster.Mount) bool { return within(v.Path, folder) }):
		return Fail("the volume is mounted at %s, not at %s", mounts[0].Path, folder).WithHint("set mountPath in the config, or the mountPath of the volume"), true
	}
	return Result{}, false
}

func readiness(p *cluster.Pod) string {
	if p.Ready {
		return p.Phase + " and Ready"
	}
	return p.Phase
}

// filePublished says whether a rotation would reach the file.
func filePublished(ctx context.Context, r *run, m *mount, s config.Secret) Result {
	switch {
	case m.pod != nil:
		return publishedByDriver(ctx, r, m, s)
	case r.Local != nil:
		return publishedLocally(m, s)
	}
	return Skip("%v", errNoReplica)
}

func deletePod(p *cluster.Pod) string {
	return fmt.Sprintf("delete the pod, so that the driver mounts again: kubectl delete pod -n %s %s", p.Namespace, p.Name)
}

// fileCanRotate is filePublished without a look at the version, which is the old one for
// as long as a rotation is under way.
func fileCanRotate(ctx context.Context, r *run, m *mount, s config.Secret) Result {
	if m.pod == nil {
		return filePublished(ctx, r, m, s)
	}
	_, _, wrong := mountedVersion(ctx, r, m, s)
	return wrong
}

// mountedVersion returns the version that the driver says it mounted, or a result where
// a rotation does not reach the file, or the driver's status of the pod lacks it.
func mountedVersion(ctx context.Context, r *run, m *mount, s config.Secret) (version string, status cluster.PodStatus, wrong Result) {
	got := m.look(ctx, s)
	switch {
	case errors.Is(got.Err, fs.ErrNotExist), notRunning(got.Err):
		return "", status, Skip("no file to check")
	case got.Found && got.Link != path.Join(dataLink, s.FileName()):
		return "", status, notThroughDataLink()
	}
	status, err := r.podStatus(ctx, m.pod, r.classes[s.Name])
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", status, Fail("%v", err).WithHint("%s", deletePod(m.pod))
	case err != nil:
		return "", status, r.unknown(err)
	case !status.Mounted:
		return "", status, Fail("its SecretProviderClassPodStatus says mounted: false").WithHint("%s", deletePod(m.pod))
	}
	version, listed := status.Versions[r.Provider.StatusID(s)]
	if !listed {
		return "", status, Fail("its SecretProviderClassPodStatus does not list %s", r.Provider.StatusID(s)).
			WithHint("the SecretProviderClass did not list it when the pod started: apply what secretctl render writes, then %s", deletePod(m.pod))
	}
	return version, status, Result{}
}

// publishedByDriver looks for what keeps a rotation from the file, and compares the
// version that the driver says it mounted with the store's.
func publishedByDriver(ctx context.Context, r *run, m *mount, s config.Secret) Result {
	version, status, wrong := mountedVersion(ctx, r, m, s)
	if wrong.Status != "" {
		return wrong
	}
	switch newest, err := r.values.newestVersions(ctx, s); {
	case errors.Is(err, store.ErrNoStatusVersion):
		return Pass("mounted, according to the driver, whose status last changed %s ago", max(0, time.Since(status.Changed)).Round(time.Second))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		return Fail("the driver mounted version %s, and new pods get none: %s", version, r.line(err.Error())).WithHint("%s", hint.Of(err))
	case err != nil:
		result := r.unknown(err)
		result.Detail = fmt.Sprintf("mounted version %s, according to the driver; the store's version is unknown: %s", version, result.Detail)
		return result
	case !slices.Contains(newest, version):
		return Fail("the driver mounted version %s, and the store has %s", version, strings.Join(newest, " or ")).WithHint("after a rotation, wait; %s", driverHint)
	}
	return Pass("mounted version %s, according to the driver, as in the store", version)
}

// podStatus returns the driver's status for this very pod, and not for an earlier
// one of its name.
func (r *run) podStatus(ctx context.Context, p *cluster.Pod, class string) (cluster.PodStatus, error) {
	all, err := r.statuses.get(p.Namespace, func() (map[string]cluster.PodStatus, error) {
		list, err := r.Cluster.PodStatuses(ctx, p.Namespace)
		byPod := map[string]cluster.PodStatus{}
		for _, st := range list {
			byPod[st.PodUID+" "+st.SecretProviderClass] = st
		}
		return byPod, err
	})
	if err != nil {
		return cluster.PodStatus{}, err
	}
	st, found := all[p.UID+" "+class]
	if !found {
		err = fmt.Errorf("the driver has no SecretProviderClassPodStatus of this pod: %w", fs.ErrNotExist)
	}
	return st, err
}

// publishedLocally looks for what keeps a rotation from the file.
func publishedLocally(m *mount, s config.Secret) Result {
	const again = "delete the pod, so that the driver mounts again"
	folder := m.folder(s)
	info, err := os.Lstat(m.file(s))
	if err != nil {
		return Skip("no file to check")
	}
	published, err := os.Readlink(filepath.Join(folder, dataLink))
	if errors.Is(err, fs.ErrNotExist) {
		return Warn("not published by the CSI driver: nothing rotates it").
			WithHint("correct for a file that something else maintains; in a pod, mount the CSI volume as a folder, without subPath")
	}
	if err != nil {
		return Fail("%s is not a link: %v", dataLink, err).WithHint(again)
	}
	if target, err := os.Stat(filepath.Join(folder, dataLink)); err != nil || !target.IsDir() {
		return Fail("%s points to %s, which does not exist", dataLink, published).WithHint(again)
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(m.file(s)); err != nil {
			return Unknown("%v", err)
		}
	}
	if link != filepath.Join(dataLink, s.FileName()) {
		return notThroughDataLink()
	}
	at, err := publishedAt(published)
	if err != nil {
		return Warn("%s points to %s, which is not a folder name of the CSI driver", dataLink, published).WithHint("a rotation arrives if whatever published the file does so again")
	}
	return Pass("published %s ago", max(0, time.Since(at)).Round(time.Second))
}

func notThroughDataLink() Result {
	return Fail("does not go through %s, so it keeps its first value", dataLink).WithHint("mount the whole folder, without subPath, and copy nothing into it")
}

// publishedAt reads the time from the name of a folder of the driver.
func publishedAt(name string) (time.Time, error) {
	return time.Parse(publishedName, name[:min(len(name), len(publishedName))])
}

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
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// driverHint says where to look if the mount does not follow the store.
const driverHint = "the driver needs requiresRepublish: true in its CSIDriver object and --enable-secret-rotation=true, and takes up to " +
	"--rotation-poll-interval and 90 s; if both are set, the logs of the driver and of its provider name the cause"

// The names that the CSI driver publishes under: the files are links through
// dataLink, which is a link to a folder named by the time.
const (
	dataLink      = "..data"
	publishedName = "..2006_01_02_15_04_05"
)

// filePresent checks that the file exists, even if it cannot be read.
func filePresent(ctx context.Context, r *run, s subject) Result {
	m, where := s.mount, ""
	if m.pod != nil {
		if status := m.pod.Status(m.container); m.pod.Phase == "Pending" && !status.Running {
			return Fail("the pod has not started: %s", cmp.Or(status.Reason, m.pod.Phase)).
				WithHint("the cause is at workload/deployment: secretctl verify workload")
		}
		where = " in container " + m.container
	}
	got := m.look(ctx, s.secret)
	switch err := got.Err; {
	case got.Found, errors.Is(err, fs.ErrPermission), errors.Is(err, cluster.ErrNotFile), errors.Is(err, cluster.ErrTooLong):
		return Pass("%s%s", m.file(s.secret), where)
	case errors.Is(err, errNoReplica):
		why, next := r.noPods()
		return Fail("%s, so nothing is mounted", why).WithHint("%s", next)
	case errors.Is(err, errGone):
		return r.podReplaced()
	case errors.Is(err, fs.ErrNotExist):
		return fileAbsent(ctx, r, s, where)
	default:
		return r.unknown(err)
	}
}

// podReplaced is the result of a check of a pod that was replaced during its checks.
func (r *run) podReplaced() Result {
	if r.replaced {
		return Unknown("%v, again", errGone).WithHint("run again once the pods are stable")
	}
	return Skip("%v; the pods that replaced it are checked below", errGone)
}

// fileAbsent reports what the mount has in place of the file.
func fileAbsent(ctx context.Context, r *run, s subject, where string) Result {
	m, name := s.mount, s.secret.FileName()
	folder, state := m.folder(s.secret), ""
	if m.pod != nil {
		class := r.classes[s.secret.Name]
		mounts := m.pod.Spec.Of(m.container).SecretMounts(class)
		switch {
		case len(m.pod.Spec.SecretMounts(class)) == 0:
			return Fail("the pod mounts no volume of SecretProviderClass %s", class).WithHint("%s", r.workloadHint())
		case len(mounts) == 0:
			return Fail("container %s does not mount the volume of SecretProviderClass %s", m.container, class).WithHint("%s", r.workloadHint())
		case !slices.ContainsFunc(mounts, func(v cluster.Mount) bool { return within(v.Path, folder) }):
			return Fail("the volume is mounted at %s, not at %s", mounts[0].Path, folder).WithHint("set mountPath in the config, or the mountPath of the volume")
		}
		state = ", and the pod is " + m.pod.Phase
		if m.pod.Ready {
			state += " and Ready"
		}
	}
	again, seen := m.mountAgain(), fileOf(folder)(m.observation(ctx))
	switch err := seen.Err; {
	case errors.Is(err, fs.ErrNotExist) && m.pod == nil:
		return Fail("folder %s does not exist", folder).WithHint("mount the volume here, name another folder with --mount-path, or check the pods with --target pod")
	case errors.Is(err, fs.ErrNotExist):
		return Fail("folder %s does not exist%s", folder, where).WithHint("%s", again)
	case err != nil:
		return r.unknown(err)
	case len(seen.Names) == 0:
		return Fail("folder %s is EMPTY%s", folder, state).
			WithHint("%s; the driver skips a mount whose folder is younger than its poll interval, and reports success", again)
	case slices.Contains(seen.Names, name):
		return Fail("%s is a dangling link", m.file(s.secret)).WithHint("%s", again)
	}
	return Fail("no file %s in %s; found: %s", name, folder, r.line(strings.Join(seen.Names, " "))).
		WithHint("the SecretProviderClass does not list it, or did not when the pod started: apply what secretctl render writes, then %s", again)
}

// mountAgain is the hint to delete the pod.
func (m *mount) mountAgain() string {
	again := "delete the pod, so that the driver mounts again"
	if m.pod != nil {
		again += secret.Shellf(": kubectl delete pod -n %s %s", m.pod.Namespace, m.pod.Name)
	}
	return again
}

// filePublished checks that a rotation reaches the file. In a pod, it compares the version
// that the driver mounted with the store's.
func filePublished(ctx context.Context, r *run, s subject) Result {
	if r.Local != nil {
		return publishedLocally(s)
	}
	version, status, wrong := mountedVersion(ctx, r, s)
	if wrong.Status != "" {
		return wrong
	}
	switch newest, err := r.newestVersions(ctx, s.secret); {
	case errors.Is(err, store.ErrNoStatusVersion):
		return Pass("mounted, according to the driver, whose status last changed %s ago", ago(status.Changed))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		return Fail("the driver mounted version %s, and new pods get none: %s", version, r.line(err.Error())).WithHint("%s", hint.Of(err))
	case err != nil:
		return Unknown("mounted version %s, according to the driver; the store's version is unknown: %s", version, r.line(err.Error())).WithHint("%s", hint.Of(err))
	case !slices.Contains(newest, version):
		return Fail("the driver mounted version %s, and the store has %s", version, strings.Join(newest, " or ")).WithHint("after a rotation, wait; %s", driverHint)
	}
	return Pass("mounted version %s, according to the driver, as in the store", version)
}

// fileCanRotate is filePublished without the version, which is the old one for as long as a
// rotation is under way.
func fileCanRotate(ctx context.Context, r *run, s subject) Result {
	if r.Local != nil {
		return publishedLocally(s)
	}
	_, _, wrong := mountedVersion(ctx, r, s)
	return wrong
}

// mountedVersion returns the driver's status of the pod, and the version of the secret in it;
// or a result, if a rotation does not reach the file or the status does not list the secret.
func mountedVersion(ctx context.Context, r *run, s subject) (version string, status cluster.PodStatus, wrong Result) {
	m := s.mount
	got := m.look(ctx, s.secret)
	switch {
	case errors.Is(got.Err, fs.ErrNotExist), notRunning(got.Err):
		return "", status, Skip("no file to check")
	case m.pod == nil:
		return "", status, r.unknown(got.Err)
	case got.Found && got.Link != path.Join(dataLink, s.secret.FileName()):
		return "", status, notThroughDataLink()
	}
	status, err := r.podStatus(ctx, m.pod, r.classes[s.secret.Name])
	id := r.Provider.StatusID(s.secret)
	version, listed := status.Versions[id]
	switch {
	case errors.Is(err, fs.ErrNotExist) && r.pods.isGone(ctx, *m.pod): // its status goes with it
		wrong = r.podReplaced()
	case errors.Is(err, fs.ErrNotExist):
		wrong = Fail("%v", err).WithHint("%s", m.mountAgain())
	case err != nil:
		wrong = r.unknown(err)
	case !status.Mounted:
		wrong = Fail("its SecretProviderClassPodStatus says mounted: false").WithHint("%s", m.mountAgain())
	case !listed:
		wrong = Fail("its SecretProviderClassPodStatus does not list %s", id).
			WithHint("the SecretProviderClass did not list it when the pod started: apply what secretctl render writes, then %s", m.mountAgain())
	}
	return version, status, wrong
}

// podStatus returns the driver's status of this pod, and not of an earlier pod with its name.
func (r *run) podStatus(ctx context.Context, p *cluster.Pod, class string) (cluster.PodStatus, error) {
	all, err := r.statuses.get(p.Namespace, func() (map[string]cluster.PodStatus, error) {
		list, err := r.Cluster.PodStatuses(ctx, p.Namespace)
		byPod := map[string]cluster.PodStatus{}
		for _, status := range list {
			byPod[status.PodUID+" "+status.SecretProviderClass] = status
		}
		return byPod, err
	})
	status, found := all[p.UID+" "+class]
	if err == nil && !found {
		err = fmt.Errorf("the driver has no SecretProviderClassPodStatus of this pod: %w", fs.ErrNotExist)
	}
	return status, err
}

// publishedLocally checks that a rotation reaches the file on this machine.
func publishedLocally(s subject) Result {
	folder, file := s.mount.folder(s.secret), s.mount.file(s.secret)
	if _, err := os.Lstat(file); err != nil {
		return Skip("no file to check")
	}
	published, err := os.Readlink(filepath.Join(folder, dataLink))
	switch target, statErr := os.Stat(filepath.Join(folder, dataLink)); {
	case errors.Is(err, fs.ErrNotExist):
		return Warn("not published by the CSI driver: nothing rotates it").
			WithHint("correct for a file that something else maintains; in a pod, mount the CSI volume as a folder, without subPath")
	case err != nil:
		return Fail("%s is not a link: %v", dataLink, err).WithHint("%s", s.mount.mountAgain())
	case statErr != nil || !target.IsDir():
		return Fail("%s points to %s, which does not exist", dataLink, published).WithHint("%s", s.mount.mountAgain())
	}
	if link, err := os.Readlink(file); err != nil || link != filepath.Join(dataLink, s.secret.FileName()) {
		return notThroughDataLink()
	}
	at, err := time.Parse(publishedName, published[:min(len(published), len(publishedName))])
	if err != nil {
		return Warn("%s points to %s, which is not a folder name of the CSI driver", dataLink, published).WithHint("a rotation arrives if whatever published the file does so again")
	}
	return Pass("published %s ago", ago(at))
}

func notThroughDataLink() Result {
	return Fail("does not go through %s, so it keeps its first value", dataLink).WithHint("mount the whole folder, without subPath, and copy nothing into it")
}

// ago returns the time since then; 0 if a clock is wrong.
func ago(then time.Time) time.Duration { return max(0, time.Since(then)).Round(time.Second) }

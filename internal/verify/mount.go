package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

var mountChecks = []Check{
	{
		ID: "mount/present", Title: "the secret's file is in the mount",
		subjects: perFile,
		run:      filePresent,
	},
	{
		ID: "mount/readable", Title: "Aidbox may read the file",
		Needs:    []string{"mount/present"},
		subjects: perFile,
		run:      fileReadable,
	},
	{
		ID: "mount/matches-store", Title: "the file has the value of the store",
		Needs:    []string{"mount/readable"},
		subjects: perFile,
		run:      fileMatchesStore,
	},
	{
		ID: "mount/status", Title: "the file is published so that rotation reaches it",
		subjects: perFile,
		run:      fileStatus,
	},
	{
		ID: "mount/vault-config", Title: "the vault config names the files and scopes of the delivery",
		subjects: perReplica,
		run:      vaultConfigMatches,
	},
}

// perFile has each secret in each replica.
func perFile(ctx context.Context, r *run) (all []subject) {
	r.load(ctx)
	for _, m := range r.mounts {
		for _, s := range r.d.Secrets {
			all = append(all, subject{name: s.Name + " " + m.replica, secret: s, mount: m})
		}
	}
	return all
}

func perReplica(ctx context.Context, r *run) (all []subject) {
	r.load(ctx)
	for _, m := range r.mounts {
		all = append(all, subject{name: m.replica, mount: m})
	}
	return all
}

// filePresent says whether the file is there, also where it cannot be read.
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
	switch err := got.err; {
	case got.found, errors.Is(err, fs.ErrPermission), errors.Is(err, cluster.ErrNotFile), errors.Is(err, cluster.ErrTooLong):
		return Pass("%s%s", m.file(s.secret), where)
	case errors.Is(err, errNoReplica):
		return Fail("no pod of %s runs in namespace %s, so nothing is mounted", r.d.Aidbox.Workload, r.d.Namespace).
			WithHint("secretctl verify workload says why")
	case errors.Is(err, errGone):
		return Skip("%v; the pods that replaced it follow", err)
	case errors.Is(err, fs.ErrNotExist):
		return fileAbsent(ctx, r, s, where)
	default:
		return r.unknown(err)
	}
}

// fileAbsent says what is there in place of the file.
func fileAbsent(ctx context.Context, r *run, s subject, where string) Result {
	m, folder := s.mount, s.mount.folder(s.secret)
	again, state := "delete the pod, so that the driver mounts anew", ""
	if m.pod != nil {
		if result, wrong := notMounted(r, s); wrong {
			return result
		}
		again, state = deletePod(m.pod), ", and the pod is "+readiness(m.pod)
	}
	names, err := m.list(ctx, folder)
	switch {
	case errors.Is(err, fs.ErrNotExist) && m.pod == nil:
		return Fail("folder %s does not exist", folder).WithHint("mount the volume here: the local target reads the mount path of this machine")
	case errors.Is(err, fs.ErrNotExist):
		return Fail("folder %s does not exist%s", folder, where).WithHint("%s", again)
	case err != nil:
		return r.unknown(err)
	case len(names) == 0:
		return Fail("folder %s is EMPTY%s", folder, state).
			WithHint("%s; the driver answers OK without mounting while the folder is young, and so it stays", again)
	case slices.Contains(names, s.secret.FileName()):
		return Fail("%s is a link that leads nowhere", m.file(s.secret)).WithHint("%s", again)
	}
	return Fail("no file %s in %s; found: %s", s.secret.FileName(), folder, r.line(strings.Join(names, " "))).
		WithHint("the SecretProviderClass does not name it, or did not when the pod started: apply what secretctl render writes, then %s", again)
}

// notMounted says whether the pod has no volume where the file belongs.
func notMounted(r *run, s subject) (result Result, wrong bool) {
	class, folder := r.classes[s.secret.Name], s.mount.folder(s.secret)
	mounts := s.mount.pod.Spec.SecretMounts(class)
	switch {
	case len(mounts) == 0:
		return Fail("the pod mounts no volume of SecretProviderClass %s", class).
			WithHint("apply what secretctl render writes; for a Deployment of your own, what secretctl render --patch writes"), true
	case !slices.ContainsFunc(mounts, func(v cluster.Mount) bool { return within(folder, v.Path) }):
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

func fileReadable(ctx context.Context, r *run, s subject) Result {
	got, mode := s.mount.look(ctx, s.secret), ""
	if got.found {
		mode = fmt.Sprintf(" (mode %04o)", got.info.Mode)
	}
	switch err := got.err; {
	case errors.Is(err, fs.ErrPermission):
		return Fail("%v%s", err, mode).
			WithHint("leave filePermission at its default, 0644: the driver's files belong to root, Aidbox runs as user 1000, and fsGroup has no effect on them")
	case errors.Is(err, cluster.ErrNotFile):
		return Fail("%v%s", cluster.ErrNotFile, mode).WithHint("mount the volume as a folder at %s", s.mount.folder(s.secret))
	case errors.Is(err, cluster.ErrTooLong):
		return Fail("%v", cluster.ErrTooLong).WithHint("store the secret alone: with secretKey, the file has one key of the path")
	case err != nil:
		return r.unknown(err)
	case got.digest == emptyDigest:
		return Fail("is empty").WithHint("store a value that is not empty")
	}
	return Pass("Aidbox's user may read it%s", mode)
}

func fileMatchesStore(ctx context.Context, r *run, s subject) Result {
	mounted := s.mount.look(ctx, s.secret)
	if mounted.err != nil {
		return r.unknown(mounted.err)
	}
	want, err := r.values.expected(ctx, s.secret)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("%s", r.line(err.Error())).WithHint("secretctl provision writes it; if it was deleted, the mount keeps the last value until its pod restarts")
	case errors.Is(err, store.ErrPEM):
		return Skip("%v; mount/status compares the versions", store.ErrPEM)
	case errors.Is(err, fs.ErrInvalid):
		return r.fail(err)
	case err != nil:
		return uncompared(ctx, r, s, err)
	case mounted.digest != digest(want.value) && differsByLineBreak(mounted.digest, want.value):
		return Fail("differs from %s by a line break at the end", want.from).WithHint(oddityHint)
	case mounted.digest != digest(want.value):
		return Fail("differs from %s: stale, or from another place", want.from).WithHint("after a rotation, wait; %s", driverHint)
	case want.value.Oddity() != "":
		return Warn("equal to %s, and %s", want.from, want.value.Oddity()).WithHint(oddityHint)
	}
	return Pass("equal to %s", want.from)
}

// uncompared says what can be said of a file that nothing is known to compare with.
func uncompared(ctx context.Context, r *run, s subject, why error) Result {
	v, err := s.mount.value(ctx, s.secret)
	r.Sanitizer.Learn(v)
	if err == nil && v.Oddity() != "" {
		return Unknown("%s; the mounted value %s", r.line(why.Error()), v.Oddity()).WithHint(oddityHint)
	}
	return r.unknown(why)
}

func fileStatus(ctx context.Context, r *run, s subject) Result {
	switch {
	case s.mount.pod != nil:
		return r.driverStatus(ctx, s.mount, s.secret)
	case r.Local != nil:
		return localStatus(s.mount, s.secret)
	}
	return Skip("%v", errNoReplica)
}

// vaultConfigMatches compares the file that a replica has.
func vaultConfigMatches(ctx context.Context, r *run, s subject) Result {
	data, err := s.mount.read(ctx, s.mount.vaultConfig)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("%s", r.line(err.Error())).WithHint("mount the ConfigMap %s at %s: secretctl render writes both", r.d.ConfigMapName(), config.VaultConfigFile)
	case unseen(err):
		return Skip("%s", r.line(err.Error()))
	case err != nil:
		return r.unknown(err)
	}
	return compareVaultConfig(data.Reveal(), r.d, r.Sanitizer)
}

// differsByLineBreak says whether a file of that digest has the value but for the
// line breaks at its end.
func differsByLineBreak(mounted string, v secret.Value) bool {
	bare := trimmed(v).Reveal()
	return slices.ContainsFunc([]string{"", "\n", "\r\n", "\n\n"}, func(end string) bool {
		return mounted == digest(secret.New(slices.Concat(bare, []byte(end))))
	})
}

// trimmed returns v without the line break at its end.
func trimmed(v secret.Value) secret.Value {
	for v.EndsInNewline() {
		b := v.Reveal()
		v = secret.New(b[:len(b)-1])
	}
	return v
}

package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

var mountChecks = []Check{
	{
		ID: "mount/present", Title: "the secret's file is in the mount",
		subjects: perFile,
		prepare:  lookIntoAll,
		run:      filePresent,
	},
	{
		ID: "mount/readable", Title: "Aidbox can read the file",
		Needs:    []string{"mount/present"},
		subjects: perFile,
		run:      fileReadable,
	},
	{
		ID: "mount/matches-store", Title: "the file has the store's value",
		Needs:    []string{"mount/readable"},
		subjects: perFile,
		run:      fileMatchesStore,
	},
	{
		ID: "mount/status", Title: "the driver mounted the file, and can update it",
		after:    "mount/present", // which explains why a file is missing
		subjects: perFile,
		prepare:  lookIntoAll,
		run:      filePublished,
	},
	{
		ID: "mount/vault-config", Title: "the vault config has the delivery's files and scopes",
		subjects: perReplica,
		prepare:  lookIntoAll,
		run:      vaultConfigMatches,
	},
}

// perFile returns each secret in each replica.
func perFile(ctx context.Context, r *run) (all []subject) {
	for _, replica := range perReplica(ctx, r) {
		for _, s := range r.d.Secrets {
			all = append(all, subject{name: s.Name + " " + replica.name, secret: s, mount: replica.mount, needs: replica.needs})
		}
	}
	return all
}

func perReplica(ctx context.Context, r *run) (all []subject) {
	r.load(ctx)
	for _, m := range r.mounts {
		all = append(all, subject{name: m.replica, mount: m, needs: r.needsCluster(r.Local == nil)})
	}
	return all
}

func fileReadable(ctx context.Context, r *run, s subject) Result {
	got, mode := s.mount.look(ctx, s.secret), ""
	if !got.ModTime.IsZero() {
		mode = fmt.Sprintf(" (mode %04o)", got.Mode)
	}
	switch err := got.Err; {
	case errors.Is(err, fs.ErrPermission):
		return Fail("%v%s", err, mode).
			WithHint("leave filePermission at its default, 0644: the driver's files belong to root, Aidbox runs as user 1000, and fsGroup has no effect on them")
	case errors.Is(err, cluster.ErrNotFile):
		return Fail("%v%s", cluster.ErrNotFile, mode).WithHint("mount the volume as a folder at %s", s.mount.folder(s.secret))
	case errors.Is(err, cluster.ErrTooLong):
		return Fail("%v", cluster.ErrTooLong).WithHint("check secretKey: with it, the file has only one key of the path")
	case err != nil:
		return r.unknown(err)
	case got.Digest == emptyDigest:
		return Fail("is empty").WithHint("store a value that is not empty")
	}
	return Pass("Aidbox's user can read it%s", mode)
}

func fileMatchesStore(ctx context.Context, r *run, s subject) Result {
	mounted := s.mount.look(ctx, s.secret)
	if mounted.Err != nil {
		return r.unknown(mounted.Err)
	}
	want, err := r.expected(ctx, s.secret)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r.fail(fmt.Errorf("%w; a running pod keeps the last value that it mounted", err))
	case errors.Is(err, store.ErrPEM):
		return Skip("%v; mount/status compares the versions", store.ErrPEM)
	case errors.Is(err, fs.ErrInvalid):
		return r.fail(err)
	case err != nil:
		return notComparable(ctx, r, s, err)
	case mounted.Digest != digest(want.value) && differsByLineBreak(mounted.Digest, want.value):
		return Fail("differs from %s by a line break at the end", want.from).WithHint(oddityHint)
	case mounted.Digest != digest(want.value):
		return Fail("differs from %s: stale, or from another source", want.from).WithHint("after a rotation, wait; %s", driverHint)
	case want.value.Oddity() != "":
		return Warn("equal to %s, and %s", want.from, want.value.Oddity()).WithHint(oddityHint)
	}
	return Pass("equal to %s", want.from)
}

// notComparable is the result if the expected value is not known.
func notComparable(ctx context.Context, r *run, s subject, why error) Result {
	v, err := s.mount.value(ctx, s.secret)
	r.Sanitizer.Learn(v)
	if err == nil && v.Oddity() != "" {
		return Unknown("%s; the mounted value %s", r.line(why.Error()), v.Oddity()).WithHint(oddityHint)
	}
	return r.unknown(why)
}

// vaultConfigMatches compares the file that a replica has.
func vaultConfigMatches(ctx context.Context, r *run, s subject) Result {
	got := fileOf(s.mount.vaultConfig)(s.mount.observation(ctx))
	switch err := got.Err; {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("%s", r.line(err.Error())).WithHint("mount the ConfigMap %s at %s: secretctl render writes both", r.d.ConfigMapName(), config.VaultConfigFile)
	case errors.Is(err, errGone):
		return r.podReplaced()
	case err != nil:
		return r.unknown(err)
	}
	data := got.Content.Reveal()
	if wanted := r.d.VaultConfig(); got.Digest == digest(secret.New(wanted)) {
		data = wanted
	}
	result := compareVaultConfig(data, r.d, r.Sanitizer)
	switch {
	case result.Status != StatusPass:
	case s.mount.otherConfig != "":
		return Warn("%s; but BOX_VAULT_CONFIG of container %s names %s, and AIDBOX_VAULT_CONFIG %s, which Aidbox may read instead",
			result.Detail, s.mount.container, r.line(s.mount.vaultConfig), r.line(s.mount.otherConfig)).
			WithHint("set both to %s: which one Aidbox reads depends on its version", config.VaultConfigFile)
	case s.mount.unset:
		return Warn("%s; but container %s sets neither BOX_VAULT_CONFIG nor AIDBOX_VAULT_CONFIG, without which Aidbox does not read it", result.Detail, s.mount.container).
			WithHint("%s; ignore this if the image sets one of them", r.workloadHint())
	}
	return result
}

// differsByLineBreak reports whether the file with this digest has the value, with other line
// breaks at the end.
func differsByLineBreak(mounted string, v secret.Value) bool {
	for v.EndsInNewline() {
		b := v.Reveal()
		v = secret.New(b[:len(b)-1])
	}
	return slices.ContainsFunc([]string{"", "\n", "\r\n", "\n\n"}, func(end string) bool {
		return mounted == digest(secret.New(slices.Concat(v.Reveal(), []byte(end))))
	})
}

package verify

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// driverHint is where to look when the mount does not follow the store.
const driverHint = "the driver needs requiresRepublish: true in its CSIDriver object and --enable-secret-rotation=true, and takes up to " +
	"--rotation-poll-interval and 90 s; if both are set, the logs of the driver and of its provider name the hop that fails"

var mountChecks = []Check{
	{
		ID: "mount/present", Title: "the secret's file is in the mount",
		subjects: perFile,
		run:      func(ctx context.Context, _ *run, s subject) Result { return s.mount.Present(ctx, s.secret) },
	},
	{
		ID: "mount/readable", Title: "Aidbox may read the file",
		Needs:    []string{"mount/present"},
		subjects: perFile,
		run:      func(ctx context.Context, _ *run, s subject) Result { return s.mount.Readable(ctx, s.secret) },
	},
	{
		ID: "mount/matches-store", Title: "the file has the value of the store",
		Needs:    []string{"mount/readable"},
		subjects: perFile,
		run:      matchesStore,
	},
	{
		ID: "mount/status", Title: "the file is published so that rotation reaches it",
		subjects: perFile,
		run:      func(ctx context.Context, _ *run, s subject) Result { return s.mount.Status(ctx, s.secret) },
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
			all = append(all, subject{name: s.Name + " " + m.Replica, secret: s, mount: m})
		}
	}
	return all
}

func perReplica(ctx context.Context, r *run) (all []subject) {
	r.load(ctx)
	for _, m := range r.mounts {
		all = append(all, subject{name: m.Replica, mount: m})
	}
	return all
}

func matchesStore(ctx context.Context, r *run, s subject) Result {
	mounted, err := s.mount.Digest(ctx, s.secret)
	if err != nil {
		return r.unknown(err)
	}
	want, err := r.values.expected(ctx, s.secret)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("%s", r.line(err.Error())).WithHint("secretctl provision writes it; if it was deleted, the mount keeps the last value until its pod restarts")
	case err != nil:
		return uncompared(ctx, r, s, err)
	case mounted != digest(want.value) && differsByLineBreak(mounted, want.value):
		return Fail("differs from %s by a line break at the end", want.from).WithHint(newlineHint)
	case mounted != digest(want.value):
		return Fail("differs from %s: stale, or from another place", want.from).WithHint("after a rotation, wait; %s", driverHint)
	case want.value.EndsInNewline():
		return Warn("equal to %s, and ends in a line break", want.from).WithHint(newlineHint)
	}
	return Pass("equal to %s", want.from)
}

// uncompared says what can be said of a file that nothing is known to compare with.
func uncompared(ctx context.Context, r *run, s subject, why error) Result {
	v, err := s.mount.Read(ctx, s.secret)
	r.Sanitizer.Learn(v)
	if err == nil && v.EndsInNewline() {
		return Unknown("%s; the mounted value ends in a line break", r.line(why.Error())).WithHint(newlineHint)
	}
	return r.unknown(why)
}

// vaultConfigMatches compares the file that a replica has.
func vaultConfigMatches(ctx context.Context, r *run, s subject) Result {
	data, err := s.mount.VaultConfig(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("%s", r.line(err.Error())).WithHint("mount the ConfigMap %s at %s: secretctl render writes both", r.d.ConfigMapName(), config.VaultConfigFile)
	case unseen(err):
		return Skip("%s", r.line(err.Error()))
	case err != nil:
		return r.unknown(err)
	}
	return compareVaultConfig(data, r.d, r.Sanitizer)
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

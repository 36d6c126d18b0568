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

// newlineHint is what to do about a value that ends in a line break.
const newlineHint = "Aidbox takes the line break as part of the secret: store the value without it (printf, not echo)"

func mountChecks(d *config.Delivery, mounts []Mount, vs *values) []check {
	var checks []check
	for _, m := range mounts {
		for _, s := range d.Secrets {
			of := func(look func(context.Context, config.Secret) Result) func(context.Context) Result {
				return func(ctx context.Context) Result { return look(ctx, s) }
			}
			matches := func(ctx context.Context) Result { return matchesStore(ctx, m, vs, s) }
			subject := s.Name + " " + m.Replica
			checks = append(
				checks,
				check{"mount/present", subject, nil, of(m.Present)},
				check{"mount/readable", subject, []string{"mount/present"}, of(m.Readable)},
				check{"mount/matches-store", subject, []string{"mount/readable"}, matches},
				check{"mount/status", subject, nil, of(m.Status)},
			)
		}
		checks = append(checks, check{"mount/vault-config", m.Replica, nil, func(ctx context.Context) Result {
			return vaultConfig(ctx, d, m, vs)
		}})
	}
	return checks
}

func matchesStore(ctx context.Context, m Mount, vs *values, s config.Secret) Result {
	mounted, err := m.Digest(ctx, s)
	if err != nil {
		return vs.unknown(err)
	}
	want, err := vs.expected(ctx, s)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("%s", vs.clean.Line(err.Error())).WithHint("secretctl provision writes it; if it was deleted, the mount keeps the last value until its pod restarts")
	case err != nil:
		return uncompared(ctx, m, vs, s, err)
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
func uncompared(ctx context.Context, m Mount, vs *values, s config.Secret, why error) Result {
	v, err := m.Read(ctx, s)
	if err == nil && vs.learn(v).EndsInNewline() {
		return Unknown("%s; the mounted value ends in a line break", vs.clean.Line(why.Error())).WithHint(newlineHint)
	}
	return vs.unknown(why)
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

package verify

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/test/testenv"
)

// rotated is the new value.
const rotated = "rotated-2d8e6b4f0a/+?"

// rotating sets up a rotation whose value arrives at once.
func rotating(change func(*fixture)) func(*testing.T, *fixture) {
	return func(t *testing.T, s *fixture) {
		s.o.Rotation = &Rotation{Secret: "client-secret", New: value(rotated), Deadline: time.Minute}
		s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
			s.publish(t, map[string]string{"client-secret": rotated}, time.Now())
			s.valid = rotated
			return s.put(ctx, c, v)
		}
		if change != nil {
			change(s)
		}
	}
}

// written is rotating with a change when the new value is written.
func written(change func(*testing.T, *fixture)) func(*testing.T, *fixture) {
	return func(t *testing.T, s *fixture) {
		rotating(nil)(t, s)
		put := s.w.Put
		s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
			change(t, s)
			return put(ctx, c, v)
		}
	}
}

// following sets up following a value that is already in the store.
func following(change func(*testing.T, *fixture)) func(*testing.T, *fixture) {
	return func(t *testing.T, s *fixture) {
		s.o.Rotation = &Rotation{Secret: "client-secret", Follow: true, Deadline: time.Minute}
		s.store["client-secret"], s.valid, s.before = rotated, rotated, canary
		s.publish(t, map[string]string{"client-secret": rotated}, time.Now())
		s.w.Put = func(context.Context, config.Secret, secret.Value) (string, error) {
			t.Error("wrote to the store")
			return "", nil
		}
		if change != nil {
			change(t, s)
		}
	}
}

func rotationRows() []row {
	const (
		updated  = "rotation/store-updated client-secret"
		mounted  = "rotation/mounted client-secret"
		accepted = "rotation/new-accepted client-secret"
		rejected = "rotation/old-rejected client-secret"
		restart  = "rotation/no-restart client-secret"
	)
	ok := rotating(nil)
	noPut := rotating(func(s *fixture) {
		s.w.Put = func(context.Context, config.Secret, secret.Value) (string, error) {
			return "", errors.New("vault: denied")
		}
	})
	noClient := rotating(func(s *fixture) { s.d.Resources = nil })
	return []row{
		{"done", ok, updated, StatusPass, "version 4, was 3"},
		{"not in the store", rotating(func(s *fixture) { clear(s.store) }), updated, StatusUnknown, "file does not exist"},
		{"encoded", rotating(func(s *fixture) {
			s.d.Secrets[0].Encoding = config.EncodingHex
			s.store["client-secret"] = hex.EncodeToString([]byte(canary))
			s.o.Rotation.New = value(hex.EncodeToString([]byte(rotated)))
		}), mounted, StatusPass, "after the write"},
		{"encoded, and accepted", rotating(func(s *fixture) {
			s.d.Secrets[0].Encoding = config.EncodingHex
			s.store["client-secret"] = hex.EncodeToString([]byte(canary))
			s.o.Rotation.New = value(hex.EncodeToString([]byte(rotated)))
		}), accepted, StatusPass, "answered 200"},
		{"not what is decoded", rotating(func(s *fixture) { s.d.Secrets[0].Encoding = config.EncodingHex }), updated, StatusFail, "the value is not hex"},
		{"no token", rotating(func(s *fixture) { s.w.Stored = nil }), updated, StatusUnknown, "no token"},
		{"not readable", rotating(func(s *fixture) {
			s.w.Stored = func(context.Context, config.Secret) (secret.Value, string, error) {
				return secret.Value{}, "", errUnreachable
			}
		}), updated, StatusUnknown, "connection refused"},
		{"denied", noPut, updated, StatusUnknown, "vault: denied"},
		{"stored already", rotating(func(s *fixture) { s.store["client-secret"] = rotated }), updated, StatusFail, "already has the new value"},
		{"overwritten", rotating(func(s *fixture) {
			s.w.Put = func(ctx context.Context, c config.Secret, _ secret.Value) (string, error) {
				return s.put(ctx, c, value("x"))
			}
		}), updated, StatusFail, "returns another value than was written"},
		{"version stays", rotating(func(s *fixture) {
			s.w.Put = func(_ context.Context, c config.Secret, _ secret.Value) (string, error) {
				s.store[c.Name] = rotated
				return "3", nil
			}
		}), updated, StatusFail, "the version is still 3"},

		{"conflict before the write", rotating(func(s *fixture) {
			reads := 0
			s.w.Stored = func(ctx context.Context, c config.Secret) (secret.Value, string, error) {
				if reads++; reads > 1 {
					return value("x"), "4", nil
				}
				return s.stored(ctx, c)
			}
			s.w.Put = nil
		}), updated, StatusFail, "somebody else wrote version 4 after 3 was read; nothing was written"},
		{"written, and not read back", rotating(func(s *fixture) {
			put := s.w.Put
			s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
				s.w.Stored = func(context.Context, config.Secret) (secret.Value, string, error) {
					return secret.Value{}, "", errUnreachable
				}
				return put(ctx, c, v)
			}
		}), updated, StatusWarn, "version 4, was 3; it could not be read back: connection refused | watch it arrive"},
		{"conflict at once", rotating(func(s *fixture) {
			s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
				version, err := s.put(ctx, c, v)
				_, _ = s.put(ctx, c, value("x"))
				return version, err
			}
		}), updated, StatusFail, "version 5, which somebody else wrote, replaced version 4; the value of this rotation is gone | watch it arrive"},
		{"written, and the answer lost", rotating(func(s *fixture) {
			s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
				_, _ = s.put(ctx, c, v)
				return "", errUnreachable
			}
		}), updated, StatusUnknown, "connection refused; but version 4 has the new value | watch it arrive, without writing: secretctl rotate client-secret --follow"},
		{"another one was written", rotating(func(s *fixture) {
			s.w.Put = func(ctx context.Context, c config.Secret, _ secret.Value) (string, error) {
				_, _ = s.put(ctx, c, value("x"))
				return "", errUnreachable
			}
		}), updated, StatusUnknown, "version 4 was written meanwhile, and not by this rotation"},
		{"denied", noPut, updated, StatusUnknown, "vault: denied; nothing was written"},
		{"no file", rotating(func(s *fixture) { s.local.Dir += "/absent" }), updated, StatusFail, "/absent does not exist; nothing was written | mount the volume here"},
		{"unreadable", rotating(func(s *fixture) {
			_ = os.Chmod(s.file("client-secret"), 0o600)
		}), updated, StatusFail, "local: user 1000 cannot read it"},
		{"another value", rotating(func(s *fixture) { s.store["client-secret"], s.valid = "x", "x" }), updated, StatusFail, "local: the file has another value than the store, version 3; nothing was written | an earlier rotation may be under way: watch it arrive"},
		{"no Client in Aidbox", rotating(func(s *fixture) { s.valid = "x" }), updated, StatusFail, "Client/basic, with the old value: GET /fhir/Patient answered 401; nothing was written | the Client may be missing"},
		{"no Aidbox", rotating(func(s *fixture) { unreachable(nil, s) }), updated, StatusUnknown, "connection refused; nothing was written"},
		{"sick Aidbox", rotating(func(s *fixture) { s.w.Health = func(context.Context) error { return errUnreachable } }), updated, StatusUnknown, "aidbox: connection refused; nothing was written"},
		{"wrong path", rotating(func(s *fixture) { always(404, "")(nil, s) }), updated, StatusFail, "answered 404: which says nothing about the secret; nothing was written | set aidbox.probe"},
		{"dry run", rotating(func(s *fixture) {
			s.o.Rotation.DryRun, s.w.Put, s.o.Selected = true, nil, []string{"rotation/store-updated"}
		}), updated, StatusPass, "dry run: would write a new version of"},
		{"dry run names the replicas", rotating(func(s *fixture) {
			s.o.Rotation.DryRun, s.w.Put, s.o.Selected = true, nil, []string{"rotation/store-updated"}
		}), updated, StatusPass, "after 3; it would reach local within 1m0s; Client/basic would show whether Aidbox accepts it; nothing was written"},
		{"dry run without following", rotating(func(s *fixture) {
			s.o.Rotation.DryRun, s.o.Rotation.WriteOnly, s.w.Put, s.o.Selected = true, true, nil, []string{"rotation/store-updated"}
		}), updated, StatusPass, "and follow nothing; nothing was written"},
		{"followed", following(nil), updated, StatusPass, "version 3 is the newest; nothing was written"},
		{"followed, and nothing there", following(func(_ *testing.T, s *fixture) { clear(s.store) }), updated, StatusUnknown, "file does not exist"},

		{"done", ok, mounted, StatusPass, "local 0s after the write"},
		{"followed", following(nil), mounted, StatusPass, "local 0s after the start"},
		{"followed from the old value", following(func(t *testing.T, s *fixture) {
			s.publish(t, map[string]string{"client-secret": canary}, time.Now().Add(time.Second))
		}), mounted, StatusFail, "local: still the old value, 1m0s after the start"},
		{"conflict", rotating(func(s *fixture) {
			s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
				var reads atomic.Int32
				s.w.Stored = func(ctx context.Context, c config.Secret) (secret.Value, string, error) {
					if reads.Add(1) < 2 {
						return s.stored(ctx, c)
					}
					return value("x"), "5", nil
				}
				return s.put(ctx, c, v)
			}
		}), mounted, StatusFail, "version 5, which somebody else wrote, replaced version 4"},
		{"never", rotating(func(s *fixture) { s.w.Put = s.put }), mounted, StatusFail, "requiresRepublish"},
		{"never, and no driver", func(t *testing.T, s *fixture) {
			rotating(func(s *fixture) { s.w.Put = s.put })(t, s)
			must(t, os.RemoveAll(s.local.Dir))
			testenv.Mkdir(t, s.local.Dir)
			write(t, s.file("client-secret"), canary)
		}, mounted, StatusFail, "still the old value"},
		{"never, and no file", rotating(func(s *fixture) {
			s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
				_ = os.RemoveAll(s.local.Dir)
				return s.put(ctx, c, v)
			}
		}), mounted, StatusFail, "does not exist | mount the volume here"},
		{"no mount", rotating(func(s *fixture) { s.inPods = true }), updated, StatusUnknown, "nothing would show the rotation; nothing was written"},
		{"denied", noPut, mounted, StatusSkip, "skipped: rotation/store-updated is unknown"},

		{"done", ok, accepted, StatusPass, "Client/basic: GET /fhir/Patient answered 200, 0s after the write"},
		{"done, no policy", rotating(func(s *fixture) { always(403, "")(nil, s) }), accepted, StatusPass, "answered 403"},
		{"wrong path", written(always(404, "")), accepted, StatusFail, "aidbox.probe"},
		{"by token", rotating(func(s *fixture) { grants("client_credentials")(nil, s) }), accepted, StatusPass, "POST /auth/token answered 200"},
		{"new value refused", written(always(401, "")), accepted, StatusFail, "answered 401 to the new value, 1m30s after the write"},
		{"no answer", written(unreachable), accepted, StatusUnknown, "connection refused"},
		{"followed", following(nil), accepted, StatusPass, "answered 200, 0s after the start"},
		{"no Client", noClient, accepted, StatusSkip, "no Client of the config uses client-secret"},

		{"done", ok, rejected, StatusPass, "Client/basic: GET /fhir/Patient answered 401, 0s after the write"},
		{"old value accepted", rotating(func(s *fixture) { always(200, "")(nil, s) }), rejected, StatusFail, "still ACCEPTED: Client/basic: GET /fhir/Patient answered 200, 1m30s after the write"},
		{"no answer to the old value", rotating(func(s *fixture) {
			probing(func(s *fixture, id string, v secret.Value) (int, string, error) {
				if status := s.status(id, v); status == 200 {
					return status, "", nil
				}
				return 502, "", nil
			})(nil, s)
		}), rejected, StatusUnknown, "answered 502"},
		{"followed", following(nil), rejected, StatusPass, "answered 401, 0s after the start"},
		{"followed, and the value before is gone", following(func(_ *testing.T, s *fixture) { s.before = "" }), rejected, StatusSkip, "the value before is not known"},
		{"no Client", noClient, rejected, StatusSkip, "skipped: rotation/new-accepted was skipped"},

		{"done", ok, restart, StatusPass, "health checks, no restart seen"},
		{"denied", noPut, restart, StatusSkip, "nothing was written"},
		{"down", rotating(func(s *fixture) {
			asked := 0
			s.w.Health = func(context.Context) error {
				if asked++; asked == 1 {
					return nil
				}
				return errUnreachable
			}
		}), restart, StatusFail, "UTC, "},

		{"none", nil, "rotation/store-updated aidbox", StatusSkip, "no secret to rotate | set canary: true"},
		{"none", nil, "rotation/mounted aidbox", StatusSkip, "skipped: rotation/store-updated was skipped"},
		{"none", nil, "rotation/no-restart aidbox", StatusSkip, "no secret to rotate | set canary: true"},
	}
}

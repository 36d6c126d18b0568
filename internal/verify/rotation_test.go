package verify

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/test/testenv"
)

// rotated is the new value.
const rotated = "rotated-2d8e6b4f0a/+?"

// rotating makes the fixture a rotation whose value arrives at once.
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

// written is rotating where something changes once the new value is written.
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

// following makes the fixture a rotation that somebody else has written.
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
		{"first value", rotating(func(s *fixture) { clear(s.store) }), updated, StatusPass, "version 4, was none"},
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

		{"overtaken at once", rotating(func(s *fixture) {
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
		{"no Client in Aidbox", rotating(func(s *fixture) { s.valid = "x" }), updated, StatusFail, "Client/basic, with the value that is to be replaced: GET /fhir/Patient answered 401; nothing was written | the Client may be missing"},
		{"no Aidbox", rotating(func(s *fixture) { unreachable(nil, s) }), updated, StatusUnknown, "connection refused; nothing was written"},
		{"sick Aidbox", rotating(func(s *fixture) { s.w.Health = func(context.Context) error { return errUnreachable } }), updated, StatusUnknown, "aidbox: connection refused; nothing was written"},
		{"wrong path", rotating(func(s *fixture) { always(404, "")(nil, s) }), updated, StatusFail, "answered 404; nothing was written | set aidbox.probe"},
		{"dry run", rotating(func(s *fixture) {
			s.o.Rotation.DryRun, s.w.Put, s.o.Groups = true, nil, []string{"rotation/store-updated"}
		}), updated, StatusPass, "dry run: would write a new version of"},
		{"dry run, and whom it reaches", rotating(func(s *fixture) {
			s.o.Rotation.DryRun, s.w.Put, s.o.Groups = true, nil, []string{"rotation/store-updated"}
		}), updated, StatusPass, "after 3; it would reach local within 1m0s; Client/basic would show whether Aidbox accepts it; nothing was written"},
		{"dry run without following", rotating(func(s *fixture) {
			s.o.Rotation.DryRun, s.o.Rotation.WriteOnly, s.w.Put, s.o.Groups = true, true, nil, []string{"rotation/store-updated"}
		}), updated, StatusPass, "and follow nothing; nothing was written"},
		{"followed", following(nil), updated, StatusPass, "version 3 is the newest; nothing was written"},
		{"followed, and nothing there", following(func(_ *testing.T, s *fixture) { clear(s.store) }), updated, StatusUnknown, "file does not exist"},

		{"done", ok, mounted, StatusPass, "local 0s after the write"},
		{"followed", following(nil), mounted, StatusPass, "local 0s after the start"},
		{"followed from the old value", following(func(t *testing.T, s *fixture) {
			s.publish(t, map[string]string{"client-secret": canary}, time.Now().Add(time.Second))
		}), mounted, StatusFail, "local: still the old value, 1m0s after the start"},
		{"overtaken", rotating(func(s *fixture) {
			s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
				reads := 0
				s.w.Stored = func(ctx context.Context, c config.Secret) (secret.Value, string, error) {
					if reads++; reads < 2 {
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
		}), mounted, StatusFail, "does not exist; mount the volume here"},
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
		{"no old value", rotating(func(s *fixture) { clear(s.store) }), rejected, StatusSkip, "no value before"},
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

// slow makes a fixture in a bubble where the file follows the store after mount,
// and Aidbox follows the file after cache.
func slow(t *testing.T, mount, cache time.Duration) *fixture {
	s := newFixture(t)
	s.o.Groups = []string{"rotation"}
	s.o.Rotation = &Rotation{Secret: "client-secret", New: value(rotated)}
	var written time.Time
	s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
		written = time.Now()
		time.AfterFunc(mount, func() { s.publish(t, map[string]string{"client-secret": rotated}, time.Now()) })
		return s.put(ctx, c, v)
	}
	probing(func(s *fixture, id string, v secret.Value) (int, string, error) {
		if s.valid = canary; !written.IsZero() && time.Since(written) >= mount+cache {
			s.valid = rotated
		}
		return s.status(id, v), "", nil
	})(t, s)
	return s
}

// expect compares the statuses of the rotation checks, in order.
func expect(t *testing.T, report DeliveryReport, want ...Status) {
	t.Helper()
	var got []Status
	for _, r := range report.Checks {
		got = append(got, r.Status)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v\n%+v", got, want, report.Checks)
	}
}

func TestRotationIsFollowedUntilItArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slow(t, 70100*time.Millisecond, 5*time.Second)
		results, report, err := s.run(t.Context())
		must(t, err)
		expect(t, report, StatusPass, StatusPass, StatusPass, StatusPass, StatusPass)
		for key, says := range map[string]string{
			"rotation/mounted client-secret":      "local 1m10.2s after the write",
			"rotation/new-accepted client-secret": "answered 200, 1m15.2s after the write",
			"rotation/old-rejected client-secret": "answered 401, 1m15.2s after the write",
			"rotation/no-restart client-secret":   "answered 77 of 77 health checks",
		} {
			if !strings.Contains(results[key].Detail, says) {
				t.Errorf("%s: got %q, want %q", key, results[key].Detail, says)
			}
		}
		if got := results["rotation/mounted client-secret"].Duration; got != 70200*time.Millisecond {
			t.Errorf("took %v", got)
		}
		if want := "rotation/mounted client-secret 4m0s"; !slices.Contains(s.told, want) {
			t.Errorf("nobody was told %q: %q", want, s.told)
		}
		secretless(t, s, report)
	})
}

func TestRotationThatNeverArrivesFailsAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slow(t, time.Hour, 0)
		s.o.Rotation.Deadline = 90100 * time.Millisecond
		start := time.Now()
		results, report, err := s.run(t.Context())
		must(t, err)
		expect(t, report, StatusPass, StatusFail, StatusSkip, StatusSkip, StatusPass)
		if took := time.Since(start); took != 90100*time.Millisecond {
			t.Errorf("took %v", took)
		}
		if last := report.Timeline[len(report.Timeline)-1]; last != (Moment{"local", "not in time: file changed", s.o.Rotation.Deadline}) || report.DeadlineMS != 90100 {
			t.Errorf("deadline %d ms, and last of all %+v", report.DeadlineMS, last)
		}
		got := results["rotation/mounted client-secret"]
		if got.Detail != "local: still the old value, 1m30.1s after the write" || !strings.Contains(got.Hint, "--enable-secret-rotation") {
			t.Errorf("got %+v", got)
		}
	})
}

func TestMountedValueCountsAtTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slow(t, defaultDeadline-time.Millisecond, 0)
		_, report, err := s.run(t.Context())
		must(t, err)
		expect(t, report, StatusPass, StatusPass, StatusPass, StatusPass, StatusPass)
	})
}

func TestInterruptedRotationLeavesAReport(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(context.Context) (context.Context, context.CancelFunc)
		err  error
		says string
	}{
		{"interrupted", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(30*time.Second, cancel)
			return ctx, cancel
		}, context.Canceled, "interrupted"},
		{"timeout", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 30*time.Second)
		}, context.DeadlineExceeded, "timed out"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := slow(t, time.Hour, 0)
				running := 0
				s.w.Health = func(context.Context) error {
					running++
					time.Sleep(700 * time.Millisecond) //nolint:forbidigo // deaf to the context on purpose
					running--
					return nil
				}
				ctx, cancel := tt.end(t.Context())
				defer cancel()
				results, report, err := s.run(ctx)
				if running != 0 {
					t.Error("left a health check running")
				}
				if !errors.Is(err, tt.err) {
					t.Errorf("got error %v", err)
				}
				expect(t, report, StatusPass, StatusUnknown, StatusUnknown, StatusUnknown, StatusUnknown)
				if got := results["rotation/mounted client-secret"].Detail; got != tt.says+": version 4 is in the store, 29.3s after the write; not seen yet in local, which may still have version 3" {
					t.Errorf("got %q", got)
				}
				if got := results["rotation/no-restart client-secret"].Detail; got != tt.says+" before running" {
					t.Errorf("got %q", got)
				}
			})
		})
	}
}

func TestShortDeadlineKeepsTheWaitForAidboxShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slow(t, time.Second, time.Hour)
		s.o.Rotation.Deadline = 2 * time.Second
		start := time.Now()
		_, report, err := s.run(t.Context())
		must(t, err)
		expect(t, report, StatusPass, StatusPass, StatusFail, StatusSkip, StatusPass)
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

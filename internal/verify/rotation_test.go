package verify

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// slow is a fixture in a synctest bubble: the file follows the store after mount,
// and Aidbox follows the file after cache.
func slow(t *testing.T, mount, cache time.Duration) *fixture {
	s := newFixture(t)
	s.o.Selected = []string{"rotation"}
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
			"rotation/new-accepted client-secret": "answered 200, 1m15.4s after the write",
			"rotation/old-rejected client-secret": "answered 401, 1m15.4s after the write",
			"rotation/no-restart client-secret":   "answered 77 of 77 health checks",
		} {
			if !strings.Contains(results[key].Detail, says) {
				t.Errorf("%s: got %q, want %q", key, results[key].Detail, says)
			}
		}
		if got := results["rotation/mounted client-secret"].Duration(); got != 70200*time.Millisecond {
			t.Errorf("took %v", got)
		}
		if want := "rotation/mounted client-secret 4m0s"; !slices.Contains(s.progress, want) {
			t.Errorf("no progress %q: %q", want, s.progress)
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
		if last := report.Timeline[len(report.Timeline)-1]; last != (Moment{"client-secret", "local", "not in time: file changed", 90100, s.o.Rotation.Deadline}) || report.DeadlineMS != 90100 {
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
			ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
			return unannounced{ctx}, cancel
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

// unannounced is a context that does not say when it ends.
type unannounced struct{ context.Context } //nolint:containedctx // it is one

func (unannounced) Deadline() (end time.Time, ok bool) { return end, false }

func TestNothingIsWrittenIfTheTimeIsTooShort(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*fixture)
		want   Status
	}{
		{"to see it arrive", func(*fixture) {}, StatusUnknown},
		{"in a dry run", func(s *fixture) { s.o.Rotation.DryRun = true }, StatusUnknown},
		{"unless the deadline is shorter", func(s *fixture) { s.o.Rotation.Deadline = 30 * time.Second }, StatusPass},
		{"unless nothing is followed", func(s *fixture) { s.o.Rotation.WriteOnly = true }, StatusPass},
		{"unless nothing is written", func(s *fixture) { s.o.Rotation.Follow = true }, StatusPass},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := slow(t, time.Second, 0)
				tt.change(s)
				s.o.Selected = []string{"rotation/store-updated"}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				results, report, err := s.run(ctx)
				must(t, err)
				expect(t, report, tt.want)
				got := results["rotation/store-updated client-secret"]
				const says = "the new value may take 4m30s to arrive, and --timeout leaves 2m0s; nothing was written"
				if tt.want == StatusUnknown && (got.Detail != says || s.version != 3) {
					t.Errorf("version %d: %q", s.version, got.Detail)
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

// A file may change between the last look of its follower and the one that explains.
func TestLateFileSaysWhatItHas(t *testing.T) {
	s := newFixture(t)
	r := newRun(t.Context(), s.d, s.w.dependencies(s.d), s.o)
	r.rotation.secret, r.rotation.value, r.rotation.old = s.d.Secrets[0], value(rotated), value(canary)
	for i, tt := range [][2]string{{canary, "still the old value"}, {rotated, "the new value, too late"}, {"x", "another value"}} {
		s.publish(t, map[string]string{"client-secret": tt[0]}, time.Now().Add(time.Duration(i)*time.Hour))
		if got := r.content(t.Context(), s.local.mount(s.d)); got != tt[1] {
			t.Errorf("got %q, want %q", got, tt[1])
		}
	}
}

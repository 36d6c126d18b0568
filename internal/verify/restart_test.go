package verify

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestGapInHealthIsARestart(t *testing.T) {
	for name, hang := range map[string]bool{"refused": false, "hangs": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := slow(t, 60*time.Second, 0)
				start := time.Now()
				s.w.Health = func(ctx context.Context) error {
					if at := time.Since(start); at < 20*time.Second || at > 23*time.Second {
						return nil
					}
					if hang {
						<-ctx.Done()
						return ctx.Err()
					}
					return errUnreachable
				}
				results, report, err := s.run(t.Context())
				must(t, err)
				expect(t, report, StatusPass, StatusPass, StatusPass, StatusPass, StatusFail)
				got := results["rotation/no-restart client-secret"].Detail
				if !strings.Contains(got, "UTC, 20s after the write: ") || !strings.Contains(got, " of ") {
					t.Errorf("got %q", got)
				}
			})
		})
	}
}

func TestHealthCheckThatTheEndCutsShortDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slow(t, 10*time.Second, 0)
		s.w.Health = func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(700 * time.Millisecond):
				return nil
			}
		}
		_, report, err := s.run(t.Context())
		must(t, err)
		expect(t, report, StatusPass, StatusPass, StatusPass, StatusPass, StatusPass)
	})
}

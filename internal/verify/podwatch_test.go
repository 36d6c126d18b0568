package verify

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

func TestNudgedPodsAreSyncedAtOnce(t *testing.T) {
	_, s := rotationInPods(t, func(w *fakeCluster, s *fixture) {
		s.o.Rotation.Nudge, s.o.Rotation.Deadline = true, 20*time.Second
		s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.onNudge = func(pod string) { w.mount(t, pod) } // as kubelet does, which is otherwise asleep
			s.valid = rotated
			return s.put(ctx, c, v)
		}
	})
	results, report, err := s.run(t.Context())
	must(t, err)
	expect(t, report, StatusPass, StatusPass, StatusPass, StatusPass, StatusPass)
	if got := results["rotation/mounted client-secret"].Detail; !strings.Contains(got, "the pods were annotated") {
		t.Errorf("got %q", got)
	}
	for _, pod := range []string{"pod/a", "pod/b"} {
		nudged := slices.IndexFunc(report.Timeline, func(m Moment) bool { return m.Replica == pod && m.What == momentNudged })
		changed := slices.IndexFunc(report.Timeline, func(m Moment) bool { return m.Replica == pod && m.What == momentFile })
		if nudged < 0 || changed < 0 {
			t.Errorf("%s: %+v", pod, report.Timeline)
		}
	}
}

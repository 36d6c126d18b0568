package verify

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// The driver's status of a pod is deleted with it, which a rollout may do between the look
// into the pod and the list of the statuses.
func TestStatusThatIsGoneWithItsPodIsNoFailure(t *testing.T) {
	for name, replace := range map[string]func(*fakeCluster){
		"of a Deployment":  func(w *fakeCluster) { w.remove("b") },
		"of a StatefulSet": func(w *fakeCluster) { w.pods[1].UID = "uid-new" }, // with the same name
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t)
			w := newFakeCluster(t, s)
			s.inPods, s.o.Selected = true, []string{"mount"}
			stored := s.w.Stored
			s.w.Stored = func(ctx context.Context, c config.Secret) (secret.Value, string, error) {
				replace(w)
				w.statuses[1].OwnerReferences[0].UID = "uid-new"
				w.addPod(t, s, "c")
				return stored(ctx, c)
			}
			results, report, err := s.run(t.Context())
			must(t, err)
			if got := results["mount/status client-secret pod/b"]; name == "of a Deployment" && got.Status != StatusSkip {
				t.Errorf("%s, %q | %s", got.Status, got.Detail, got.Hint)
			}
			for _, r := range report.Checks {
				if r.Status == StatusFail || r.Status == StatusUnknown {
					t.Errorf("%s %s: %s, %q | %s", r.ID, r.Subject, r.Status, r.Detail, r.Hint)
				}
			}
			if got := results["mount/status client-secret pod/c"]; got.Status != StatusPass {
				t.Errorf("%s, %q", got.Status, got.Detail)
			}
		})
	}
}

// Without a rotation, the check would ask nothing, and exit with 0.
func TestNoRestartAloneRotates(t *testing.T) {
	_, s := rotationInPods(t, nil)
	s.o.Selected = []string{"rotation/no-restart"}
	_, report, err := s.run(t.Context())
	must(t, err)
	expect(t, report, StatusPass, StatusPass, StatusPass, StatusPass, StatusPass)
}

// After a large scale-up, one look after the other would take long.
func TestPodsThatCameAreLookedIntoAtTheSameTime(t *testing.T) {
	w, s := rotationInPods(t, nil)
	s.o.Parallel = 4
	put := s.w.Put
	s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
		w.mu.Lock()
		for i := range 6 {
			w.addPod(t, s, fmt.Sprint("new", i))
		}
		w.mu.Unlock()
		return put(ctx, c, v)
	}
	var looks, most atomic.Int32
	w.onExec = func(pod string) (int, bool) {
		if strings.HasPrefix(pod, "new") {
			most.Store(max(most.Load(), looks.Add(1)))
			<-time.After(200 * time.Millisecond)
			looks.Add(-1)
		}
		return 0, false
	}
	results, _, err := s.run(t.Context())
	must(t, err)
	got := results["rotation/mounted client-secret"]
	if n := strings.Count(got.Detail, "was added during the rotation, and has another value"); got.Status != StatusUnknown || n != 6 {
		t.Errorf("%+v", got)
	}
	if most.Load() < 2 || most.Load() > 4 {
		t.Errorf("%d looks at the same time", most.Load())
	}
}

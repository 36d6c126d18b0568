package verify

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

func TestRotationWithoutTheRightToLookIsUnknown(t *testing.T) {
	_, s := rotationInPods(t, func(w *fakeCluster, _ *fixture) { w.refuse = "/exec" })
	results, report, err := s.run(t.Context())
	must(t, err)
	expect(t, report, StatusPass, StatusUnknown, StatusPass, StatusPass, StatusPass)
	got := results["rotation/mounted client-secret"]
	if !strings.Contains(got.Detail, "forbidden") || !strings.Contains(got.Hint, "docs/rbac.md") {
		t.Errorf("%+v", got)
	}
	s.d.Resources, s.version, s.store["client-secret"] = nil, 3, canary // then nothing would show it
	results, _, err = s.run(t.Context())
	must(t, err)
	if got := results["rotation/store-updated client-secret"]; got.Status != StatusUnknown || !strings.Contains(got.Detail, "nothing was written") || s.version != 3 {
		t.Errorf("version %d, %+v", s.version, got)
	}
}

func TestAidboxURLIsUsedIfPodsCannotBeReached(t *testing.T) {
	_, s := rotationInPods(t, func(_ *fakeCluster, s *fixture) {
		s.w.ProbeAt = func(context.Context, cluster.Pod, string, string, secret.Value) (int, string, error) {
			return 0, "", &cluster.ForbiddenError{}
		}
	})
	results, report, err := s.run(t.Context())
	must(t, err)
	expect(t, report, StatusPass, StatusPass, StatusPass, StatusPass, StatusPass)
	if got := results["rotation/new-accepted client-secret"].Detail; strings.Contains(got, "pod/") {
		t.Errorf("got %q", got)
	}
}

func TestNothingIsWrittenIfOnePodCannotBeReached(t *testing.T) {
	_, s := rotationInPods(t, func(_ *fakeCluster, s *fixture) {
		s.w.ProbeAt = func(_ context.Context, p cluster.Pod, _, id string, v secret.Value) (int, string, error) {
			if p.Name == "b" {
				return 0, "", &cluster.ForbiddenError{Verb: "create", Resource: "pods/portforward", Namespace: "default"}
			}
			return s.status(id, v), "", nil
		}
	})
	began := time.Now()
	results, _, err := s.run(t.Context())
	must(t, err)
	got := results["rotation/store-updated client-secret"]
	if got.Status != StatusUnknown || !strings.Contains(got.Detail, "pod/b: ") || !strings.Contains(got.Detail, "nothing was written") ||
		!strings.Contains(got.Hint, "pods/portforward") || s.version != 3 {
		t.Errorf("version %d, %+v", s.version, got)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestRotationSaysThatPodsMayNotBeAnnotated(t *testing.T) {
	_, s := rotationInPods(t, func(w *fakeCluster, s *fixture) {
		s.o.Rotation.Nudge, w.refuse = true, "PATCH "
		var later sync.WaitGroup
		t.Cleanup(later.Wait)
		s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
			s.valid = rotated
			later.Go(func() {
				<-time.After(300 * time.Millisecond) // not before the pods would be annotated
				w.mount(t, "a")
				w.mount(t, "b")
			})
			return s.put(ctx, c, v)
		}
	})
	results, report, err := s.run(t.Context())
	must(t, err)
	expect(t, report, StatusPass, StatusWarn, StatusPass, StatusPass, StatusPass)
	if got := results["rotation/mounted client-secret"]; !strings.Contains(got.Detail, "could not be annotated") || !strings.Contains(got.Hint, "docs/rbac.md") {
		t.Errorf("%+v", got)
	}
}

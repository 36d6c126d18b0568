package verify

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// proxy is the status of a native sidecar, an init container that goes on running.
func proxy(restarts int32) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "proxy", RestartCount: restarts, Started: new(true), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
}

func TestRestartDuringARotationIsSeen(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*fakeCluster)
		says   string
	}{
		"restarted":        {func(w *fakeCluster) { w.pods[1].Status.ContainerStatuses[0].RestartCount++ }, "container app of pod/b was restarted: 1 restarts, before 0"},
		"a native sidecar": {func(w *fakeCluster) { w.pods[1].Status.InitContainerStatuses = []corev1.ContainerStatus{proxy(1)} }, "container proxy of pod/b was restarted: 1 restarts, before 0"},
		"replaced":         {func(w *fakeCluster) { w.pods = w.pods[:1] }, "pod/b is gone"},
		"deleted":          {func(w *fakeCluster) { w.fixed["/apis/apps/v1/namespaces/default/deployments/aidbox"] = notFound }, "Deployment aidbox was deleted meanwhile"},
		"going away":       {func(w *fakeCluster) { w.pods[1].DeletionTimestamp = &w.pods[1].CreationTimestamp }, "pod/b is terminating"},
	} {
		t.Run(name, func(t *testing.T) {
			_, s := rotationInPods(t, func(w *fakeCluster, s *fixture) {
				w.pods[1].Status.InitContainerStatuses = []corev1.ContainerStatus{proxy(0)}
				put := s.w.Put
				s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
					defer func() {
						w.mu.Lock()
						defer w.mu.Unlock()
						tt.change(w)
					}()
					return put(ctx, c, v)
				}
			})
			results, _, err := s.run(t.Context())
			must(t, err)
			if got := results["rotation/no-restart client-secret"]; got.Status != StatusFail || !strings.Contains(got.Detail, tt.says) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestNothingIsProvedWhereEveryPodWasReplaced(t *testing.T) {
	w, s := rotationInPods(t, nil)
	s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
		w.remove("a")
		w.remove("b")
		return s.put(ctx, c, v)
	}
	s.o.Rotation.Deadline = 20 * time.Second
	results, _, err := s.run(t.Context())
	must(t, err)
	for _, id := range []string{"rotation/mounted", "rotation/new-accepted", "rotation/old-rejected"} {
		if r := results[id+" client-secret"]; r.Status == StatusPass || r.Status == StatusWarn {
			t.Errorf("%s: %+v", id, r)
		}
	}
}

func TestPodThatCameDuringARotationIsComparedWithTheNewValue(t *testing.T) {
	w, s := rotationInPods(t, nil)
	s.o.Selected = []string{"mount", "rotation"}
	put := s.w.Put
	s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
		version, err := put(ctx, c, v)
		w.remove("b")
		w.mu.Lock()
		defer w.mu.Unlock()
		w.addPod(t, s, "c")
		return version, err
	}
	s.o.Rotation.Deadline = 20 * time.Second
	results, _, err := s.run(t.Context())
	must(t, err)
	if r := results["mount/matches-store client-secret pod/c"]; r.Status != StatusPass {
		t.Errorf("%+v", r)
	}
}

// TestPodsThatGoAwayAreCountedInOrder is for the race detector.
func TestPodsThatGoAwayAreCountedInOrder(t *testing.T) {
	for i := range 12 {
		w, s := rotationInPods(t, nil)
		s.o.Selected = []string{"mount", "rotation"}
		wrote := make(chan struct{})
		s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
			version, err := s.put(ctx, c, v)
			close(wrote)
			w.cutShort("b")
			return version, err
		}
		stored := s.w.Stored
		s.w.Stored = func(ctx context.Context, c config.Secret) (secret.Value, string, error) {
			select {
			case <-wrote:
				<-time.After(time.Duration(i) * 3 * time.Millisecond)
				return secret.Value{}, "", errUnreachable
			default:
			}
			return stored(ctx, c)
		}
		w.onExec = func(pod string) (int, bool) {
			select {
			case <-wrote:
				if pod == "b" {
					w.remove("b")
					return 1, true
				}
			default:
			}
			return 0, false
		}
		s.o.Rotation.Deadline = 3 * time.Second
		if _, _, err := s.run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

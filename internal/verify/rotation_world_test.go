package verify

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// TestRotationInAClusterThatChanges has what autoscalers, evictions and lagging servers do
// during a rotation.
func TestRotationInAClusterThatChanges(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*testing.T, *fakeCluster, *fixture)
		want   map[string]string // the status and a part of the detail, by check
	}{
		"subPath": {keepsFirstValue, map[string]string{"rotation/store-updated": "fail pod/a: does not go through ..data, so it keeps its first value; nothing was written"}},
		"a SecretProviderClass of an earlier name": {mountsEarlierClass, map[string]string{"rotation/store-updated": "fail pod/a: the driver has no SecretProviderClassPodStatus of this pod: file does not exist; nothing was written"}},
		"a store that lags behind":                 {lagsBehind, map[string]string{"rotation/store-updated": "warn version 4, was 3, which the store still returns", "rotation/mounted": "pass ", "rotation/new-accepted": "pass "}},
		"a pod comes before the write": {afterWrite(func(w *fakeCluster, s *fixture) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.addPod(t, s, "c")
		}), map[string]string{"rotation/mounted": "unknown pod/c was added during the rotation, and has another value", "rotation/new-accepted": "pass "}},
		"a pod is evicted": {afterWrite(func(w *fakeCluster, _ *fixture) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.pods[1].Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted"}
			w.cut["b"]()
		}), map[string]string{"rotation/mounted": "pass pod/b was replaced meanwhile", "rotation/no-restart": "fail pod/b has ended"}},
		"the Deployment is scaled down": {afterWrite(func(w *fakeCluster, _ *fixture) {
			w.mu.Lock()
			w.deployment.Spec.Replicas = new(int32(1))
			w.mu.Unlock()
			w.remove("b")
		}), map[string]string{"rotation/mounted": "pass ", "rotation/no-restart": "pass deployment/aidbox was scaled down: pod/b is gone"}},
		"one answer that is not Aidbox's": {oneOddAnswer, map[string]string{"rotation/new-accepted": "pass "}},
	} {
		t.Run(name, func(t *testing.T) {
			w, s := rotationInPods(t, nil)
			s.o.Rotation.Deadline = 5 * time.Second
			c.change(t, w, s)
			results, _, err := s.run(t.Context())
			must(t, err)
			for check, want := range c.want {
				got := results[check+" client-secret"]
				status, detail, _ := strings.Cut(want, " ")
				if string(got.Status) != status || !strings.Contains(got.Detail, detail) {
					t.Errorf("%s: %s, %q; want %s", check, got.Status, got.Detail, want)
				}
				if strings.Contains(want, "nothing was written") && s.version != 3 {
					t.Errorf("version %d was written", s.version)
				}
			}
		})
	}
}

// afterWrite has the pods mount the new value, and something else happen.
func afterWrite(then func(*fakeCluster, *fixture)) func(*testing.T, *fakeCluster, *fixture) {
	return func(_ *testing.T, w *fakeCluster, s *fixture) {
		put := s.w.Put
		s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
			then(w, s)
			return put(ctx, c, v)
		}
	}
}

func keepsFirstValue(t *testing.T, w *fakeCluster, _ *fixture) {
	for i, pod := range []string{"a", "b"} {
		dir := w.roots[pod].local.Dir
		must(t, os.RemoveAll(dir))
		must(t, os.Mkdir(dir, 0o755))
		write(t, filepath.Join(dir, "client-secret"), canary)
		mount := &w.pods[i].Spec.Containers[1].VolumeMounts[0]
		mount.SubPath, mount.MountPath = "client-secret", "/run/vault-secrets/client-secret"
	}
}

func mountsEarlierClass(_ *testing.T, w *fakeCluster, _ *fixture) {
	for i := range w.pods {
		w.pods[i].Spec.Volumes[0].CSI.VolumeAttributes["secretProviderClass"] = "earlier-vault-secrets"
		w.statuses[i].Status.SecretProviderClassName = "earlier-vault-secrets"
	}
}

func lagsBehind(_ *testing.T, _ *fakeCluster, s *fixture) {
	put := s.w.Put
	s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
		version, err := put(ctx, c, v)
		caughtUp := time.Now().Add(200 * time.Millisecond)
		s.w.Stored = func(ctx context.Context, c config.Secret) (secret.Value, string, error) {
			if time.Now().Before(caughtUp) {
				return value(canary), "3", nil
			}
			return s.stored(ctx, c)
		}
		return version, err
	}
}

func oneOddAnswer(_ *testing.T, _ *fakeCluster, s *fixture) {
	s.w.ProbeAt, s.w.TokenAt = nil, nil
	put, probe, left := s.w.Put, s.w.Probe, 0
	s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
		left = 1
		return put(ctx, c, v)
	}
	s.w.Probe = func(ctx context.Context, path, id string, v secret.Value) (int, string, error) {
		if left--; left == 0 {
			return 404, "", nil
		}
		return probe(ctx, path, id, v)
	}
}

func TestOneCheckOfAMountAlsoLooksIntoTheNewPod(t *testing.T) {
	s := newFixture(t)
	w := newFakeCluster(t, s)
	s.inPods, s.o.Selected = true, []string{"mount/matches-store"}
	w.pods = w.pods[:1]
	w.onExec = func(pod string) (int, bool) {
		if pod != "a" {
			return 0, false
		}
		w.remove("a")
		w.mu.Lock()
		defer w.mu.Unlock()
		w.addPod(t, s, "c")
		write(t, filepath.Join(w.roots["c"].local.Dir, "..data/client-secret"), "old")
		return 1, true
	}
	results, _, err := s.run(t.Context())
	must(t, err)
	if got := results["mount/matches-store client-secret pod/c"]; got.Status != StatusFail {
		t.Errorf("%s, %q", got.Status, got.Detail)
	}
}

func TestSingleCheckOfNothingDoesNotPass(t *testing.T) {
	for check, want := range map[string]Status{"mount/status": StatusFail, "mount/vault-config": StatusUnknown} {
		t.Run(check, func(t *testing.T) {
			s := newFixture(t)
			w := newFakeCluster(t, s)
			s.inPods, s.o.Selected = true, []string{check}
			w.pods, w.deployment.Spec.Replicas = nil, new(int32)
			results, report, err := s.run(t.Context())
			must(t, err)
			if !slices.ContainsFunc(report.Checks, func(r Result) bool { return r.Status == want }) {
				t.Errorf("%+v", results)
			}
		})
	}
}

// An API server that lists a pod, and then does not have it, must not turn a check into one
// that passes.
func TestPodThatIsListedAndGoneIsUnknown(t *testing.T) {
	s := newFixture(t)
	w := newFakeCluster(t, s)
	s.inPods, s.o.Selected = true, []string{"mount"}
	w.pods = w.pods[:1]
	w.onExec = func(string) (int, bool) { return 1, true }
	w.fixed = api{core + "pods/a": notFound}
	results, _, err := s.run(t.Context())
	must(t, err)
	if got := results["mount/present client-secret pod/a"]; got.Status != StatusUnknown {
		t.Errorf("%s, %q", got.Status, got.Detail)
	}
}

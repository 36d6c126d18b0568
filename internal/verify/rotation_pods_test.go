package verify

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// rotationInPods is a rotation on pods that get the new value at once.
func rotationInPods(t *testing.T, setup func(w *fakeCluster, s *fixture)) (*fakeCluster, *fixture) {
	t.Helper()
	s := newFixture(t)
	w := newFakeCluster(t, s)
	s.inPods, s.o.Selected = true, []string{"rotation"}
	s.o.Rotation = &Rotation{Secret: "client-secret", New: value(rotated)}
	s.w.LogIn = func(ctx context.Context, jwt secret.Value) (store.Session, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.noLogin {
			return refusedLogin(ctx, jwt)
		}
		return &session{s: s}, nil
	}
	s.w.ProbeAt = func(ctx context.Context, _ cluster.Pod, path, id string, v secret.Value) (int, string, error) {
		return s.w.Probe(ctx, path, id, v)
	}
	s.w.TokenAt = func(ctx context.Context, _ cluster.Pod, id string, v secret.Value) (int, string, error) {
		return s.w.Token(ctx, id, v)
	}
	s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
		version, err := s.put(ctx, c, v)
		s.valid = rotated
		for _, pod := range []string{"a", "b"} {
			w.mount(t, pod)
		}
		return version, err
	}
	if setup != nil {
		setup(w, s)
	}
	return w, s
}

// mount has the driver mount the new value and update its status.
func (w *fakeCluster) mount(t *testing.T, pod string) {
	w.roots[pod].publish(t, map[string]string{"client-secret": rotated}, time.Now())
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, st := range w.statuses {
		if st.Status.PodName == pod {
			w.statuses[i].Status.Objects[0].Version = "2"
		}
	}
}

func TestRotationIsFollowedInEachPod(t *testing.T) {
	_, s := rotationInPods(t, nil)
	results, report, err := s.run(t.Context())
	must(t, err)
	expect(t, report, StatusPass, StatusPass, StatusPass, StatusPass, StatusPass)
	for key, says := range map[string]string{
		"rotation/store-updated client-secret": "driver 1.6.0, DaemonSet kube-system/csi, runs with --enable-secret-rotation=true",
		"rotation/mounted client-secret":       "the driver skips what comes within 2m0s of the last change",
		"rotation/new-accepted client-secret":  "pod/b: GET /fhir/Patient answered 200",
		"rotation/old-rejected client-secret":  "pod/b: GET /fhir/Patient answered 401",
		"rotation/no-restart client-secret":    "UID, restart count and start time of 2 pods",
	} {
		if !strings.Contains(results[key].Detail, says) {
			t.Errorf("%s: got %q, want %q", key, results[key].Detail, says)
		}
	}
	var seen []string
	for _, m := range report.Timeline {
		seen = append(seen, strings.TrimSpace(m.Replica+" "+m.What))
	}
	want := []string{"store written"}
	for _, pod := range []string{"pod/a ", "pod/b "} {
		for _, what := range []string{momentFile, momentStatus, momentAccepted, momentRefused} {
			want = append(want, pod+what)
		}
	}
	for _, moment := range want {
		if !slices.Contains(seen, moment) {
			t.Errorf("the timeline does not have %q: %v", moment, seen)
		}
	}
	secretless(t, s, report)
}

func TestRotationOnPodsThatCannotWorkWritesNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		setup  func(*fakeCluster, *fixture)
		status Status
		says   string
	}{
		"rotation off":  {func(w *fakeCluster, _ *fixture) { w.fixed[daemonsPath] = daemons(driverDaemon("false", 1)) }, StatusFail, "so it does not rotate"},
		"no republish":  {func(w *fakeCluster, _ *fixture) { w.fixed[driverPath] = `{"spec": {}}` }, StatusFail, "lacks requiresRepublish"},
		"nothing runs":  {func(w *fakeCluster, _ *fixture) { w.pods = nil }, StatusUnknown, "no pod of Deployment aidbox runs"},
		"scaled down":   {func(w *fakeCluster, _ *fixture) { w.deployment.Spec.Replicas, w.pods = new(int32), nil }, StatusUnknown, "deployment/aidbox has 0 replicas"},
		"nothing known": {func(w *fakeCluster, _ *fixture) { w.refuse = "deployments" }, StatusUnknown, "forbidden"},
		"provider gone": {func(w *fakeCluster, _ *fixture) {
			w.fixed[daemonsPath] = daemons(driverDaemon("true", 1), providerDaemon(0))
		}, StatusFail, "the provider does not run on node n1"},
		"no account":     {func(w *fakeCluster, _ *fixture) { w.account = nil }, StatusFail, "would not arrive: kubernetes: serviceaccounts/aidbox in namespace default: not found"},
		"no class":       {func(w *fakeCluster, _ *fixture) { w.class = nil }, StatusFail, "would not arrive: kubernetes: secretproviderclasses/aidbox-vault-secrets in namespace default: not found"},
		"may not log in": {func(w *fakeCluster, _ *fixture) { w.noLogin = true }, StatusFail, "wants another audience"},
	} {
		t.Run(name, func(t *testing.T) {
			_, s := rotationInPods(t, tt.setup)
			results, report, err := s.run(t.Context())
			must(t, err)
			got := results["rotation/store-updated client-secret"]
			if got.Status != tt.status || !strings.Contains(got.Detail, tt.says) || !strings.Contains(got.Detail, "nothing was written") || s.version != 3 {
				t.Errorf("version %d, %+v", s.version, got)
			}
			if len(report.Timeline) > 0 {
				t.Errorf("timeline %v", report.Timeline)
			}
		})
	}
}

// Of containers without the tools, Aidbox alone can show a rotation.
func TestRotationIsShownByAidboxWithoutTools(t *testing.T) {
	_, s := rotationInPods(t, func(w *fakeCluster, _ *fixture) { w.noTools = true })
	results, report, err := s.run(t.Context())
	must(t, err)
	expect(t, report, StatusPass, StatusWarn, StatusPass, StatusPass, StatusPass)
	got := results["rotation/mounted client-secret"]
	if !strings.Contains(got.Detail, "tools to read files are missing in the container") || !strings.Contains(got.Hint, "--target local in a Job") {
		t.Errorf("%+v", got)
	}
}

func TestLateRotationNamesTheFirstCauseAndTheEvidence(t *testing.T) {
	for name, tt := range map[string]struct {
		setup func(*fakeCluster, *fixture)
		says  string
	}{
		"driver is silent": {func(w *fakeCluster, _ *fixture) {
			w.fixed[daemonsPath] = daemons()
		}, "pod/b: still the old value"},
		"another value": {func(w *fakeCluster, _ *fixture) {
			w.roots["b"].publish(t, map[string]string{"client-secret": "neither"}, time.Now())
		}, "pod/b: another value"},
		"class deleted meanwhile": {func(w *fakeCluster, _ *fixture) { w.class = nil }, "not found"},
		"login refused meanwhile": {func(w *fakeCluster, _ *fixture) { w.noLogin = true }, "the pod's login, tried from here: role aidbox wants another audience"},
		"login refused meanwhile, and the status has a version": {func(w *fakeCluster, s *fixture) {
			w.noLogin = true
			s.w.Newest = func(context.Context, config.Secret) ([]string, error) { return []string{"another"}, nil }
		}, "the pod's login, tried from here: role aidbox wants another audience"},
		"a line in the driver's log": {func(w *fakeCluster, _ *fixture) {
			const pods, owner = "/api/v1/namespaces/kube-system/pods", `"ownerReferences": [{"controller": true, "kind": "DaemonSet", "name": "csi"}]`
			w.fixed[pods] = `{"items": [{"metadata": {"name": "csi-1", "namespace": "kube-system", ` + owner + `}}]}`
			w.fixed[pods+"/csi-1/log"] = `{"other": 1}` + "\nE1122 failed pod=default/b err=\"rpc error: code = NotFound desc = nothing at the path\"\nI1122 done\n"
		}, "log of the driver: nothing at the path"},
		"an event": {func(w *fakeCluster, _ *fixture) {
			w.events = []corev1.Event{{Type: "Warning", Reason: "FailedMount", Message: "err: no such class"}}
			w.events[0].LastTimestamp.Time = time.Now().Add(time.Minute)
		}, "event FailedMount: no such class"},
	} {
		t.Run(name, func(t *testing.T) {
			_, s := rotationInPods(t, func(w *fakeCluster, s *fixture) {
				s.o.Rotation.Deadline = 50 * time.Millisecond
				s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
					w.mount(t, "a")
					w.mu.Lock()
					tt.setup(w, s)
					w.mu.Unlock()
					return s.put(ctx, c, v)
				}
			})
			results, report, err := s.run(t.Context())
			must(t, err)
			got := results["rotation/mounted client-secret"]
			if got.Status != StatusFail || !strings.Contains(got.Detail, tt.says) || !strings.Contains(got.Detail, "in time: pod/a") {
				t.Errorf("%+v", got)
			}
			secretless(t, s, report)
		})
	}
}

func TestLogIsSearchedForTheLastError(t *testing.T) {
	for want, lines := range map[string][]string{
		"":                          {`I1122 "Using gRPC client" pod="a"`, "INFO mount took=1ms error=<nil>", `INFO kubelet error=""`},
		`E1122 "failed to mount" b`: {`E1122 "failed to mount" a`, `E1122 "failed to mount" b`, `I1122 "done" err=<nil>`},
		"INFO mount error=denied":   {"INFO mount error=denied"},
	} {
		if got, ok := lastError(lines); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %t", lines, got, ok)
		}
	}
}

func TestPodThatDoesNotRunIsNamedAndLeftOut(t *testing.T) {
	var noted []string
	_, s := rotationInPods(t, func(w *fakeCluster, s *fixture) {
		w.addPod(t, s, "c")
		w.pods[2].Status = corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{
			{Name: "app", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}},
		}}
		s.o.Rotation.Noted = func(note string) { noted = append(noted, note) }
	})
	results, report, err := s.run(t.Context())
	must(t, err)
	expect(t, report, StatusPass, StatusWarn, StatusPass, StatusPass, StatusPass)
	const says = "not followed: pod/c (container app does not run: ContainerCreating)"
	if got := results["rotation/mounted client-secret"].Detail; !strings.Contains(got, says) || !slices.Equal(noted, []string{says}) {
		t.Errorf("%q, noted before the write: %q", got, noted)
	}
	if took := results["rotation/mounted client-secret"].Duration(); took >= statusDelay {
		t.Errorf("waited %s for the status of a pod that was left out", took)
	}
}

// On a node that an autoscaler has just added, the provider may still start; a thousand pods
// may be on few nodes.
func TestProviderIsAskedForOnceOnEachNodeWherePodsServe(t *testing.T) {
	const agents = "/api/v1/namespaces/kube-system/pods"
	w, s := rotationInPods(t, func(w *fakeCluster, s *fixture) {
		w.addPod(t, s, "c")
		w.pods[2].Spec.NodeName, w.pods[2].Status = "n2", corev1.PodStatus{Phase: corev1.PodPending}
		w.fixed[daemonsPath] = daemons(driverDaemon("true", 1), strings.Replace(providerDaemon(1), `"desiredNumberScheduled": 1`, `"desiredNumberScheduled": 2`, 1))
	})
	node := func(out http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != agents:
			w.ServeHTTP(out, r)
			return
		case r.URL.Query().Get("fieldSelector") == "spec.nodeName=n1":
			_, _ = io.WriteString(out, `{"items": [{"metadata": {"name": "vault-csi-1", "ownerReferences": [{"controller": true, "kind": "DaemonSet", "name": "vault-csi"}]},
				"status": {"conditions": [{"type": "Ready", "status": "True"}]}}]}`)
		default:
			_, _ = io.WriteString(out, `{"items": []}`)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.asked[agents]++
	}
	connect(t, s, http.HandlerFunc(node))
	results, report, err := s.run(t.Context())
	must(t, err)
	if w.mu.Lock(); w.asked[agents] != 1 {
		t.Errorf("%d requests for the provider's pods", w.asked[agents])
	}
	w.mu.Unlock()
	expect(t, report, StatusPass, StatusWarn, StatusPass, StatusPass, StatusPass)
	if got := results["rotation/mounted client-secret"].Detail; !strings.Contains(got, "not followed: pod/c") {
		t.Error(got)
	}
}

func TestReplicasThatDisagreeAreTimed(t *testing.T) {
	for _, late := range []time.Duration{0, 3 * time.Second} {
		_, s := rotationInPods(t, func(w *fakeCluster, s *fixture) {
			s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
				s.valid = rotated
				w.mount(t, "a")
				time.AfterFunc(late, func() { w.mount(t, "b") })
				return s.put(ctx, c, v)
			}
		})
		results, _, err := s.run(t.Context())
		must(t, err)
		got := results["rotation/old-rejected client-secret"].Detail
		_, text, _ := strings.Cut(got, "; the replicas disagreed for ")
		disagreed, _ := time.ParseDuration(text)
		if long := disagreed > 2*time.Second; long != (late > 0) { // a loaded machine takes a moment for nothing
			t.Errorf("%v: got %q", late, got)
		}
	}
}

package verify

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

func refusedLogin(context.Context, secret.Value) (Session, error) {
	return nil, fmt.Errorf("role aidbox wants another audience: %w", fs.ErrPermission)
}

// podRows look at pod b; pod a is well.
func podRows() []row {
	const (
		present  = "mount/present client-secret pod/b"
		readable = "mount/readable client-secret pod/b"
		matches  = "mount/matches-store client-secret pod/b"
		status   = "mount/status client-secret pod/b"
		conf     = "mount/vault-config pod/b"
	)
	files := func(change func(folder string) error) func(*testing.T, *scene) {
		return in(func(w *city, _ *scene) {
			if err := change(w.roots["b"].local.Dir); err != nil {
				panic(err)
			}
		})
	}
	empty := func(folder string) error {
		return os.RemoveAll(filepath.Join(folder)) // and anew
	}
	emptied := files(func(folder string) error {
		if err := empty(folder); err != nil {
			return err
		}
		return os.Mkdir(folder, 0o755)
	})
	content := func(text string) func(*testing.T, *scene) {
		return files(func(folder string) error {
			return os.WriteFile(filepath.Join(folder, "..data/client-secret"), []byte(text), 0o600)
		})
	}
	exits := func(code int) func(*testing.T, *scene) {
		return in(func(w *city, _ *scene) {
			w.onExec = func(pod, path string) (int, bool) {
				return code, pod == "b" && strings.HasSuffix(path, "/client-secret")
			}
		})
	}
	statuses := func(change func(w *city)) func(*testing.T, *scene) {
		return in(func(w *city, _ *scene) { change(w) })
	}
	unstarted := in(func(w *city, _ *scene) {
		w.pods[1].Status = corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{
			{Name: "app", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}},
		}}
	})
	toolless := in(func(w *city, _ *scene) { w.noTools = true })
	return []row{
		{"mounted", in(nil), present, StatusPass, "/run/vault-secrets/client-secret in container app"},
		{"ready and empty", emptied, present, StatusFail, "is EMPTY, and the pod is Running and Ready | delete the pod, so that the driver mounts anew: kubectl delete pod -n default b"},
		{"no folder", files(empty), present, StatusFail, "does not exist in container app"},
		{"another file", files(func(folder string) error {
			return os.Rename(filepath.Join(folder, "client-secret"), filepath.Join(folder, "other"))
		}), present, StatusFail, "there is:"},
		{"no volume", in(func(w *city, _ *scene) {
			w.pods[1].Spec.Volumes = nil
			w.onExec = func(string, string) (int, bool) { return 114, true }
		}), present, StatusFail, "mounts no volume of SecretProviderClass aidbox-vault-secrets"},
		{"elsewhere", in(func(w *city, _ *scene) {
			w.pods[1].Spec.Containers[1].VolumeMounts[0].MountPath = "/elsewhere"
			w.onExec = func(string, string) (int, bool) { return 114, true }
		}), present, StatusFail, "mounted at /elsewhere, not at /run/vault-secrets"},
		{"not started", unstarted, present, StatusFail, "the pod has not started: ContainerCreating"},
		{"no tools", toolless, present, StatusUnknown, "--target local in a Job"},
		{"forbidden", refusing("pods/b/exec"), present, StatusUnknown, `"create" on "pods/exec"`},
		{"gone", in(func(w *city, _ *scene) {
			w.onExec = func(pod, _ string) (int, bool) {
				if pod == "b" {
					w.remove("b")
				}
				return 1, pod == "b"
			}
		}), present, StatusSkip, "went away"},
		{"nothing runs", in(func(w *city, _ *scene) { w.pods = nil }), "mount/present client-secret deployment/aidbox", StatusFail, "no pod of Deployment aidbox runs"},
		{"nothing known", refusing("deployments"), "mount/present client-secret deployment/aidbox", StatusUnknown, "docs/rbac.md"},

		{"mounted", in(nil), readable, StatusPass, "by the container's user (mode 0644)"},
		{"denied", exits(113), readable, StatusFail, "may not read it"},
		{"no file", exits(115), readable, StatusFail, "no regular file"},
		{"empty", content(""), readable, StatusFail, "is empty"},
		{"too long", content(strings.Repeat("x", 2<<20)), readable, StatusPass, "mode"}, // its digest is short
		{"not there", emptied, readable, StatusSkip, "needs mount/present"},

		{"equal", in(nil), matches, StatusPass, "equal to the store, version 3"},
		{"stale", content("old"), matches, StatusFail, "stale"},
		{"line break", content(canary + "\n"), matches, StatusFail, "by a line break at the end"},
		{"nothing to compare with", in(func(_ *city, s *scene) { s.w.Stored, s.d.Secrets[0].Value = nil, secret.Source{} }), matches, StatusUnknown, "nothing to compare with"},
		{"not there", emptied, matches, StatusSkip, "needs mount/readable"},

		{"mounted", in(nil), status, StatusPass, "the driver says mounted"},
		{"not listed", statuses(func(w *city) { w.statuses[1].Status.Objects[0].ID = "x" }), status, StatusFail, "does not list client-secret"},
		{"not mounted", statuses(func(w *city) { w.statuses[1].Status.Mounted = false }), status, StatusFail, "mounted: false"},
		{"of another pod", statuses(func(w *city) { w.statuses[1].OwnerReferences[0].UID = "x" }), status, StatusFail, "no SecretProviderClassPodStatus of this pod"},
		{"forbidden", refusing("secretproviderclasspodstatuses"), status, StatusUnknown, "docs/rbac.md"},
		{"copied", files(func(folder string) error {
			return os.Rename(filepath.Join(folder, "..data/client-secret"), filepath.Join(folder, "client-secret"))
		}), status, StatusFail, "does not go through ..data"},
		{"not there", emptied, status, StatusSkip, "no file to look at"},
		{"not started", unstarted, status, StatusSkip, "no file to look at"},
		{"of Azure", inAzure("3"), status, StatusPass, "version 3 as in the store"},
		{"of Azure, stale", inAzure("2"), status, StatusFail, "mounted version 2, and the store has 3"},

		{"as rendered", in(nil), conf, StatusPass, "path and scope of 1"},
		{"absent", in(func(w *city, _ *scene) {
			if err := os.Remove(filepath.Join(w.root("b"), config.VaultConfigFile)); err != nil {
				panic(err)
			}
		}), conf, StatusFail, "mount the ConfigMap"},
		{"elsewhere", in(func(w *city, _ *scene) { w.pods[1].Spec.Containers[1].Env[0].Value = "/x.json" }), conf, StatusFail, "/x.json"},
		{"not started", unstarted, conf, StatusSkip, "does not run"},
		{"no tools", toolless, conf, StatusUnknown, "--target local in a Job"},
	}
}

// inAzure has the driver say which version of a Key Vault it mounted.
func inAzure(version string) func(*testing.T, *scene) {
	return in(func(w *city, s *scene) {
		s.d.Provider, s.d.Azure, s.d.Secrets[0].ObjectName = config.ProviderAzure, &config.Azure{}, "object"
		for _, p := range w.pods {
			p.Spec.Volumes[0].CSI.VolumeAttributes["secretProviderClass"] = "aidbox-azure-secrets"
		}
		for i := range w.statuses {
			w.statuses[i].Status.SecretProviderClassName = "aidbox-azure-secrets"
			w.statuses[i].Status.Objects[0].ID, w.statuses[i].Status.Objects[0].Version = "secret/object", version
		}
	})
}

func TestReplacementOfAPodIsLookedAt(t *testing.T) {
	s := newScene(t)
	w := newCity(t, s)
	s.w.Mounts, s.o.Groups = []Mount{}, []string{"mount"}
	w.onExec = func(pod, _ string) (int, bool) {
		if pod == "b" && len(w.pods) == 2 {
			w.remove("b")
			w.mu.Lock()
			defer w.mu.Unlock()
			w.addPod(t, s, "c")
		}
		return 1, pod == "b"
	}
	results, _, err := s.run(t.Context())
	must(t, err)
	for key, want := range map[string]Status{
		"mount/matches-store client-secret pod/a": StatusPass,
		"mount/present client-secret pod/b":       StatusSkip,
		"mount/matches-store client-secret pod/c": StatusPass,
	} {
		if got := results[key]; got.Status != want {
			t.Errorf("%s is %+v, want %s", key, got, want)
		}
	}
}

// cityRotation is a rotation on pods that get the new value at once.
func cityRotation(t *testing.T, spoil func(w *city, s *scene)) (*city, *scene) {
	t.Helper()
	s := newScene(t)
	w := newCity(t, s)
	s.w.Mounts, s.o.Groups = []Mount{}, []string{"rotation"}
	s.o.Rotation = &Rotation{Secret: "client-secret", New: value(rotated), Poll: 10 * time.Millisecond}
	s.w.LogIn = func(ctx context.Context, jwt secret.Value) (Session, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.noLogin {
			return refusedLogin(ctx, jwt)
		}
		return &session{s: s}, nil
	}
	s.w.ProbeAt = func(ctx context.Context, p cluster.Pod, path, id string, v secret.Value) (int, string, error) {
		return s.w.Probe(ctx, path, id, v)
	}
	s.w.TokenAt = func(ctx context.Context, p cluster.Pod, id string, v secret.Value) (int, string, error) {
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
	if spoil != nil {
		spoil(w, s)
	}
	return w, s
}

// mount has the driver mount the new value, and say so.
func (w *city) mount(t *testing.T, pod string) {
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
	w, s := cityRotation(t, func(_ *city, s *scene) { s.o.Rotation.Nudge = true })
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
			t.Errorf("the timeline lacks %q: %v", moment, seen)
		}
	}
	if len(w.nudged) == 0 && !slices.Contains(seen, "pod/a "+momentFile) {
		t.Error("nobody was nudged")
	}
	secretless(t, s, report)
}

func TestRotationOnPodsThatCannotWorkWritesNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil  func(*city, *scene)
		status Status
		says   string
	}{
		"rotation off":   {func(w *city, _ *scene) { w.fixed[daemonsPath] = daemons(driverDaemon("false", 1)) }, StatusFail, "so it does not rotate"},
		"no republish":   {func(w *city, _ *scene) { w.fixed[driverPath] = `{"spec": {}}` }, StatusFail, "lacks requiresRepublish"},
		"nothing runs":   {func(w *city, _ *scene) { w.pods = nil }, StatusUnknown, "no pod of Deployment aidbox runs"},
		"nothing known":  {func(w *city, _ *scene) { w.refuse = "deployments" }, StatusUnknown, "forbidden"},
		"may not log in": {func(w *city, _ *scene) { w.noLogin = true }, StatusFail, "wants another audience"},
	} {
		t.Run(name, func(t *testing.T) {
			_, s := cityRotation(t, tt.spoil)
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

func TestStuckRotationNamesTheFirstHopAndWhatIsKnown(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(*city, *scene)
		says  string
	}{
		"driver is silent": {func(w *city, _ *scene) {
			w.fixed[daemonsPath] = daemons()
		}, "pod/b: still the old value"},
		"class deleted meanwhile": {func(w *city, _ *scene) { w.class = nil }, "not found"},
		"login refused meanwhile": {func(w *city, _ *scene) { w.noLogin = true }, "the login that the pod does, done here: role aidbox wants another audience"},
		"an event": {func(w *city, _ *scene) {
			w.events = []corev1.Event{{Type: "Warning", Reason: "FailedMount", Message: "err: no such class"}}
			w.events[0].LastTimestamp.Time = time.Now().Add(time.Minute)
		}, "event FailedMount: no such class"},
	} {
		t.Run(name, func(t *testing.T) {
			_, s := cityRotation(t, func(w *city, s *scene) {
				s.o.Rotation.Deadline = 50 * time.Millisecond
				s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
					w.mount(t, "a")
					w.mu.Lock()
					tt.spoil(w, s)
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

func TestRestartDuringARotationIsSeen(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*city)
		says   string
	}{
		"restarted":  {func(w *city) { w.pods[1].Status.ContainerStatuses[0].RestartCount++ }, "container app of pod/b was restarted: 1 restarts, before 0"},
		"replaced":   {func(w *city) { w.pods = w.pods[:1] }, "pod/b is gone"},
		"going away": {func(w *city) { w.pods[1].DeletionTimestamp = &w.pods[1].CreationTimestamp }, "pod/b is going away"},
	} {
		t.Run(name, func(t *testing.T) {
			_, s := cityRotation(t, func(w *city, s *scene) {
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

func TestPodsThatCannotBeAskedAreAskedByTheURL(t *testing.T) {
	_, s := cityRotation(t, func(_ *city, s *scene) {
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

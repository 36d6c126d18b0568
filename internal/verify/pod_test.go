package verify

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

func refusedLogin(context.Context, secret.Value) (store.Session, error) {
	return nil, fmt.Errorf("role aidbox wants another audience: %w", fs.ErrPermission)
}

// podRows are about pod b; pod a is healthy.
func podRows() []row {
	const (
		present  = "mount/present client-secret pod/b"
		readable = "mount/readable client-secret pod/b"
		matches  = "mount/matches-store client-secret pod/b"
		status   = "mount/status client-secret pod/b"
		conf     = "mount/vault-config pod/b"
	)
	files := func(change func(folder string) error) func(*testing.T, *fixture) {
		return in(func(w *fakeCluster, _ *fixture) {
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
	content := func(text string) func(*testing.T, *fixture) {
		return files(func(folder string) error {
			return os.WriteFile(filepath.Join(folder, "..data/client-secret"), []byte(text), 0o600)
		})
	}
	says := func(record string) func(*testing.T, *fixture) { // of the secret's file, in place of its digest
		return in(func(w *fakeCluster, _ *fixture) {
			w.onLook = func(pod, printed string) string {
				if pod == "b" {
					printed = regexp.MustCompile(":sum .*\n").ReplaceAllString(strings.Replace(printed, ":hash", record, 1), "")
				}
				return printed
			}
		})
	}
	statuses := func(change func(w *fakeCluster)) func(*testing.T, *fixture) {
		return in(func(w *fakeCluster, _ *fixture) { change(w) })
	}
	unstarted := in(func(w *fakeCluster, _ *fixture) {
		w.pods[1].Status = corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{
			{Name: "app", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}},
		}}
	})
	restarting := in(func(w *fakeCluster, _ *fixture) {
		w.noTools = true
		time.AfterFunc(300*time.Millisecond, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.noTools = false
		})
	})
	toolless := in(func(w *fakeCluster, _ *fixture) { w.noTools = true })
	return []row{
		{"mounted", in(nil), present, StatusPass, "/run/vault-secrets/client-secret in container app"},
		{"ready and empty", emptied, present, StatusFail, "is EMPTY, and the pod is Running and Ready | delete the pod, so that the driver mounts again: kubectl delete pod -n default b"},
		{"no folder", files(empty), present, StatusFail, "does not exist in container app"},
		{"another file", files(func(folder string) error {
			return os.Rename(filepath.Join(folder, "client-secret"), filepath.Join(folder, "other"))
		}), present, StatusFail, "found: other"},
		{"no volume", in(func(w *fakeCluster, _ *fixture) {
			w.pods[1].Spec.Volumes = nil
			_ = os.RemoveAll(w.roots["b"].local.Dir)
		}), present, StatusFail, "mounts no volume of SecretProviderClass aidbox-vault-secrets"},
		{"elsewhere", in(func(w *fakeCluster, _ *fixture) {
			w.pods[1].Spec.Containers[1].VolumeMounts[0].MountPath = "/elsewhere"
			_ = os.RemoveAll(w.roots["b"].local.Dir)
		}), present, StatusFail, "mounted at /elsewhere, not at /run/vault-secrets"},
		{"only in a sidecar", in(func(w *fakeCluster, s *fixture) {
			s.d.Aidbox.Workload.Container = "app"
			app, sidecar := &w.pods[1].Spec.Containers[1], &w.pods[1].Spec.Containers[0]
			sidecar.VolumeMounts, app.VolumeMounts = app.VolumeMounts, nil
			_ = os.RemoveAll(w.roots["b"].local.Dir) // in app
		}), present, StatusFail, "container app does not mount the volume of SecretProviderClass aidbox-vault-secrets | secretctl render"},
		{"not started", unstarted, present, StatusFail, "the pod has not started: ContainerCreating"},
		{"restarting", restarting, present, StatusPass, "in container app"},
		{"no tools", toolless, present, StatusUnknown, "--target local in a Job"},
		{"forbidden", forbidding("pods/b/exec"), present, StatusUnknown, `"create" on "pods/exec"`},
		{"gone", in(func(w *fakeCluster, _ *fixture) {
			w.onExec = func(pod string) (int, bool) {
				if pod == "b" {
					w.remove("b")
				}
				return 1, pod == "b"
			}
		}), present, StatusSkip, "was replaced"},
		{"nothing runs", in(func(w *fakeCluster, _ *fixture) { w.pods = nil }), "mount/present client-secret deployment/aidbox", StatusFail, "no pod of Deployment aidbox runs"},
		{"scaled down", in(func(w *fakeCluster, _ *fixture) { w.deployment.Spec.Replicas, w.pods = new(int32), nil }), "mount/present client-secret deployment/aidbox", StatusFail, "has 0 replicas, so nothing is mounted | kubectl scale -n default deployment/aidbox --replicas=1"},
		{"nothing known", forbidding("deployments"), "mount/present client-secret deployment/aidbox", StatusUnknown, "docs/rbac.md"},

		{"mounted", in(nil), readable, StatusPass, "Aidbox's user can read it (mode 0644)"},
		{"denied", says(":error denied"), readable, StatusFail, "cannot read it"},
		{"no file", says(":error notfile"), readable, StatusFail, "is not a regular file"},
		{"empty", content(""), readable, StatusFail, "is empty"},
		{"too long", content(strings.Repeat("x", 2<<20)), readable, StatusPass, "mode"}, // its digest is short
		{"not there", emptied, readable, StatusSkip, "skipped: mount/present"},

		{"equal", in(nil), matches, StatusPass, "equal to the store, version 3"},
		{"stale", content("old"), matches, StatusFail, "stale"},
		{"line break", content(canary + "\n"), matches, StatusFail, "by a line break at the end"},
		{"nothing to compare with", in(func(_ *fakeCluster, s *fixture) { s.w.Stored, s.d.Secrets[0].Value = nil, secret.Source{} }), matches, StatusUnknown, "nothing to compare with"},
		{"not there", emptied, matches, StatusSkip, "skipped: mount/readable"},

		{"mounted", in(nil), status, StatusPass, "mounted, according to the driver"},
		{"not listed", statuses(func(w *fakeCluster) { w.statuses[1].Status.Objects[0].ID = "x" }), status, StatusFail, "does not list client-secret"},
		{"not mounted", statuses(func(w *fakeCluster) { w.statuses[1].Status.Mounted = false }), status, StatusFail, "mounted: false"},
		{"of another pod", statuses(func(w *fakeCluster) { w.statuses[1].OwnerReferences[0].UID = "x" }), status, StatusFail, "no SecretProviderClassPodStatus of this pod"},
		{"forbidden", forbidding("secretproviderclasspodstatuses"), status, StatusUnknown, "docs/rbac.md"},
		{"copied", files(func(folder string) error {
			return os.Rename(filepath.Join(folder, "..data/client-secret"), filepath.Join(folder, "client-secret"))
		}), status, StatusFail, "does not go through ..data"},
		{"not there", emptied, status, StatusSkip, "no file to check"},
		{"not started", unstarted, status, StatusSkip, "no file to check"},
		{"of Azure", inAzure("3", nil, "3"), status, StatusPass, "version 3, according to the driver, as in the store"},
		{"of Azure, two in a second", inAzure("3", nil, "4", "3"), status, StatusPass, "version 3, according to the driver, as in the store"},
		{"of Azure, stale", inAzure("2", nil, "3", "4"), status, StatusFail, "mounted version 2, and the store has 3 or 4"},
		{"of Azure, disabled", inAzure("3", hint.Wrap(fmt.Errorf("is disabled: %w", fs.ErrInvalid), "enable")), status, StatusFail, "new pods get none: is disabled"},
		{"of Azure, not to be listed", inAzure("3", hint.Wrap(fmt.Errorf("needs the role Key Vault Reader: %w", fs.ErrPermission), "assign")), status, StatusUnknown, "version 3, according to the driver; the store's version is unknown: needs the role Key Vault Reader"},

		{"as rendered", in(nil), conf, StatusPass, "path and scope of 1 secret"},
		{"absent", in(func(w *fakeCluster, _ *fixture) {
			if err := os.Remove(filepath.Join(w.root("b"), config.VaultConfigFile)); err != nil {
				panic(err)
			}
		}), conf, StatusFail, "mount the ConfigMap"},
		{"not named", in(func(w *fakeCluster, _ *fixture) { w.pods[1].Spec.Containers[1].Env = nil }), conf, StatusWarn, "container app sets neither BOX_VAULT_CONFIG nor AIDBOX_VAULT_CONFIG"},
		{"two names", in(func(w *fakeCluster, _ *fixture) {
			app := &w.pods[1].Spec.Containers[1]
			app.Env = append(app.Env, corev1.EnvVar{Name: "AIDBOX_VAULT_CONFIG", Value: "/etc/old.json"})
		}), conf, StatusWarn, "names /etc/aidbox/vault-config.json, and AIDBOX_VAULT_CONFIG /etc/old.json, which Aidbox may read instead"},
		{"the same name twice", in(func(w *fakeCluster, _ *fixture) {
			app := &w.pods[1].Spec.Containers[1]
			app.Env = append(app.Env, corev1.EnvVar{Name: "AIDBOX_VAULT_CONFIG", Value: config.VaultConfigFile})
		}), conf, StatusPass, "path and scope of 1 secret"},
		{"perhaps named", in(func(w *fakeCluster, _ *fixture) {
			app := &w.pods[1].Spec.Containers[1]
			app.Env, app.EnvFrom = nil, []corev1.EnvFromSource{{}}
		}), conf, StatusPass, "path and scope"},
		{"elsewhere", in(func(w *fakeCluster, _ *fixture) { w.pods[1].Spec.Containers[1].Env[0].Value = "/x.json" }), conf, StatusFail, "/x.json"},
		{"not started", unstarted, conf, StatusUnknown, "does not run"},
		{"no tools", toolless, conf, StatusUnknown, "--target local in a Job"},
	}
}

// inAzure sets the version that the driver mounted, and the newest versions of the Key
// Vault, which does not return values.
func inAzure(version string, err error, newest ...string) func(*testing.T, *fixture) {
	return in(func(w *fakeCluster, s *fixture) {
		s.d.Provider, s.d.Azure, s.d.Secrets[0].ObjectName = config.ProviderAzure, &config.Azure{}, "object"
		s.w.Stored = nil
		s.w.Newest = func(context.Context, config.Secret) ([]string, error) { return newest, err }
		for _, p := range w.pods {
			p.Spec.Volumes[0].CSI.VolumeAttributes["secretProviderClass"] = "aidbox-azure-secrets"
		}
		for i := range w.statuses {
			w.statuses[i].Status.SecretProviderClassName = "aidbox-azure-secrets"
			w.statuses[i].Status.Objects[0].ID, w.statuses[i].Status.Objects[0].Version = "secret/object", version
		}
	})
}

func TestReplacementOfAPodIsChecked(t *testing.T) {
	s := newFixture(t)
	w := newFakeCluster(t, s)
	s.inPods, s.o.Selected = true, []string{"mount"}
	w.onExec = func(pod string) (int, bool) {
		if pod == "b" && len(w.pods) == 2 {
			w.remove("b")
			w.mu.Lock()
			defer w.mu.Unlock()
			w.addPod(t, s, "c")
		}
		return 1, pod == "b"
	}
	results, report, err := s.run(t.Context())
	must(t, err)
	if len(results) != len(report.Checks) {
		t.Errorf("%d results of %d checks and subjects", len(report.Checks), len(results))
	}
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

// However many secrets there are, a pod takes one command, and a namespace one list.
func TestPodIsObservedWithOneCommand(t *testing.T) {
	s := newFixture(t)
	w := newFakeCluster(t, s)
	var wanted []string
	for i := range 8 {
		w.addPod(t, s, fmt.Sprintf("c%d", i))
	}
	for _, p := range w.pods {
		wanted = append(wanted, "mount/present client-secret pod/"+p.Name)
	}
	w.onLook = func(_, printed string) string {
		<-time.After(20 * time.Millisecond)
		return printed
	}
	s.inPods, s.o.Selected, s.o.Parallel = true, []string{"workload", "mount"}, 4
	_, report, err := s.run(t.Context())
	must(t, err)
	var present []string
	for _, r := range report.Checks {
		if r.ID == "mount/present" {
			present = append(present, r.ID+" "+r.Subject)
		}
		if r.Group() == "mount" && r.Status != StatusPass {
			t.Errorf("%+v", r)
		}
	}
	if diff := cmp.Diff(wanted, present); diff != "" {
		t.Errorf("not in the order of the pods: %s", diff)
	}
	if w.mostExecs < 2 || w.mostExecs > 4 {
		t.Errorf("%d commands at the same time, want up to 4", w.mostExecs)
	}
	for path, n := range w.asked {
		exec := strings.HasSuffix(path, "/exec") // over WebSocket, which the fake refuses, and over SPDY
		if exec && n != 2 || !exec && n != 1 {
			t.Errorf("%s: %d requests", path, n)
		}
	}
}

func TestMountedFileOfAPodIsTriedWhereNothingElseIsKnown(t *testing.T) {
	s := newFixture(t)
	newFakeCluster(t, s)
	s.inPods, s.o.Selected = true, []string{"auth"}
	s.w.Stored, s.d.Secrets[0].Value = nil, secret.Source{}
	results, report, err := s.run(t.Context())
	must(t, err)
	if r := results["auth/accepts-secret Client/basic"]; r.Status != StatusPass || !strings.Contains(r.Detail, "with the value from the mounted file (pod/a; ") {
		t.Errorf("%+v", r)
	}
	secretless(t, s, report)
}

package cmd_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestRealClusterVerifiesAndRotates runs the job of the tutorial on a real cluster,
// and wants a rotation that cannot arrive to be named.
func TestRealClusterVerifiesAndRotates(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	t.Run("verify", func(t *testing.T) { w.wantGreen(t) })
	t.Run("rotate", func(t *testing.T) { w.wantRotation(t) })
	t.Run("rotation without policy", func(t *testing.T) { w.wantStuckNamed(t) })
	t.Run("pod replaced", func(t *testing.T) { w.wantReplacementNamed(t) })
	t.Run("nothing runs", func(t *testing.T) { w.wantNeverGreen(t) })
}

// TestRealClusterNamesWhatKeepsPodsFromStarting breaks one thing after another and
// wants the right check to name it.
func TestRealClusterNamesWhatKeepsPodsFromStarting(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	for _, f := range mountFaults {
		t.Run(f.name, func(t *testing.T) { w.wantNamed(t, f) })
	}
}

// TestRealClusterNamesWhatIsWrongInRunningPods does so where Kubernetes sees nothing.
func TestRealClusterNamesWhatIsWrongInRunningPods(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	t.Run("one stale replica", func(t *testing.T) { w.wantStaleNamed(t) })
	t.Run("ready and empty", func(t *testing.T) { w.wantEmptyNamed(t) })
	t.Run("subPath", func(t *testing.T) { w.wantSubPathNamed(t) })
}

// gate is longer than the driver's poll interval in test/cluster, within which it
// skips; and shorter than the time after which kubelet syncs by itself.
const gate = 35 * time.Second

func (w *town) wantGreen(t *testing.T) {
	out := w.ok(t, "verify")
	t.Log("\n" + out)
	code, checks, _ := w.report(t, "verify")
	var groups []string
	for _, c := range checks {
		if c.Status != "pass" {
			t.Error(c)
		}
		group, _, _ := strings.Cut(c.ID, "/")
		groups = append(groups, group)
	}
	if groups = slices.Compact(groups); code != 0 || !slices.Equal(groups, []string{"workload", "mount", "client", "auth"}) {
		t.Errorf("exit code %d, groups %v", code, groups)
	}
	for _, pod := range w.pods(t, "name") {
		if !slices.ContainsFunc(checks, func(c finding) bool { return c.ID == "mount/matches-store" && c.Subject == "client-secret pod/"+pod }) {
			t.Errorf("nobody looked at %s", pod)
		}
	}
}

// wantRotation waits until the driver would not skip, so that a nudge shows.
func (w *town) wantRotation(t *testing.T) {
	<-time.After(gate)
	code, checks, timeline := w.report(t, "rotate", "client-secret", "--nudge")
	for _, c := range checks {
		t.Log(c)
	}
	t.Log(timeline)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, pod := range w.pods(t, "name") {
		for _, what := range []string{"pod annotated", "file changed", "pod status changed", "new value accepted", "old value refused"} {
			if !slices.ContainsFunc(timeline, func(m moment) bool { return m.Replica == "pod/"+pod && m.What == what }) {
				t.Errorf("the timeline lacks %q of %s", what, pod)
			}
		}
	}
}

// mountFault is something spoiled that keeps new pods from starting, the check that
// names it, and what the event of the pod says.
type mountFault struct {
	name              string
	spoil, mend       func(*town, *testing.T)
	check, says, also string
}

// mountFaults keep new pods from starting.
var mountFaults = []mountFault{
	{
		"wrong role", func(w *town, t *testing.T) { w.apply(t, `roleName: "`+w.namespace, `roleName: "absent`) }, (*town).reapply,
		"workload/secret-provider-class", `roleName is "absent"`, "invalid role name",
	},
	{
		"missing policy", func(w *town, _ *testing.T) { _ = w.vault.Sys().DeletePolicy(w.namespace) }, (*town).reprovision,
		"workload/deployment", "does not exist", "permission denied",
	},
	{
		"missing key", func(w *town, t *testing.T) {
			w.write(t, "secret/data/"+w.namespace+"/client", map[string]any{"data": map[string]any{"other": "x"}})
		}, (*town).reprovision,
		"workload/deployment", "has no such key", "client-secret",
	},
	{
		"path absent", func(w *town, _ *testing.T) {
			_, _ = w.vault.Logical().Delete("secret/metadata/" + w.namespace + "/client")
		}, (*town).reprovision,
		"workload/deployment", "is not in the store", "404",
	},
	{
		"path without data", func(w *town, t *testing.T) {
			w.apply(t, "secret/data/"+w.namespace+"/client", "secret/"+w.namespace+"/client")
		}, (*town).reapply,
		"workload/secret-provider-class", "lacks the data/", "",
	},
	{
		"SecretProviderClass absent", func(w *town, t *testing.T) { w.kubectl(t, "", "delete", "secretproviderclass", "--all") }, (*town).reapply,
		"workload/secret-provider-class", "not found", "not found",
	},
	{
		"wrong ServiceAccount", func(w *town, t *testing.T) {
			w.write(t, "auth/"+w.namespace+"/role/"+w.namespace, map[string]any{
				"bound_service_account_names": "other", "bound_service_account_namespaces": w.namespace, "audience": "vault", "token_policies": w.namespace,
			})
		}, (*town).reprovision,
		"workload/deployment", `lets in the ServiceAccounts "other"`, "not authorized",
	},
	{
		"audience that the token lacks", func(w *town, t *testing.T) {
			w.write(t, "auth/"+w.namespace+"/role/"+w.namespace, map[string]any{
				"bound_service_account_names": "aidbox", "bound_service_account_namespaces": w.namespace, "audience": "elsewhere", "token_policies": w.namespace,
			})
		}, (*town).reprovision,
		"workload/deployment", `wants a token for the audience "elsewhere"`, "audience",
	},
	{
		"ServiceAccount missing", func(w *town, t *testing.T) { w.kubectl(t, "", "delete", "serviceaccount", "aidbox") }, (*town).reapply,
		"workload/service-account", "not in namespace", "",
	},
}

func (w *town) reapply(t *testing.T)     { w.apply(t) }
func (w *town) reprovision(t *testing.T) { w.ok(t, "provision") }

// wantNamed spoils something, has the pods made anew, and wants two things: the
// check that names the fault, and what the event of the pod says.
func (w *town) wantNamed(t *testing.T, f mountFault) {
	f.spoil(w, t)
	w.kubectl(t, "", "delete", "pods", "--all")
	w.eventually(t, []string{"verify", "workload"}, f.check, "fail", f.says)
	if f.also != "" {
		w.eventually(t, []string{"verify", "workload"}, "workload/deployment", "fail", f.also)
		w.eventually(t, []string{"verify", "mount"}, "mount/present", "fail", "has not started")
	}
	f.mend(w, t)
	w.kubectl(t, "", "rollout", "restart", "deployment/aidbox") // pods that could not be made are tried again too late
	w.rollOut(t)
	w.eventually(t, []string{"verify", "workload", "mount"}, "workload/deployment", "pass", "2 of 2")
}

func (w *town) wantSubPathNamed(t *testing.T) {
	w.apply(t, `- name: secrets
              mountPath: "/run/vault-secrets"`, `- name: secrets
              subPath: client-secret
              mountPath: "/run/vault-secrets/client-secret"`)
	w.rollOut(t)
	w.eventually(t, []string{"verify", "workload"}, "workload/no-subpath", "fail", "keeps its first value for ever")
	w.eventually(t, []string{"verify", "mount"}, "mount/status", "fail", "does not go through ..data")
}

// wantStaleNamed has one pod synced and not the other, at a time when the driver
// skips neither and kubelet comes to none by itself.
func (w *town) wantStaleNamed(t *testing.T) {
	<-time.After(gate)
	w.ok(t, "rotate", "client-secret", "--no-verify")
	fresh := w.pods(t, "name")[0]
	w.kubectl(t, "", "annotate", "pod", fresh, "example.org/synced=now")
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(500 * time.Millisecond) {
		code, checks, _ := w.report(t, "verify", "mount")
		var equal, stale []string
		for _, c := range checks {
			switch {
			case c.ID == "mount/matches-store" && c.Status == "pass":
				equal = append(equal, c.Subject)
			case c.ID == "mount/matches-store" && strings.Contains(c.Detail, "stale"):
				stale = append(stale, c.Subject)
			}
		}
		if code == 1 && len(stale) == 1 && slices.Equal(equal, []string{"client-secret pod/" + fresh}) {
			t.Log("stale:", stale)
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("never one of two: %v", checks)
		}
	}
}

// wantEmptyNamed takes the files of one pod away on the node, as a driver leaves a
// folder that it did not mount into. The driver makes them anew later.
func (w *town) wantEmptyNamed(t *testing.T) {
	node := strings.Fields(os.Getenv("CLUSTER_NODE"))
	if len(node) == 0 {
		t.Skip("CLUSTER_NODE is not set")
	}
	uid := w.kubectl(t, "", "get", "pods", "-o", "jsonpath={.items[0].metadata.uid}")
	folder := "/var/lib/kubelet/pods/" + uid + "/volumes/kubernetes.io~csi/secrets/mount"
	out, err := exec.Command(node[0], append(node[1:], "sh", "-c", "cd "+folder+" && rm -rf ..data ..2* client-secret")...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	w.eventually(t, []string{"verify", "mount"}, "mount/present", "fail", "is EMPTY, and the pod is Running and Ready")
	w.kubectl(t, "", "delete", "pods", "--all")
	w.rollOut(t)
	w.eventually(t, []string{"verify", "mount", "workload"}, "workload/deployment", "pass", "2 of 2")
}

// wantStuckNamed takes the pods' right to read away, before a rotation and during
// one. A running pod shows nothing of that.
func (w *town) wantStuckNamed(t *testing.T) {
	w.applyClients(t)
	before := w.version(t)
	w.deletePolicy(t)
	code, checks, _ := w.report(t, "rotate", "client-secret")
	wantCheck(t, code, checks, "rotation/store-updated", "does not exist")
	if after := w.version(t); after != before {
		t.Errorf("version %s was written, which nobody can read", after)
	}

	w.ok(t, "provision")
	written := make(chan struct{})
	go func() {
		defer close(written)
		for w.version(t) == before {
			<-time.After(10 * time.Millisecond)
		}
		w.deletePolicy(t)
	}()
	code, checks, _ = w.report(t, "rotate", "client-secret", "--rotation-deadline", "5s")
	<-written
	wantCheck(t, code, checks, "rotation/mounted", "does not exist")
	w.ok(t, "provision")
	w.kubectl(t, "", "rollout", "restart", "deployment/aidbox")
	w.rollOut(t)
	w.eventually(t, []string{"verify", "workload", "mount"}, "mount/matches-store", "pass", "equal to the store")
}

func (w *town) deletePolicy(t *testing.T) {
	if err := w.vault.Sys().DeletePolicy(w.namespace); err != nil {
		t.Error(err)
	}
}

// version returns the version of the secret in the store.
func (w *town) version(t *testing.T) string {
	found, err := w.vault.Logical().Read("secret/metadata/" + w.namespace + "/client")
	if err != nil || found == nil {
		t.Error(err)
		return ""
	}
	return fmt.Sprint(found.Data["current_version"])
}

// wantCheck wants a check to have failed, and to say something.
func wantCheck(t *testing.T, code int, checks []finding, id, says string) {
	t.Helper()
	for _, c := range checks {
		t.Log(c)
		if c.ID == id && (code != 1 || c.Status != "fail" || !strings.Contains(c.Detail, says)) {
			t.Errorf("exit code %d, and it should say %q", code, says)
		}
	}
}

// wantReplacementNamed deletes a pod while a rotation is followed.
func (w *town) wantReplacementNamed(t *testing.T) {
	w.applyClients(t)
	victim := w.pods(t, "name")[0]
	gone := time.AfterFunc(3*time.Second, func() { _ = exec.Command("kubectl", "-n", w.namespace, "delete", "pod", victim, "--wait=false").Run() })
	defer gone.Stop()
	code, checks, timeline := w.report(t, "rotate", "client-secret")
	t.Log(timeline)
	wantCheck(t, code, checks, "rotation/no-restart", victim)
}

func (w *town) wantNeverGreen(t *testing.T) {
	w.kubectl(t, "", "scale", "deployment/aidbox", "--replicas=0")
	w.eventually(t, []string{"verify", "mount"}, "mount/present", "fail", "no pod of Deployment aidbox runs")
	w.eventually(t, []string{"rotate", "client-secret"}, "rotation/store-updated", "unknown", "nothing was written")
	w.kubectl(t, "", "delete", "deployment", "aidbox")
	w.eventually(t, []string{"verify", "workload"}, "workload/deployment", "fail", "there is no Deployment aidbox")
}

package cluster_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// in puts the town's name into a text.
func (w *town) in(text string) string { return strings.ReplaceAll(text, "TOWN", w.namespace) }

func nothing(*town, *testing.T) {}

// begun and ended break and mend what the whole cluster shares: see test/cluster/fault.
func begun(fault string) func(*town, *testing.T) {
	return func(_ *town, t *testing.T) { clusterFault(t, "begin", fault) }
}

func ended(fault string) func(*town, *testing.T) {
	return func(_ *town, t *testing.T) { clusterFault(t, "end", fault) }
}

func clusterFault(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command(filepath.Join(os.Getenv("SECRETCTL_TEST_CLUSTER"), "fault"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("fault %v: %v\n%s", args, err, out)
	}
}

// removed deletes something in Vault.
func removed(path string) func(*town, *testing.T) {
	return func(w *town, t *testing.T) {
		if _, err := w.vault.Logical().Delete(w.in(path)); err != nil {
			t.Fatal(err)
		}
	}
}

func roleWith(field, value string) func(*town, *testing.T) {
	return func(w *town, t *testing.T) { w.write(t, w.in("auth/TOWN/role/TOWN"), map[string]any{field: value}) }
}

func (w *town) otherPolicy(t *testing.T) {
	w.write(t, w.in("sys/policies/acl/TOWN"), map[string]any{"policy": `path "secret/data/other" { capabilities = ["read"] }`})
}

func (w *town) otherKey(t *testing.T) {
	w.write(t, w.in("secret/data/TOWN/client"), map[string]any{"data": map[string]any{"other": "x"}})
}

func (w *town) disableAuth(t *testing.T) {
	if err := w.vault.Sys().DisableAuth(w.namespace); err != nil {
		t.Fatal(err)
	}
}

func (w *town) spoilReviewer(t *testing.T) {
	w.write(t, w.in("auth/TOWN/config"), map[string]any{"kubernetes_host": "https://kubernetes.default.svc", "token_reviewer_jwt": "no.token.atall"})
}

func (w *town) reprovision(t *testing.T) { w.ok(t, "provision") }

func (w *town) reauth(t *testing.T) {
	w.disableAuth(t)
	w.ok(t, "provision")
}

func deleted(object string) func(*town, *testing.T) {
	return func(w *town, t *testing.T) { w.kubectl(t, "", "delete", object) }
}

// subPath mounts one file where render mounts the folder.
var subPath = []string{
	"- name: \"secrets\"\n              mountPath: \"/run/vault-secrets\"",
	"- name: \"secrets\"\n              subPath: client-secret\n              mountPath: \"/run/vault-secrets/client-secret\"",
}

// applied applies what render writes with something else in it; running also waits
// for the pods that are made for it.
func applied(replace ...string) func(*town, *testing.T) {
	return func(w *town, t *testing.T) { w.apply(t, w.in(replace[0]), w.in(replace[1])) }
}

func running(replace ...string) func(*town, *testing.T) {
	return func(w *town, t *testing.T) {
		w.apply(t, replace...)
		w.restart(t)
	}
}

func (w *town) reapply(t *testing.T) { w.apply(t) }

// reaccount has pods made for a ServiceAccount that is back: a ReplicaSet that could
// make none tries again too late.
func (w *town) reaccount(t *testing.T) {
	w.apply(t)
	w.kubectl(t, "", "rollout", "restart", "deployment/aidbox")
}

// restart makes all pods anew at once.
func (w *town) restart(t *testing.T) {
	t.Helper()
	w.deletePods(t)
	w.rollOut(t) // of what may have been applied
	w.wantReplicas(t)
}

// wantReplicas waits until every replica runs, with the Clients in it. A pod that
// goes away may take two minutes, if the driver waits for something: nobody waits
// for that.
func (w *town) wantReplicas(t *testing.T) {
	t.Helper()
	var checks []finding
	if !eventually(t, time.Minute, func() bool {
		_, checks, _ = w.report(t, workload)
		return slices.ContainsFunc(checks, func(c finding) bool { return c.ID == deployment && (c.Status == "pass" || c.Status == "warn") })
	}) {
		t.Fatal(checks)
	}
	w.applyClients(t)
}

func (w *town) scaleDown(t *testing.T) {
	w.kubectl(t, "", "scale", "deployment/aidbox", "--replicas=0")
}

func (w *town) deletePods(t *testing.T) {
	w.kubectl(t, "", "delete", "pods", "-l", "app.kubernetes.io/name=aidbox", "--wait=false")
}

func (w *town) deletePod(t *testing.T) {
	w.kubectl(t, "", "delete", "pod", w.pods(t, ".metadata.name")[0], "--wait=false")
}

// leaveOneStale replaces one pod after a write that no running pod can see.
func (w *town) leaveOneStale(t *testing.T) {
	clusterFault(t, "begin", "rotation-off")
	w.ok(t, "rotate client-secret --no-verify")
	w.deletePod(t)
	w.wantReplicas(t)
}

// emptyOne takes the files of one pod away on its node, as a driver leaves a folder
// that it did not mount into, and keeps the driver from making them anew.
func (w *town) emptyOne(t *testing.T) {
	clusterFault(t, "begin", "rotation-off")
	folder := "/var/lib/kubelet/pods/" + w.pods(t, ".metadata.uid")[0] + "/volumes/kubernetes.io~csi/secrets/mount"
	node := strings.Fields(os.Getenv("CLUSTER_NODE"))
	out, err := exec.Command(node[0], append(node[1:], "sh", "-c", "cd "+folder+" && rm -rf ..data ..2* client-secret")...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// settle waits until all is well again, and makes the pods anew where that would
// take long: what keeps a pod from starting is tried again after minutes.
func (w *town) settle(t *testing.T) {
	t.Helper()
	var out string
	well := func() bool {
		var code int
		code, out, _ = w.run(t, "verify -o short")
		return code == 0
	}
	if code, _, _ := w.run(t, workload); code == 0 && eventually(t, 5*time.Second, well) {
		return
	}
	w.restart(t)
	if !eventually(t, 20*time.Second, well) {
		t.Fatal(out)
	}
}

// reportDuring runs secretctl, and where something is to begin meanwhile, begins it
// when the store has been written.
func (w *town) reportDuring(t *testing.T, begin func(*town, *testing.T), command string) (code int, checks []finding) {
	t.Helper()
	before := ""
	if begin != nil {
		before = w.version(t)
	}
	wait := w.start(t, command+" -o json")
	if begin != nil {
		deadline := time.Now().Add(10 * time.Second)
		for w.version(t) == before && time.Now().Before(deadline) {
			<-time.After(5 * time.Millisecond)
		}
		begin(w, t)
	}
	code, checks, _ = parse(t, wait)
	return code, checks
}

// version returns the version of the secret in the store.
func (w *town) version(t *testing.T) string {
	t.Helper()
	found, err := w.vault.KVv2("secret").GetMetadata(t.Context(), w.namespace+"/client")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(found.CurrentVersion)
}

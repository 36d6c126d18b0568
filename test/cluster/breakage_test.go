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

// in puts the namespace into a text.
func (rc *realCluster) in(text string) string {
	return strings.ReplaceAll(text, "NAMESPACE", rc.namespace)
}

func noop(*realCluster, *testing.T) {}

// beginFault and endFault break and restore what the whole cluster shares: see test/cluster/fault.
func beginFault(fault string) func(*realCluster, *testing.T) {
	return func(_ *realCluster, t *testing.T) { runFault(t, "begin", fault) }
}

func endFault(fault string) func(*realCluster, *testing.T) {
	return func(_ *realCluster, t *testing.T) { runFault(t, "end", fault) }
}

func runFault(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command(filepath.Join(os.Getenv("SECRETCTL_TEST_CLUSTER"), "fault"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("fault %v: %v\n%s", args, err, out)
	}
}

// deleteInVault deletes what is at a path.
func deleteInVault(path string) func(*realCluster, *testing.T) {
	return func(rc *realCluster, t *testing.T) {
		if _, err := rc.vault.Logical().Delete(rc.in(path)); err != nil {
			t.Fatal(err)
		}
	}
}

func setRoleField(field, value string) func(*realCluster, *testing.T) {
	return func(rc *realCluster, t *testing.T) {
		rc.write(t, rc.in("auth/NAMESPACE/role/NAMESPACE"), map[string]any{field: value})
	}
}

func (rc *realCluster) grantAnotherPath(t *testing.T) {
	rc.write(t, rc.in("sys/policies/acl/NAMESPACE"), map[string]any{"policy": `path "secret/data/other" { capabilities = ["read"] }`})
}

func (rc *realCluster) writeAnotherKey(t *testing.T) {
	rc.write(t, rc.in("secret/data/NAMESPACE/client"), map[string]any{"data": map[string]any{"other": "x"}})
}

func (rc *realCluster) disableAuth(t *testing.T) {
	if err := rc.vault.Sys().DisableAuth(rc.namespace); err != nil {
		t.Fatal(err)
	}
}

func (rc *realCluster) breakReviewer(t *testing.T) {
	rc.write(t, rc.in("auth/NAMESPACE/config"), map[string]any{"kubernetes_host": "https://kubernetes.default.svc", "token_reviewer_jwt": "no.token.atall"})
}

// provision restores what was changed, although it then has another owner.
func (rc *realCluster) provision(t *testing.T) { rc.ok(t, "provision --adopt") }

func (rc *realCluster) recreateAuthMethod(t *testing.T) {
	rc.disableAuth(t)
	rc.ok(t, "provision")
}

func deleteObject(object string) func(*realCluster, *testing.T) {
	return func(rc *realCluster, t *testing.T) { rc.kubectl(t, "", "delete", object) }
}

// subPath mounts one file where render mounts the folder.
var subPath = []string{
	"- name: \"secrets\"\n              mountPath: \"/run/vault-secrets\"",
	"- name: \"secrets\"\n              subPath: client-secret\n              mountPath: \"/run/vault-secrets/client-secret\"",
}

// applyReplacing applies rendered manifests with a text replaced; rollOutReplacing
// also waits for the new pods.
func applyReplacing(replace ...string) func(*realCluster, *testing.T) {
	return func(rc *realCluster, t *testing.T) { rc.apply(t, rc.in(replace[0]), rc.in(replace[1])) }
}

func rollOutReplacing(replace ...string) func(*realCluster, *testing.T) {
	return func(rc *realCluster, t *testing.T) {
		rc.apply(t, replace...)
		rc.restart(t)
	}
}

func (rc *realCluster) reapply(t *testing.T) { rc.apply(t) }

// recreateServiceAccount also restarts the rollout: a ReplicaSet that could not create
// pods backs off for longer than a test waits.
func (rc *realCluster) recreateServiceAccount(t *testing.T) {
	rc.apply(t)
	rc.kubectl(t, "", "rollout", "restart", "deployment/aidbox")
}

// restart replaces all pods at once.
func (rc *realCluster) restart(t *testing.T) {
	t.Helper()
	rc.deletePods(t)
	rc.waitForRollout(t) // in case the template changed
	rc.waitForReplicas(t)
}

// waitForReplicas waits until every replica runs, and gives each the Clients. It does not
// wait for old pods to go: that takes two minutes while the driver waits for a provider.
func (rc *realCluster) waitForReplicas(t *testing.T) {
	t.Helper()
	var checks []finding
	if !eventually(t, time.Minute, func() bool {
		_, checks, _ = rc.report(t, workload)
		return slices.ContainsFunc(checks, func(c finding) bool { return c.ID == deployment && (c.Status == "pass" || c.Status == "warn") })
	}) {
		t.Fatal(checks)
	}
	rc.applyClients(t)
}

func (rc *realCluster) scaleDown(t *testing.T) {
	rc.kubectl(t, "", "scale", "deployment/aidbox", "--replicas=0")
}

func (rc *realCluster) deletePods(t *testing.T) {
	rc.kubectl(t, "", "delete", "pods", "-l", "app.kubernetes.io/name=aidbox", "--wait=false")
}

func (rc *realCluster) deletePod(t *testing.T) {
	rc.kubectl(t, "", "delete", "pod", rc.pods(t, ".metadata.name")[0], "--wait=false")
}

// leaveOnePodStale replaces one pod after a write that no running pod can see.
func (rc *realCluster) leaveOnePodStale(t *testing.T) {
	runFault(t, "begin", "rotation-off")
	rc.ok(t, "rotate client-secret --no-verify")
	rc.deletePod(t)
	rc.waitForReplicas(t)
}

// emptyOneMount removes the files of one pod on its node, which is how a driver leaves a
// folder that it did not mount into, and keeps the driver from writing them again.
func (rc *realCluster) emptyOneMount(t *testing.T) {
	runFault(t, "begin", "rotation-off")
	folder := "/var/lib/kubelet/pods/" + rc.pods(t, ".metadata.uid")[0] + "/volumes/kubernetes.io~csi/secrets/mount"
	node := strings.Fields(os.Getenv("CLUSTER_NODE"))
	out, err := exec.Command(node[0], append(node[1:], "sh", "-c", "cd "+folder+" && rm -rf ..data ..2* client-secret")...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// restoreHealth waits until every check passes, and replaces the pods if that takes too
// long: the kubelet retries a failed mount only after minutes.
func (rc *realCluster) restoreHealth(t *testing.T) {
	t.Helper()
	var out string
	healthy := func() bool {
		var code int
		code, out, _ = rc.run(t, "verify -o short")
		return code == 0
	}
	if code, _, _ := rc.run(t, workload); code == 0 && eventually(t, 5*time.Second, healthy) {
		return
	}
	rc.restart(t)
	if !eventually(t, 20*time.Second, healthy) {
		t.Fatal(out)
	}
}

// reportDuring runs secretctl. If begin is set, it calls begin as soon as the command has
// written to the store.
func (rc *realCluster) reportDuring(t *testing.T, begin func(*realCluster, *testing.T), command string) (code int, checks []finding) {
	t.Helper()
	before := ""
	if begin != nil {
		before = rc.version(t)
	}
	wait := rc.start(t, command+" -o json")
	if begin != nil {
		deadline := time.Now().Add(10 * time.Second)
		for rc.version(t) == before && time.Now().Before(deadline) {
			<-time.After(5 * time.Millisecond)
		}
		begin(rc, t)
	}
	code, checks, _ = parse(t, wait)
	return code, checks
}

// version returns the version of the secret in the store.
func (rc *realCluster) version(t *testing.T) string {
	t.Helper()
	if rc.azure != nil {
		return rc.azure.version(t, rc.in("NAMESPACE-client-secret"))
	}
	found, err := rc.vault.KVv2("secret").GetMetadata(t.Context(), rc.namespace+"/client")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(found.CurrentVersion)
}

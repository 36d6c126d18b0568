package cluster_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestRealClusterChecksItself has the CronJob's pods run where Pod Security is
// enforced, well and then in the moments after a rotation, when Aidbox still has
// the old value.
func TestRealClusterChecksItself(t *testing.T) {
	t.Parallel()
	w := newTown(t, "job", "replicas: 2", "replicas: 1", "http://vault.default:8200", os.Getenv("CLUSTER_VAULT")) // pods look up no names
	w.kubectl(t, "", "create", "secret", "generic", "admin", "--from-literal=secret="+rootSecret)
	manifests := w.ok(t, "render --allow-http --with verify-job,rbac --image aidbox-standin:1 --admin-secret admin/secret")
	t.Cleanup(func() {
		_ = exec.Command("kubectl", "delete", "clusterrole,clusterrolebinding", w.namespace+"-aidbox-secretctl").Run()
	})
	w.kubectl(t, manifests, "apply", "--validate=strict", "--server-side", "-f", "-")

	t.Run("well", func(t *testing.T) {
		said := w.runJob(t, "well", "Complete")
		for _, id := range []string{
			"mount/present", "mount/readable", "mount/matches-store", "mount/status", "mount/vault-config",
			"client/exists", "client/masked", "client/reference",
			"auth/accepts-secret", "auth/rejects-wrong", "auth/rejects-empty", "auth/token",
		} {
			if !strings.Contains(said, "√ "+id+" ") {
				t.Errorf("%s did not pass", id)
			}
		}
	})
	t.Run("stale", func(t *testing.T) {
		w.write(t, "secret/data/"+w.namespace+"/client", map[string]any{"data": map[string]any{"client-secret": "rotated-in-the-test"}})
		said := w.runJob(t, "stale", "Failed")
		for _, line := range []string{"√ mount/matches-store ", "× auth/accepts-secret ", "× auth/token "} {
			if !strings.Contains(said, line) {
				t.Errorf("it does not say %q", line)
			}
		}
	})
	t.Run("rights", func(t *testing.T) { w.wantRenderedRights(t) })
}

// runJob makes a Job of the CronJob, waits until it ends in that way, and returns
// what it said.
func (w *town) runJob(t *testing.T, name, ends string) string {
	t.Helper()
	w.kubectl(t, "", "create", "job", name, "--from=cronjob/aidbox-verify")
	for deadline := time.Now().Add(time.Minute); ; <-time.After(200 * time.Millisecond) {
		conditions := w.kubectl(t, "", "get", "job", name, "-o", `jsonpath={.status.conditions[?(@.status=="True")].type}`)
		if strings.Contains(conditions, "Complete") || strings.Contains(conditions, "Failed") || time.Now().After(deadline) {
			said := w.kubectl(t, "", "logs", "job/"+name)
			t.Logf("job %s: %s\n%s", name, conditions, said)
			if !strings.Contains(conditions, ends) {
				t.Fatalf("the job ended %q, not %s\n%s", conditions, ends, w.kubectl(t, "", "describe", "pod", "-l", "job-name="+name))
			}
			return said
		}
	}
}

// wantRenderedRights verifies as one who has the rendered rights and no other.
func (w *town) wantRenderedRights(t *testing.T) {
	const account = "runner"
	file := w.kubeconfig(t, account)
	w.kubectl(t, "", "create", "rolebinding", account, "--role=aidbox-secretctl", "--serviceaccount="+w.namespace+":"+account)
	w.kubectl(t, "", "create", "clusterrolebinding", w.namespace+"-aidbox-secretctl", "--clusterrole="+w.namespace+"-aidbox-secretctl", "--serviceaccount="+w.namespace+":"+account)
	for _, command := range []string{"verify workload mount client", "verify cluster store"} {
		code, checks, _ := w.report(t, command+" --kubeconfig "+file)
		if strings.Contains(command, "workload") && code == 3 {
			t.Errorf("something could not be found out: %v", checks)
		}
		for _, c := range checks {
			if strings.Contains(c.Detail+c.Hint, "forbidden") || strings.Contains(c.Hint, "rbac.md") {
				t.Errorf("the rendered rights are too few: %s", c)
			}
		}
	}
	if code, _, narration := w.run(t, "diff --kubeconfig "+file); code != 0 && code != 1 || strings.Contains(narration, "forbidden") {
		t.Errorf("diff ended with %d: %s", code, narration)
	}
}

package cmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRealClusterChecksItself has the CronJob's pods run where Pod Security is
// enforced, well and then in the moments after a rotation, when Aidbox still has
// the old value.
func TestRealClusterChecksItself(t *testing.T) {
	w := newTown(t, "canary: true\n", "", "replicas: 2", "replicas: 1")
	if said := w.kubectl(t, "", "label", "namespace", w.namespace, "pod-security.kubernetes.io/enforce=restricted"); strings.Contains(said, "Warning") {
		t.Errorf("the pods that run are not restricted: %s", said)
	}
	w.kubectl(t, "", "create", "secret", "generic", "admin", "--from-literal=secret="+rootSecret)
	manifests := w.ok(t, "render", "--with", "verify-job,rbac", "--image", w.image(t), "--admin-secret", "admin/secret")
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
		w.wantEvent(t, "SecretctlVerified", "12 checks: 12 passed")
	})
	t.Run("stale", func(t *testing.T) {
		w.write(t, "secret/data/"+w.namespace+"/client", map[string]any{"data": map[string]any{"client-secret": "rotated-in-the-test"}})
		said := w.runJob(t, "stale", "Failed")
		for _, line := range []string{"√ mount/matches-store ", "× auth/accepts-secret ", "× auth/token "} {
			if !strings.Contains(said, line) {
				t.Errorf("it does not say %q", line)
			}
		}
		w.wantEvent(t, "SecretctlVerifyFailed", "auth/accepts-secret Client/basic is fail")
	})
	t.Run("rights", func(t *testing.T) { w.wantRenderedRights(t) })
}

// image returns the image of this source, where the cluster's folder can make one.
func (w *town) image(t *testing.T) string {
	t.Helper()
	maker := filepath.Join(os.Getenv("SECRETCTL_TEST_CLUSTER"), "image")
	if _, err := os.Stat(maker); err != nil {
		if given := os.Getenv("SECRETCTL_TEST_IMAGE"); given != "" {
			return given
		}
		return "docker.io/library/aidbox-standin:1"
	}
	name, binary := "docker.io/library/secretctl:"+w.namespace, filepath.Join(w.dir, "secretctl")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	for _, c := range []*exec.Cmd{build, exec.Command(maker, name, binary)} {
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", c.Args, err, out)
		}
	}
	return name
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

func (w *town) wantEvent(t *testing.T, reason, says string) {
	t.Helper()
	notes := w.kubectl(t, "", "get", "events", "--field-selector=reason="+reason+",involvedObject.kind=Deployment,involvedObject.name=aidbox", "-o", "jsonpath={.items[*].message}")
	if !strings.Contains(notes, says) {
		t.Errorf("events of %s say %q, and not %q", reason, notes, says)
	}
}

// wantRenderedRights verifies as one who has the rendered rights and no other.
func (w *town) wantRenderedRights(t *testing.T) {
	const account = "runner"
	w.kubectl(t, "", "create", "serviceaccount", account)
	w.kubectl(t, "", "create", "rolebinding", account, "--role=aidbox-secretctl", "--serviceaccount="+w.namespace+":"+account)
	w.kubectl(t, "", "create", "clusterrolebinding", w.namespace+"-aidbox-secretctl", "--clusterrole="+w.namespace+"-aidbox-secretctl", "--serviceaccount="+w.namespace+":"+account)
	token := w.kubectl(t, "", "create", "token", account)
	file := filepath.Join(w.dir, "kubeconfig")
	if err := os.WriteFile(file, []byte(w.kubectl(t, "", "config", "view", "--raw", "--minify", "--flatten")), 0o600); err != nil {
		t.Fatal(err)
	}
	w.kubectl(t, "", "--kubeconfig", file, "config", "set-credentials", account, "--token="+token)
	w.kubectl(t, "", "--kubeconfig", file, "config", "set-context", "--current", "--user="+account)
	if who := w.kubectl(t, "", "--kubeconfig", file, "auth", "whoami"); !strings.Contains(who, w.namespace+":"+account) {
		t.Fatalf("is %s", who)
	}
	for _, args := range [][]string{{"verify", "workload", "mount", "client", "--event"}, {"verify", "cluster", "store"}} {
		code, checks, _ := w.report(t, append(args, "--kubeconfig", file)...)
		if args[1] == "workload" && code == 3 {
			t.Errorf("something could not be found out, or left as an Event: %v", checks)
		}
		for _, c := range checks {
			if strings.Contains(c.Detail+c.Hint, "forbidden") || strings.Contains(c.Hint, "rbac.md") {
				t.Errorf("the rendered rights are too few: %s", c)
			}
		}
	}
	if code, _, narration := w.run(t, "diff", "--kubeconfig", file); code != 0 && code != 1 || strings.Contains(narration, "forbidden") {
		t.Errorf("diff ended with %d: %s", code, narration)
	}
}

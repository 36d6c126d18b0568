package cluster_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestRealClusterRunsVerifyJob runs the CronJob's pods where Pod Security is enforced: once
// while everything is healthy, and once after a rotation, before Aidbox has the new value.
func TestRealClusterRunsVerifyJob(t *testing.T) {
	t.Parallel()
	rc := newRealCluster(t, "job", "replicas: 2", "replicas: 1", "http://vault.default:8200", os.Getenv("CLUSTER_VAULT")) // the cluster has no DNS
	rc.kubectl(t, "", "create", "secret", "generic", "admin", "--from-literal=secret="+rootSecret)
	const withJob = " --allow-http --with verify-job --image aidbox-standin:1 --admin-secret admin/secret"
	rc.kubectl(t, rc.ok(t, "render"+withJob), "apply", "--validate=strict", "--server-side", "-f", "-")
	rc.ok(t, "diff --only cluster"+withJob)

	t.Run("healthy", func(t *testing.T) {
		said := rc.runJob(t, "aidbox-verify", "healthy", "Complete")
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
		rc.ok(t, "rotate client-secret") // after a rotation, the driver skips the mount for an interval
		rc.write(t, "secret/data/"+rc.namespace+"/client", map[string]any{"data": map[string]any{"client-secret": "rotated-in-the-test"}})
		said := rc.runJob(t, "aidbox-verify", "stale", "Failed")
		for _, line := range []string{"√ mount/matches-store ", "× auth/accepts-secret ", "× auth/token "} {
			if !strings.Contains(said, line) {
				t.Errorf("the log has no line %q", line)
			}
		}
	})
}

// runJob creates a Job from a CronJob, waits until it has the given condition, and
// returns its log.
func (rc *realCluster) runJob(t *testing.T, cronJob, name, condition string) string {
	t.Helper()
	rc.startJob(t, cronJob, name)
	return rc.jobLog(t, name, condition)
}

func (rc *realCluster) startJob(t *testing.T, cronJob, name string) {
	t.Helper()
	rc.kubectl(t, "", "create", "job", name, "--from=cronjob/"+cronJob)
}

// waitForLog waits until the log of a Job has a text.
func (rc *realCluster) waitForLog(t *testing.T, name, text string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-time.After(200 * time.Millisecond) {
		if said, _ := exec.Command("kubectl", "-n", rc.namespace, "logs", "job/"+name).CombinedOutput(); strings.Contains(string(said), text) {
			return
		}
	}
	t.Fatalf("the log of job %s has no %q", name, text)
}

// jobLog waits until a Job has the given condition, and returns its log.
func (rc *realCluster) jobLog(t *testing.T, name, condition string) string {
	t.Helper()
	for deadline := time.Now().Add(8 * time.Minute); ; <-time.After(200 * time.Millisecond) {
		conditions := rc.kubectl(t, "", "get", "job", name, "-o", `jsonpath={.status.conditions[?(@.status=="True")].type}`)
		if strings.Contains(conditions, "Complete") || strings.Contains(conditions, "Failed") || time.Now().After(deadline) {
			said := rc.kubectl(t, "", "logs", "job/"+name)
			t.Logf("job %s: %s\n%s", name, conditions, said)
			if !strings.Contains(conditions, condition) {
				t.Fatalf("the job has conditions %q, not %s\n%s", conditions, condition, rc.kubectl(t, "", "describe", "pod", "-l", "job-name="+name))
			}
			return said
		}
	}
}

package cluster_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// TestRealClusterDoctorAndDiff runs them without any rights, before anything is installed,
// and against objects that differ from the config.
func TestRealClusterDoctorAndDiff(t *testing.T) {
	t.Parallel()
	rc := newRealCluster(t, "doctor")
	t.Run("no rights in the cluster", func(t *testing.T) { rc.testMissingRights(t) })
	t.Run("nothing installed", func(t *testing.T) { rc.testNothingInstalled(t) })
	t.Run("probe", func(t *testing.T) { rc.testKilledProbe(t) })
	t.Run("diff", func(t *testing.T) { rc.testDiff(t) })
}

// testKilledProbe kills doctor while its throw-away pod exists, and runs it again.
func (rc *realCluster) testKilledProbe(t *testing.T) {
	c := rc.command("doctor --from-node")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	left := func() bool { return rc.probes(t) != "" }
	if !eventually(t, 10*time.Second, left) {
		t.Error("there never was a pod")
	}
	_ = c.Process.Kill()
	_ = c.Wait() // it was killed
	if !left() {
		t.Error("the pod went although doctor was killed")
	}
	t.Log(rc.ok(t, "doctor --from-node"))
	rc.checkNoProbe(t)
}

// probes returns the throw-away pods of doctor.
func (rc *realCluster) probes(t *testing.T) string {
	t.Helper()
	return rc.kubectl(t, "", "get", "pods", "-l", "secretctl.dev/probe", "-o", "name")
}

func (rc *realCluster) checkNoProbe(t *testing.T) {
	t.Helper()
	if !eventually(t, 2*time.Minute, func() bool { return rc.probes(t) == "" }) {
		t.Errorf("doctor left %s", rc.probes(t))
	}
}

func (rc *realCluster) testMissingRights(t *testing.T) {
	nobody := rc.kubeconfig(t, "nobody")
	_, checks, _ := rc.report(t, "doctor --kubeconfig "+nobody)
	for _, n := range []expectation{
		{"doctor", "cluster/csi-driver", "unknown", `this takes the verb "get" on "csidrivers"`},
		{"doctor", podCanRead, "unknown", `this takes the verb "create" on "serviceaccounts/token"`},
	} {
		if _, ok := n.among(checks); !ok {
			t.Errorf("no check says %q: %v", n.says, checks)
		}
	}
	code, out, _ := rc.run(t, "diff --only cluster --kubeconfig "+nobody)
	if code != 3 || !strings.Contains(out, "  ? Deployment ") || !strings.Contains(out, "docs/rbac.md") {
		t.Errorf("diff: exit code %d\n%s", code, out)
	}
}

func (rc *realCluster) testNothingInstalled(t *testing.T) {
	text, err := os.ReadFile(rc.config())
	if err != nil {
		t.Fatal(err)
	}
	fresh := &realCluster{namespace: "absent-" + rc.namespace, dir: t.TempDir(), vault: rc.vault}
	if err := os.WriteFile(fresh.config(), []byte(strings.ReplaceAll(string(text), rc.namespace, fresh.namespace)), 0o600); err != nil {
		t.Fatal(err)
	}
	code, checks, _ := fresh.report(t, "doctor")
	got := map[string]string{}
	for _, c := range checks {
		t.Log(c)
		got[c.ID] = c.Status
	}
	for id, status := range map[string]string{"cluster/api": "pass", "store/reachable": "pass", "store/secret-present": "fail", podCanRead: "unknown", "aidbox/reachable": "unknown"} {
		if got[id] != status {
			t.Errorf("%s is %s, not %s", id, got[id], status)
		}
	}
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	code, out, _ := fresh.run(t, "diff --only cluster,store")
	for _, want := range []string{"  + ServiceAccount ", "  + SecretProviderClass ", "  + ConfigMap ", "  + Deployment ", "  + secret/", "  + auth/", "  + sys/policies/acl/"} {
		if !strings.Contains(out, want) {
			t.Errorf("diff does not print %q", want)
		}
	}
	if code != 1 {
		t.Errorf("diff: exit code %d\n%s", code, out)
	}
}

func (rc *realCluster) testDiff(t *testing.T) {
	if code, out, said := rc.run(t, "diff --only cluster,store"); code != 0 || out != "" {
		t.Errorf("after apply: exit code %d\n%s%s", code, out, said)
	}
	rc.kubectl(t, "", "set", "env", "deployment/aidbox", "BOX_ROOT_CLIENT_SECRET=canary-in-the-deployment")
	rc.kubectl(t, "", "set", "image", "deployment/aidbox", "aidbox=busybox:1")
	rc.kubectl(t, "", "delete", "serviceaccount", "aidbox")
	rc.kubectl(t, "", "patch", "configmap", "aidbox-vault-config", "--type=merge", "-p", `{"data": {"vault-config.json": "{\"secret\": {}}"}}`)
	rc.kubectl(t, "", "patch", "secretproviderclass", "aidbox-vault-secrets", "--type=merge", "-p", `{"spec": {"parameters": {"roleName": "other"}}}`)
	_ = rc.vault.Sys().DeletePolicy(rc.namespace)
	code, out, said := rc.run(t, "diff --only cluster,store")
	t.Log("\n" + out)
	for _, want := range []string{
		"+ ServiceAccount " + rc.namespace + "/aidbox: to be created",
		`spec.parameters.roleName: "other" -> "` + rc.namespace + `"`,
		`data["vault-config.json"].secret.client-secret.path: (none) -> "/run/vault-secrets/client-secret"`,
		`.containers[aidbox].image: "busybox:1" -> "`, `.containers[aidbox].env[BOX_ROOT_CLIENT_SECRET].value: differs (not shown)`,
		"+ sys/policies/acl/" + rc.namespace,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("diff does not print %q", want)
		}
	}
	if code != 1 || strings.Contains(out+said, "canary-in") || strings.Contains(out+said, rootSecret) {
		t.Errorf("exit code %d, or a value is printed:\n%s%s", code, out, said)
	}
	code, out, _ = rc.run(t, "diff --only cluster -o json")
	if code != 1 || !json.Valid([]byte(out)) || strings.Contains(out, "canary-in") || strings.Contains(out, rootSecret) {
		t.Errorf("exit code %d, invalid JSON, or a value is printed:\n%s", code, out)
	}
	rc.apply(t)
	rc.ok(t, "provision")
	if code, out, said := rc.run(t, "diff --only cluster,store"); code != 0 {
		t.Errorf("after applying again: exit code %d\n%s%s", code, out, said)
	}
}

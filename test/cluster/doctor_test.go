package cluster_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestRealClusterDoctorAndDiff looks as one who may do nothing, at nothing, and at
// what differs from the config.
func TestRealClusterDoctorAndDiff(t *testing.T) {
	t.Parallel()
	w := newTown(t, "doctor")
	t.Run("no rights in the cluster", func(t *testing.T) { w.wantRightsNamed(t) })
	t.Run("nothing there", func(t *testing.T) { w.wantNothingThere(t) })
	t.Run("diff", func(t *testing.T) { w.wantDifferences(t) })
}

func (w *town) wantRightsNamed(t *testing.T) {
	nobody := w.kubeconfig(t, "nobody")
	_, checks, _ := w.report(t, "doctor --kubeconfig "+nobody)
	for _, n := range []naming{
		{"doctor", "cluster/csi-driver", "unknown", `this takes the verb "get" on "csidrivers"`},
		{"doctor", podCanRead, "unknown", `this takes the verb "create" on "serviceaccounts/token"`},
	} {
		if _, ok := n.among(checks); !ok {
			t.Errorf("nobody says %q: %v", n.says, checks)
		}
	}
	code, out, _ := w.run(t, "diff --only cluster --kubeconfig "+nobody)
	if code != 3 || !strings.Contains(out, "  ? Deployment ") || !strings.Contains(out, "docs/rbac.md") {
		t.Errorf("diff: exit code %d\n%s", code, out)
	}
}

// wantNothingThere looks at a delivery of which nothing is installed.
func (w *town) wantNothingThere(t *testing.T) {
	text, err := os.ReadFile(w.config())
	if err != nil {
		t.Fatal(err)
	}
	fresh := &town{namespace: "absent-" + w.namespace, dir: t.TempDir(), vault: w.vault}
	if err := os.WriteFile(fresh.config(), []byte(strings.ReplaceAll(string(text), w.namespace, fresh.namespace)), 0o600); err != nil {
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
			t.Errorf("the difference lacks %q", want)
		}
	}
	if code != 1 {
		t.Errorf("diff: exit code %d\n%s", code, out)
	}
}

func (w *town) wantDifferences(t *testing.T) {
	if code, out, said := w.run(t, "diff --only cluster,store"); code != 0 || out != "" {
		t.Errorf("where all is applied: exit code %d\n%s%s", code, out, said)
	}
	w.kubectl(t, "", "set", "env", "deployment/aidbox", "BOX_ROOT_CLIENT_SECRET=canary-in-the-deployment")
	w.kubectl(t, "", "set", "image", "deployment/aidbox", "aidbox=busybox:1")
	w.kubectl(t, "", "delete", "serviceaccount", "aidbox")
	w.kubectl(t, "", "patch", "configmap", "aidbox-vault-config", "--type=merge", "-p", `{"data": {"vault-config.json": "{\"secret\": {}}"}}`)
	w.kubectl(t, "", "patch", "secretproviderclass", "aidbox-vault-secrets", "--type=merge", "-p", `{"spec": {"parameters": {"roleName": "other"}}}`)
	_ = w.vault.Sys().DeletePolicy(w.namespace)
	code, out, said := w.run(t, "diff --only cluster,store")
	t.Log("\n" + out)
	for _, want := range []string{
		"+ ServiceAccount " + w.namespace + "/aidbox: to be created",
		`spec.parameters.roleName: "other" -> "` + w.namespace + `"`,
		`data["vault-config.json"].secret.client-secret.path: (none) -> "/run/vault-secrets/client-secret"`,
		`.containers[aidbox].image: "busybox:1" -> "`, `.containers[aidbox].env[BOX_ROOT_CLIENT_SECRET].value: differs (not shown)`,
		"+ sys/policies/acl/" + w.namespace,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the difference lacks %q", want)
		}
	}
	if code != 1 || strings.Contains(out+said, "canary-in") || strings.Contains(out+said, rootSecret) {
		t.Errorf("exit code %d, or a value is shown:\n%s%s", code, out, said)
	}
	code, out, _ = w.run(t, "diff --only cluster -o json")
	if code != 1 || !json.Valid([]byte(out)) || strings.Contains(out, "canary-in") || strings.Contains(out, rootSecret) {
		t.Errorf("exit code %d, no JSON, or a value is shown:\n%s", code, out)
	}
	w.apply(t)
	w.ok(t, "provision")
	if code, out, said := w.run(t, "diff --only cluster,store"); code != 0 {
		t.Errorf("where all is applied again: exit code %d\n%s%s", code, out, said)
	}
}

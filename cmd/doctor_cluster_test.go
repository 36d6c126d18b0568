package cmd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRealClusterDoctorAndDiff breaks each step of the login that the pod does, and
// then what the config is compared with; both in one town, which takes a while to
// set up.
func TestRealClusterDoctorAndDiff(t *testing.T) {
	w := newTown(t, "canary: true\n", "") // whose path in the store all towns share
	t.Run("well", func(t *testing.T) { w.wantWell(t) })
	for _, f := range hopFaults {
		t.Run(f.name, func(t *testing.T) { w.wantHop(t, f) })
	}
	t.Run("no rights in the cluster", func(t *testing.T) { w.wantRightsNamed(t) })
	t.Run("nothing there", func(t *testing.T) { w.wantNothingThere(t) })
	t.Run("diff", func(t *testing.T) { w.wantDifferences(t) })
}

// wantWell leaves out what the flags of the driver's DaemonSet tell: the cluster of
// the tests runs the driver without one.
func (w *town) wantWell(t *testing.T) {
	_, checks, _ := w.report(t, "doctor")
	var passed []string
	for _, c := range checks {
		t.Log(c)
		if c.Status == "pass" {
			passed = append(passed, c.ID)
		} else if c.ID != "cluster/rotation-enabled" && c.ID != "cluster/provider" {
			t.Error(c)
		}
	}
	for _, id := range []string{"cluster/api", "cluster/csi-driver", "cluster/crds", "cluster/token-requests", "store/reachable", "store/secret-present", "store/pod-can-read", "aidbox/reachable", "aidbox/version"} {
		if !slices.Contains(passed, id) {
			t.Errorf("%s did not pass", id)
		}
	}
}

// hopFault is one thing on the pod's way to its secrets that is not as it should be.
type hopFault struct {
	name                string
	spoil, mend         func(*town, *testing.T)
	check, status, says string
}

const podCanRead = "store/pod-can-read"

var hopFaults = []hopFault{
	{"ServiceAccount missing", func(w *town, t *testing.T) { w.kubectl(t, "", "delete", "serviceaccount", "aidbox") }, (*town).reapply, podCanRead, "unknown", "aidbox does not exist"},
	{"auth method missing", func(w *town, _ *testing.T) { _ = w.vault.Sys().DisableAuth(w.namespace) }, (*town).reauth, podCanRead, "fail", "there is no auth method at auth/"},
	{"role missing", func(w *town, _ *testing.T) { _, _ = w.vault.Logical().Delete(w.role()) }, (*town).reprovision, podCanRead, "fail", "does not exist (answered 400"},
	{"wrong ServiceAccount", roleWith("bound_service_account_names", "other"), (*town).reprovision, podCanRead, "fail", `lets in the ServiceAccounts "other", not "aidbox" (answered 403`},
	{"wrong namespace", roleWith("bound_service_account_namespaces", "other"), (*town).reprovision, podCanRead, "fail", `lets in the namespaces "other", not "secretctl-e2e-`},
	{"wrong audience", roleWith("audience", "elsewhere"), (*town).reprovision, podCanRead, "fail", `wants a token for the audience "elsewhere", and the pod's is for "vault" (answered 403`},
	{"policy not in the role", roleWith("token_policies", "other"), (*town).reprovision, podCanRead, "fail", `gives the policies "default", "other" and not`},
	{"policy missing", func(w *town, _ *testing.T) { _ = w.vault.Sys().DeletePolicy(w.namespace) }, (*town).reprovision, podCanRead, "fail", `does not exist | run: secretctl provision --phase policy`},
	{"policy without the path", func(w *town, _ *testing.T) {
		_ = w.vault.Sys().PutPolicy(w.namespace, `path "secret/data/other" { capabilities = ["read"] }`)
	}, (*town).reprovision, podCanRead, "fail", "does not grant it"},
	{"path missing", func(w *town, _ *testing.T) {
		_, _ = w.vault.Logical().Delete("secret/metadata/" + w.namespace + "/client")
	}, (*town).reprovision, podCanRead, "fail", "is not in the store"},
	{"key missing", func(w *town, t *testing.T) {
		w.write(t, "secret/data/"+w.namespace+"/client", map[string]any{"data": map[string]any{"other": "x"}})
	}, (*town).reprovision, podCanRead, "fail", "has no such key | it has other"},
	{"key missing in the store", func(w *town, t *testing.T) {
		w.write(t, "secret/data/"+w.namespace+"/client", map[string]any{"data": map[string]any{"other": "x"}})
	}, (*town).reprovision, "store/secret-present", "fail", "has no such key"},
	{"reviewer without rights", func(w *town, t *testing.T) {
		w.write(t, "auth/"+w.namespace+"/config", map[string]any{"kubernetes_host": os.Getenv("CLUSTER_API"), "kubernetes_ca_cert": w.ca(t), "token_reviewer_jwt": "no.token.atall"})
	}, (*town).reauth, podCanRead, "fail", "could not have the cluster review it"},
}

func (w *town) role() string { return "auth/" + w.namespace + "/role/" + w.namespace }

func (w *town) ca(t *testing.T) string {
	t.Helper()
	ca, err := os.ReadFile(os.Getenv("CLUSTER_CA"))
	if err != nil {
		t.Fatal(err)
	}
	return string(ca)
}

// roleWith changes one field of the role.
func roleWith(field, value string) func(*town, *testing.T) {
	return func(w *town, t *testing.T) { w.write(t, w.role(), map[string]any{field: value}) }
}

// reauth puts the auth method back, and with it the role.
func (w *town) reauth(t *testing.T) {
	_, _ = w.vault.Logical().Write("sys/auth/"+w.namespace, map[string]any{"type": "kubernetes"}) // which may be there
	w.write(t, "auth/"+w.namespace+"/config", map[string]any{
		"kubernetes_host": os.Getenv("CLUSTER_API"), "kubernetes_ca_cert": w.ca(t), "token_reviewer_jwt": os.Getenv("CLUSTER_REVIEWER_JWT"),
	})
	w.ok(t, "provision")
}

func (w *town) wantHop(t *testing.T, f hopFault) {
	f.spoil(w, t)
	w.wantCheck(t, []string{"doctor"}, f)
	w.wantCheck(t, []string{"verify", "store"}, f)
	f.mend(w, t)
	w.wantCheck(t, []string{"verify", "store"}, hopFault{check: f.check, status: "pass"})
}

func (w *town) wantCheck(t *testing.T, args []string, f hopFault) {
	t.Helper()
	code, checks, _ := w.report(t, args...)
	for _, c := range checks {
		if c.ID != f.check {
			continue
		}
		t.Log(c)
		if !strings.Contains(c.Detail+" | "+c.Hint, f.says) || c.Status != f.status {
			t.Errorf("want %s: %q", f.status, f.says)
		}
		if want := map[string]int{"fail": 1, "unknown": 3, "pass": 0}[f.status]; code != want {
			t.Errorf("%v: exit code %d, not %d", args, code, want)
		}
		return
	}
	t.Errorf("%v: no %s", args, f.check)
}

// nobody returns a kubeconfig for a ServiceAccount that may do nothing.
func (w *town) nobody(t *testing.T) string {
	t.Helper()
	w.kubectl(t, "", "create", "serviceaccount", "nobody")
	token := strings.TrimSpace(w.kubectl(t, "", "create", "token", "nobody"))
	path := filepath.Join(w.dir, "nobody")
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
		"clusters": [{"name": "c", "cluster": {"server": %q, "certificate-authority": %q}}], "users": [{"name": "u", "user": {"token": %q}}]}`,
		os.Getenv("CLUSTER_API"), os.Getenv("CLUSTER_CA"), token)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (w *town) wantRightsNamed(t *testing.T) {
	args := []string{"doctor", "--kubeconfig", w.nobody(t)}
	for _, f := range []hopFault{
		{check: "cluster/csi-driver", status: "unknown", says: `this takes the verb "get" on "csidrivers"`},
		{check: podCanRead, status: "unknown", says: `this takes the verb "create" on "serviceaccounts/token"`},
	} {
		w.wantCheck(t, args, f)
	}
	code, out, _ := w.run(t, append([]string{"diff", "--only", "cluster"}, args[1:]...)...)
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
	code, out, _ := fresh.run(t, "diff", "--only", "cluster,store")
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
	if code, out, said := w.run(t, "diff", "--only", "cluster,store"); code != 0 || out != "" {
		t.Errorf("where all is applied: exit code %d\n%s%s", code, out, said)
	}
	w.kubectl(t, "", "set", "env", "deployment/aidbox", "BOX_ROOT_CLIENT_SECRET=canary-in-the-deployment")
	w.kubectl(t, "", "set", "image", "deployment/aidbox", "aidbox=busybox:1")
	w.kubectl(t, "", "delete", "serviceaccount", "aidbox")
	w.kubectl(t, "", "patch", "configmap", "aidbox-vault-config", "--type=merge", "-p", `{"data": {"vault-config.json": "{\"secret\": {}}"}}`)
	w.kubectl(t, "", "patch", "secretproviderclass", "aidbox-vault-secrets", "--type=merge", "-p", `{"spec": {"parameters": {"roleName": "other"}}}`)
	_ = w.vault.Sys().DeletePolicy(w.namespace)
	code, out, said := w.run(t, "diff", "--only", "cluster,store")
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
	code, out, _ = w.run(t, "diff", "--only", "cluster", "-o", "json")
	if code != 1 || !json.Valid([]byte(out)) || strings.Contains(out, "canary-in") || strings.Contains(out, rootSecret) {
		t.Errorf("exit code %d, no JSON, or a value is shown:\n%s", code, out)
	}
	w.apply(t)
	w.ok(t, "provision")
	if code, out, said := w.run(t, "diff", "--only", "cluster,store"); code != 0 {
		t.Errorf("where all is applied again: exit code %d\n%s%s", code, out, said)
	}
}

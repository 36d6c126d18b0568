package cluster_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
)

// existingAidbox is an Aidbox that somebody runs without secretctl, in a folder with
// its manifests.
type existingAidbox struct{ *realCluster }

// newExisting makes the namespace and the folder.
func newExisting(t *testing.T, name string, files map[string]string) *existingAidbox {
	t.Helper()
	requireCluster(t)
	vault, err := api.NewClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	x := &existingAidbox{&realCluster{namespace: name, dir: t.TempDir(), vault: vault}}
	t.Cleanup(func() {
		_ = vault.Sys().DisableAuth(name)
		_ = vault.Sys().DeletePolicy(name)
		_, _ = vault.Logical().Delete("secret/metadata/" + name + "/client-secret")
		_ = exec.Command("kubectl", "delete", "namespace", name, "--wait=false").Run()
	})
	for file, text := range files {
		x.writeFile(t, file, text)
	}
	x.kubectl(t, "", "delete", "namespace", name, "--ignore-not-found") // left by an earlier run
	x.kubectl(t, "", "create", "namespace", name)
	x.kubectl(t, rootSecret, "create", "secret", "generic", "admin", "--from-file=secret=/dev/stdin")
	return x
}

func (x *existingAidbox) writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(x.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// sh runs a line of docs/running-aidbox.md in the folder.
func (x *existingAidbox) sh(t *testing.T, line string) {
	t.Helper()
	c := exec.Command("bash", "-euo", "pipefail", "-c", line)
	c.Dir, c.Env = x.dir, x.environ()
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("$ %s\n%s%v", line, out, err)
	}
	t.Log("$ " + line)
}

// describe runs init, and gives the delivery names of its own in Vault. replace changes
// the config further.
func (x *existingAidbox) describe(t *testing.T, workload, csiAddress string, replace ...string) {
	t.Helper()
	x.sh(t, "secretctl init --provider vault --from-deployment "+workload+" --namespace "+x.namespace+
		" --csi-addr "+csiAddress+" --aidbox-url service --no-input")
	text, err := os.ReadFile(x.config())
	if err != nil {
		t.Fatal(err)
	}
	config := string(text)
	replace = append([]string{"# authMount: kubernetes\n", "authMount: " + x.namespace + "\n  role: " + x.namespace + "\n", "path: aidbox/", "path: " + x.namespace + "/"}, replace...)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(config, replace[i]) {
			t.Fatalf("the config has no %q:\n%s", replace[i], config)
		}
		config = strings.ReplaceAll(config, replace[i], replace[i+1])
	}
	x.writeFile(t, "secretctl.yaml", config)
}

// wantWorking verifies, rotates, and compares.
func (x *existingAidbox) wantWorking(t *testing.T, diff string) {
	t.Helper()
	t.Log("\n$ secretctl verify\n" + x.ok(t, "verify"))
	t.Log("\n$ secretctl rotate client-secret --nudge\n" + x.ok(t, "rotate client-secret --nudge"))
	if out := x.ok(t, diff); out != "" {
		t.Errorf("%s prints\n%s", diff, out)
	}
}

// check returns what doctor finds.
func (x *existingAidbox) check(t *testing.T, id string) finding {
	t.Helper()
	_, checks, _ := x.report(t, "doctor")
	for _, c := range checks {
		if c.ID == id {
			return c
		}
	}
	t.Fatalf("doctor has no %s", id)
	return finding{}
}

const somebodysPod = `
  template:
    metadata: {labels: {app: records}}
    spec:
      serviceAccountName: records
      terminationGracePeriodSeconds: 0
      containers:
        - name: web
          image: aidbox-standin:1
          env: [{name: BOX_ROOT_CLIENT_SECRET, valueFrom: {secretKeyRef: {name: admin, key: secret}}}]
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 1}
`

const somebodysAccount = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: records}\n---\n"

// applyPatch applies what the pods refer to, and merges the rest into the workload.
// A server-side apply would do it only once: kubectl then makes the fields of a manifest
// that was applied before its own, and misses them the next time.
const applyPatch = "secretctl render --skip StatefulSet | kubectl apply -f - && " +
	"secretctl render --patch | kubectl patch -n manifest statefulset records --patch-file /dev/stdin"

// TestRealClusterTakesOverAStatefulSet does it with a manifest of somebody's, and a Vault
// with TLS and a private CA.
func TestRealClusterTakesOverAStatefulSet(t *testing.T) {
	t.Parallel()
	x := newExisting(t, "manifest", map[string]string{"records.yaml": somebodysAccount + `apiVersion: apps/v1
kind: StatefulSet
metadata: {name: records}
spec:
  serviceName: records
  selector: {matchLabels: {app: records}}` + somebodysPod})
	x.env = []string{"VAULT_ADDR=" + os.Getenv("CLUSTER_VAULT_TLS"), "VAULT_CACERT=" + os.Getenv("CLUSTER_VAULT_CA")}
	x.sh(t, "kubectl apply -n manifest -f records.yaml && kubectl rollout status -n manifest statefulset/records --timeout=60s")

	x.describe(t, "records", "https://vault.default:8443")
	x.ok(t, "provision")
	if c := x.check(t, "cluster/ownership"); c.Status != "warn" || !strings.Contains(c.Detail, "ServiceAccount manifest/records was made by something other than secretctl") {
		t.Error(c)
	}
	x.sh(t, "sed -i 's|^  authMount: .*|&\\n  csiCACertPath: /vault/tls/ca.pem\\n  csiTLSServerName: vault.internal|' secretctl.yaml")
	x.sh(t, applyPatch)
	x.sh(t, "kubectl rollout status -n manifest statefulset/records --timeout=60s")
	x.ok(t, "client apply")
	x.wantWorking(t, "diff")
	for id, want := range map[string]string{"cluster/ownership": "pass", "cluster/provider": "pass", "store/pod-can-read": "pass"} {
		if c := x.check(t, id); c.Status != want {
			t.Error(c)
		}
	}

	// The provider refuses the certificate without the CA, which doctor knows before.
	x.sh(t, "sed -i \"/csiCACertPath/d; s|csiAddress: .*|csiAddress: $CLUSTER_VAULT_TLS|\" secretctl.yaml")
	if c := x.check(t, "store/pod-can-read"); c.Status != "warn" || !strings.Contains(c.Detail, "the SecretProviderClass names none") {
		t.Error(c)
	}
	x.sh(t, applyPatch+" && kubectl delete pod -n manifest records-0")
	if !eventually(t, 2*time.Minute, func() bool { return strings.Contains(x.kubectl(t, "", "get", "events"), "unknown authority") }) {
		t.Errorf("the pod mounts without the CA:\n%s", x.kubectl(t, "", "get", "events"))
	}
}

// TestRealClusterTakesOverAKustomization does it with an Init Bundle in place of client
// apply, and through what the provider itself is told of Vault.
func TestRealClusterTakesOverAKustomization(t *testing.T) {
	t.Parallel()
	x := newExisting(t, "kustomize", map[string]string{
		"kustomization.yaml": "namespace: kustomize\nresources: [records.yaml]\n",
		"records.yaml": somebodysAccount + `apiVersion: apps/v1
kind: Deployment
metadata: {name: records}
spec:
  selector: {matchLabels: {app: records}}` + somebodysPod,
	})
	x.sh(t, "kubectl apply -k . && kubectl rollout status -n kustomize deployment/records --timeout=60s")

	x.describe(t, "records", "agent")
	x.ok(t, "provision")
	x.sh(t, "secretctl render --with init-bundle --skip ServiceAccount --dir secretctl")
	x.sh(t, "echo 'components: [secretctl]' >>kustomization.yaml")
	x.sh(t, "kubectl apply -k . && kubectl rollout status -n kustomize deployment/records --timeout=60s")
	x.wantWorking(t, "diff --with init-bundle --ignore metadata.labels") // the ServiceAccount is theirs
}

package cluster_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// sh runs a command in the folder.
func (x *existingAidbox) sh(t *testing.T, line string) {
	t.Helper()
	c := exec.Command("bash", "-euo", "pipefail", "-c", line)
	c.Dir, c.Env = x.dir, x.environ()
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("$ %s\n%s%v", line, out, err)
	}
	t.Logf("$ %s\n%s", line, out)
}

// describe runs init as the guide does, and gives the delivery names of its own in
// Vault. replace changes the config further.
func (x *existingAidbox) describe(t *testing.T, workload, csiAddress string, replace ...string) {
	t.Helper()
	x.follow(t, "## 1. Describe it", "-deployment records ", "-deployment "+workload+" ", "https://vault.vault.svc:8200", csiAddress)
	text, err := os.ReadFile(x.config())
	if err != nil {
		t.Fatal(err)
	}
	config := string(text)
	replace = append([]string{"# authMount: kubernetes\n", "authMount: " + x.namespace + "\n  role: " + x.namespace + "\n", "path: " + workload + "/", "path: " + x.namespace + "/"}, replace...)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(config, replace[i]) {
			t.Fatalf("the config has no %q:\n%s", replace[i], config)
		}
		config = strings.ReplaceAll(config, replace[i], replace[i+1])
	}
	x.writeFile(t, "secretctl.yaml", config)
}

// wantWorking verifies, rotates, and compares as the guide does. replace changes its
// commands.
func (x *existingAidbox) wantWorking(t *testing.T, replace ...string) {
	t.Helper()
	x.follow(t, "## 4. Create the Clients, and verify", append(replace,
		"rotate client-secret", "rotate client-secret --nudge", "secretctl diff", `[ -z "$(secretctl diff | tee /dev/stderr)" ]`)...)
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

const ownManifest = "### With manifests of your own"

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
	x.set(t, "csiCACertPath: /vault/tls/ca.pem", "csiTLSServerName: vault.internal")
	x.follow(t, "## 2. Fill the store")
	if c := x.check(t, "cluster/ownership"); c.Status != "warn" || !strings.Contains(c.Detail, "ServiceAccount manifest/records was made by something other than secretctl") {
		t.Error(c)
	}
	x.follow(t, ownManifest)
	x.wantWorking(t)
	x.wantChecks(t, "cluster/ownership", "cluster/provider", podCanRead)

	// The provider refuses the certificate without the CA, which doctor knows before.
	x.sh(t, "sed -i \"s|csiAddress: .*|csiAddress: $CLUSTER_VAULT_TLS|\" secretctl.yaml")
	x.set(t)
	if c := x.check(t, podCanRead); c.Status != "warn" || !strings.Contains(c.Detail, "the SecretProviderClass names none") {
		t.Error(c)
	}
	const renewed = "secretctl render --only SecretProviderClass | kubectl apply -f - && kubectl delete pod -n manifest records-0"
	x.sh(t, renewed)
	if !eventually(t, 2*time.Minute, func() bool { return strings.Contains(x.kubectl(t, "", "get", "events"), "unknown authority") }) {
		t.Errorf("the pod mounts without the CA:\n%s", x.kubectl(t, "", "get", "events"))
	}

	// A folder of CAs, or none and no check.
	x.set(t, "csiCADirectory: /vault/tls")
	x.sh(t, renewed+" && kubectl rollout status -n manifest statefulset/records --timeout=60s && secretctl verify mount")
	x.wantChecks(t, "cluster/provider", podCanRead)
	x.set(t, "csiSkipTLSVerify: true")
	x.sh(t, renewed+" && kubectl rollout status -n manifest statefulset/records --timeout=60s && secretctl verify mount")
	x.wantChecks(t, podCanRead)
	if _, _, narration := x.run(t, "doctor"); !strings.Contains(narration, "warning: vault.csiSkipTLSVerify has the CSI provider send the pod's token to whoever answers") {
		t.Errorf("doctor does not warn:\n%s", narration)
	}
}

// set leaves these settings alone of those by which the provider checks Vault's
// certificate.
func (x *existingAidbox) set(t *testing.T, settings ...string) {
	t.Helper()
	x.sh(t, `sed -i '/^  csi[CTS][A-Z]/d; s|^  authMount: .*|&`+strings.Join(append([]string{""}, settings...), `\n  `)+`|' secretctl.yaml`)
}

// wantChecks expects these checks of doctor to pass.
func (x *existingAidbox) wantChecks(t *testing.T, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if c := x.check(t, id); c.Status != "pass" {
			t.Error(c)
		}
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
	x.follow(t, "## 2. Fill the store")
	x.sh(t, "echo 'components: [secretctl]' >>kustomization.yaml")
	x.follow(t, "### With kustomize", "secretctl render ", "secretctl render --with init-bundle ")
	x.wantWorking(t, "secretctl client apply", "", "secretctl diff", "secretctl diff --with init-bundle --skip ServiceAccount") // which is theirs
}

// TestRealClusterTakesOverAHelmRelease does it with the real helm, which stays the only
// one that writes the Deployment.
func TestRealClusterTakesOverAHelmRelease(t *testing.T) {
	t.Parallel()
	x := newExisting(t, "helm", map[string]string{"values.yaml": `image: {repository: aidbox-standin, tag: "1"}
readinessProbe: {httpGet: {path: /health, port: api}, periodSeconds: 1}
extraEnvs:
  - {name: BOX_ROOT_CLIENT_SECRET, valueFrom: {secretKeyRef: {name: admin, key: secret}}}
volumes: [{name: scratch, emptyDir: {}}]
volumeMounts: [{name: scratch, mountPath: /scratch}]
`})
	x.helm(t)
	x.sh(t, "helm install records aidbox/aidbox --namespace helm --values values.yaml --wait --timeout=60s")

	x.describe(t, "records-aidbox", "http://vault.default:8200", "serviceAccount: default", "serviceAccount: records", "\n  role: records-aidbox ", "\n  # role: records-aidbox ")
	x.follow(t, "## 2. Fill the store", "secretctl doctor", "secretctl doctor || [ $? = 3 ]") // the ServiceAccount does not exist yet
	upgrade := "### With the Aidbox Helm chart"
	x.follow(t, upgrade)
	x.wantWorking(t)

	x.kubectl(t, "", "exec", "deployment/records-aidbox", "--", "sh", "-c", "cat /run/vault-secrets/client-secret >/scratch/a") // both are mounted
	before := x.pods(t, ".metadata.name")
	x.follow(t, upgrade)
	if after := x.pods(t, ".metadata.name"); !slices.Equal(before, after) {
		t.Errorf("a second upgrade replaces %v by %v", before, after)
	}
	managers := strings.Fields(x.kubectl(t, "", "get", "deployment", "records-aidbox", "--show-managed-fields", "-o", "jsonpath={.metadata.managedFields[*].manager}"))
	if slices.Sort(managers); !slices.Equal(slices.Compact(managers), []string{"helm", "kube-controller-manager"}) {
		t.Errorf("the Deployment's fields belong to %v", managers)
	}
}

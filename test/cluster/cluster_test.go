package cluster_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
)

const rootSecret = "root-secret-of-the-stand-in"

// realCluster is a namespace of a real cluster that the secretctl binary has set up as the
// tutorial does, with one of the stores. Its auth method, role, policy and path in Vault
// have the same name.
type realCluster struct {
	namespace, dir string
	vault          *api.Client
	azure          *azureCloud
	fastProbes     bool // probe the pods every second
	env            []string
}

const clusterConfig = `apiVersion: secretctl.dev/v1
provider: vault
namespace: NAMESPACE
vault:
  address: ADDRESS
  csiAddress: http://vault.default:8200
  authMount: NAMESPACE
  audience: vault
  role: NAMESPACE
aidbox:
  url: service
  image: aidbox-standin:1
  replicas: 2
  env: [{name: BOX_ROOT_CLIENT_SECRET, value: ADMIN}]
secrets:
  - name: client-secret
    path: NAMESPACE/client
    scope: [Client/basic]
    value: {generate: {length: 32}}
resources:
  - type: Client
    id: basic
    secrets: {secret: client-secret}
    body: {grant_types: [client_credentials, basic]}
    accessPolicy: allow
`

// newRealCluster sets up a namespace with Vault. replace changes the config.
func newRealCluster(t *testing.T, name string, replace ...string) *realCluster {
	t.Helper()
	requireCluster(t)
	vault, err := api.NewClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	rc := &realCluster{namespace: name, vault: vault}
	t.Cleanup(func() {
		_ = vault.Sys().DisableAuth(name)
		_ = vault.Sys().DeletePolicy(name)
		rc.deleteSecret()
	})
	rc.setUp(t, strings.NewReplacer("NAMESPACE", name, "ADDRESS", vault.Address(), "ADMIN", rootSecret).Replace(clusterConfig), replace...)
	return rc
}

// requireCluster needs a cluster from test/cluster/with. Without SECRETCTL_TEST_CLUSTER it
// skips the test, or fails it if SECRETCTL_REQUIRE_CLUSTER is set.
func requireCluster(t *testing.T) {
	t.Helper()
	switch {
	case os.Getenv("SECRETCTL_TEST_CLUSTER") != "":
	case os.Getenv("SECRETCTL_REQUIRE_CLUSTER") != "":
		t.Fatal("SECRETCTL_REQUIRE_CLUSTER is set, and SECRETCTL_TEST_CLUSTER is not")
	default:
		t.Skip("SECRETCTL_TEST_CLUSTER is not set")
	}
}

// setUp follows the tutorial up to the Clients.
func (rc *realCluster) setUp(t *testing.T, config string, replace ...string) {
	t.Helper()
	rc.dir, rc.fastProbes = t.TempDir(), strings.HasSuffix(rc.namespace, "faults")
	if err := os.WriteFile(rc.config(), []byte(strings.NewReplacer(replace...).Replace(config)), 0o600); err != nil {
		t.Fatal(err)
	}
	rc.kubectl(t, "", "delete", "namespace", rc.namespace, "--ignore-not-found") // left by an earlier run
	rc.kubectl(t, "", "create", "namespace", rc.namespace)
	rc.kubectl(t, "", "label", "namespace", rc.namespace, "pod-security.kubernetes.io/enforce=restricted")
	t.Cleanup(func() {
		_ = exec.Command("kubectl", "delete", "namespace", rc.namespace, "--wait=false").Run()
	})
	rc.ok(t, "provision")
	rc.apply(t)
	rc.waitForRollout(t)
	rc.applyClients(t)
}

func (rc *realCluster) config() string { return filepath.Join(rc.dir, "secretctl.yaml") }

// apply applies the rendered manifests, with the replacements made.
func (rc *realCluster) apply(t *testing.T, replace ...string) {
	t.Helper()
	rendered := rc.ok(t, "render")
	if rc.fastProbes {
		rendered = strings.Replace(rendered, "periodSeconds: 5\n", "periodSeconds: 1\n", 1)
	}
	manifests := strings.NewReplacer(replace...).Replace(rendered)
	if len(replace) > 0 && manifests == rendered {
		t.Fatalf("the rendered manifests do not contain %q", replace[0])
	}
	rc.kubectl(t, manifests, "apply", "--server-side", "--validate=strict", "--force-conflicts", "-f", "-")
}

// applyClients creates the Clients in each replica: the stand-in's replicas share no
// database.
func (rc *realCluster) applyClients(t *testing.T) {
	t.Helper()
	for _, ip := range rc.pods(t, ".status.podIP") {
		rc.ok(t, "client apply --allow-http --aidbox-url http://"+ip+":8080")
	}
}

// pods returns a field of each pod that is not being deleted.
func (rc *realCluster) pods(t *testing.T, field string) []string {
	t.Helper()
	return strings.Fields(rc.kubectl(t, "", "get", "pods", "-l", "app.kubernetes.io/name=aidbox", "--field-selector=status.phase!=Failed",
		"-o", "go-template={{range .items}}{{if not .metadata.deletionTimestamp}}{{"+field+"}} {{end}}{{end}}"))
}

func (rc *realCluster) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	c := exec.Command("kubectl", append([]string{"-n", rc.namespace}, args...)...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// waitForRollout waits until every replica runs.
func (rc *realCluster) waitForRollout(t *testing.T) {
	t.Helper()
	out, err := exec.Command("kubectl", "-n", rc.namespace, "rollout", "status", "deployment/aidbox", "--timeout=3m").CombinedOutput()
	if err != nil {
		_, found, _ := rc.run(t, "verify workload")
		t.Fatalf("%s\n%s", out, found)
	}
}

func (rc *realCluster) write(t *testing.T, path string, data map[string]any) {
	t.Helper()
	if _, err := rc.vault.Logical().Write(path, data); err != nil {
		t.Fatal(err)
	}
}

// deleteSecret deletes the secret in the store with all its versions.
func (rc *realCluster) deleteSecret() {
	_, _ = rc.vault.Logical().Delete("secret/metadata/" + rc.namespace + "/client")
}

// run runs the binary and returns its exit code, stdout and stderr.
func (rc *realCluster) run(t *testing.T, command string) (code int, stdout, stderr string) {
	t.Helper()
	return rc.start(t, command)()
}

// command is a run of the binary.
func (rc *realCluster) command(command string) *exec.Cmd {
	c := exec.Command("secretctl", strings.Fields(command)...)
	if rc.azure != nil {
		c = exec.Command(withAzure(), append([]string{"secretctl"}, strings.Fields(command)...)...)
	}
	c.Dir = rc.dir
	c.Env = rc.environ()
	return c
}

// start starts the binary and returns a func that waits for it to end.
func (rc *realCluster) start(t *testing.T, command string) (wait func() (code int, stdout, stderr string)) {
	t.Helper()
	var out, narration bytes.Buffer
	c := rc.command(command)
	c.Stdout, c.Stderr = &out, &narration
	if err := c.Start(); err != nil {
		t.Fatalf("%v: run test/cluster/standin first", err)
	}
	return func() (int, string, string) {
		_ = c.Wait() // the caller looks at the exit code
		leaked := strings.Contains(out.String()+narration.String(), rootSecret)
		if leaked && !strings.HasPrefix(command, "render") { // the config has it in env
			t.Errorf("secretctl %s prints a secret", command)
		}
		return c.ProcessState.ExitCode(), out.String(), narration.String()
	}
}

func (rc *realCluster) ok(t *testing.T, command string) string {
	t.Helper()
	code, out, narration := rc.run(t, command)
	if code != 0 {
		t.Fatalf("secretctl %s exited with %d\n%s%s", command, code, out, narration)
	}
	return out
}

func (rc *realCluster) environ() []string {
	env := append(os.Environ(), "SECRETCTL_CONFIG="+rc.config(), "AIDBOX_CLIENT_SECRET="+rootSecret, "VAULT_CLIENT_TIMEOUT=5s")
	return append(env, rc.env...)
}

type finding struct{ ID, Subject, Status, Detail, Hint string }

func (f finding) String() string {
	return fmt.Sprintf("%s %s: %s: %s | %s", f.ID, f.Subject, f.Status, f.Detail, f.Hint)
}

type event struct {
	Replica, What string
	AfterMS       int64
}

// report runs secretctl with -o json.
func (rc *realCluster) report(t *testing.T, command string) (code int, checks []finding, timeline []event) {
	t.Helper()
	return parse(t, rc.start(t, command+" -o json"))
}

func parse(t *testing.T, wait func() (code int, stdout, stderr string)) (code int, checks []finding, timeline []event) {
	t.Helper()
	code, out, narration := wait()
	var r struct {
		Deliveries []struct {
			Checks   []finding
			Timeline []event
		}
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.Deliveries) != 1 {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out, narration)
	}
	return code, r.Deliveries[0].Checks, r.Deliveries[0].Timeline
}

// kubeconfig creates a ServiceAccount and returns a kubeconfig that uses it.
func (rc *realCluster) kubeconfig(t *testing.T, account string) string {
	t.Helper()
	rc.kubectl(t, "", "create", "serviceaccount", account)
	token := strings.TrimSpace(rc.kubectl(t, "", "create", "token", account))
	file := filepath.Join(rc.dir, account)
	if err := os.WriteFile(file, []byte(rc.kubectl(t, "", "config", "view", "--raw", "--minify", "--flatten")), 0o600); err != nil {
		t.Fatal(err)
	}
	rc.kubectl(t, "", "--kubeconfig", file, "config", "set-credentials", account, "--token="+token)
	rc.kubectl(t, "", "--kubeconfig", file, "config", "set-context", "--current", "--user="+account)
	if who := rc.kubectl(t, "", "--kubeconfig", file, "auth", "whoami"); !strings.Contains(who, rc.namespace+":"+account) {
		t.Fatalf("the kubeconfig authenticates as %s", who)
	}
	return file
}

// eventually polls, because the cluster needs a moment to react.
func eventually(t *testing.T, timeout time.Duration, done func() bool) bool {
	t.Helper()
	for deadline := time.Now().Add(timeout); !done(); <-time.After(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

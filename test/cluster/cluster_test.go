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

// town is a namespace of a real cluster in which the secretctl binary itself has set
// up everything, as the tutorial does. What it has in Vault is called like it.
type town struct {
	namespace, dir string
	vault          *api.Client
	hasty          bool // the pods are asked every second whether they have started
}

const townConfig = `apiVersion: secretctl.dev/v1
provider: vault
namespace: TOWN
vault:
  address: ADDRESS
  csiAddress: http://vault.default:8200
  authMount: TOWN
  audience: vault
  role: TOWN
aidbox:
  url: service
  image: aidbox-standin:1
  replicas: 2
  env: [{name: BOX_ROOT_CLIENT_SECRET, value: ADMIN}]
secrets:
  - name: client-secret
    path: TOWN/client
    scope: [Client/basic]
    value: {generate: {length: 32}}
resources:
  - type: Client
    id: basic
    secrets: {secret: client-secret}
    body: {grant_types: [client_credentials, basic]}
    accessPolicy: allow
`

// newTown needs what test/cluster/with and test/cluster/standin provide. Without
// SECRETCTL_TEST_CLUSTER it skips the test, or with SECRETCTL_REQUIRE_CLUSTER fails
// it. replace changes the config.
func newTown(t *testing.T, name string, replace ...string) *town {
	t.Helper()
	switch {
	case os.Getenv("SECRETCTL_TEST_CLUSTER") != "":
	case os.Getenv("SECRETCTL_REQUIRE_CLUSTER") != "":
		t.Fatal("SECRETCTL_REQUIRE_CLUSTER is set, and SECRETCTL_TEST_CLUSTER is not")
	default:
		t.Skip("SECRETCTL_TEST_CLUSTER is not set")
	}
	vault, err := api.NewClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &town{namespace: name, dir: t.TempDir(), vault: vault, hasty: name == "faults"}
	text := strings.NewReplacer("TOWN", name, "ADDRESS", vault.Address(), "ADMIN", rootSecret).Replace(townConfig)
	if err := os.WriteFile(w.config(), []byte(strings.NewReplacer(replace...).Replace(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	w.kubectl(t, "", "delete", "namespace", name, "--ignore-not-found") // of an earlier run
	w.kubectl(t, "", "create", "namespace", name)
	w.kubectl(t, "", "label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
	t.Cleanup(func() {
		_ = exec.Command("kubectl", "delete", "namespace", name, "--wait=false").Run()
		_ = vault.Sys().DisableAuth(name)
		_ = vault.Sys().DeletePolicy(name)
		w.forget()
	})
	w.ok(t, "provision")
	w.apply(t)
	w.rollOut(t)
	w.applyClients(t)
	return w
}

func (w *town) config() string { return filepath.Join(w.dir, "secretctl.yaml") }

// apply applies what render writes, changed by the replacements.
func (w *town) apply(t *testing.T, replace ...string) {
	t.Helper()
	rendered := w.ok(t, "render")
	if w.hasty {
		rendered = strings.Replace(rendered, "periodSeconds: 5\n", "periodSeconds: 1\n", 1)
	}
	manifests := strings.NewReplacer(replace...).Replace(rendered)
	if len(replace) > 0 && manifests == rendered {
		t.Fatalf("what render writes has no %q", replace[0])
	}
	w.kubectl(t, manifests, "apply", "--server-side", "--validate=strict", "--force-conflicts", "-f", "-")
}

// applyClients gives each replica the Clients: the replicas of the stand-in share no
// database.
func (w *town) applyClients(t *testing.T) {
	t.Helper()
	for _, ip := range w.pods(t, ".status.podIP") {
		w.ok(t, "client apply --allow-http --aidbox-url http://"+ip+":8080")
	}
}

// pods returns a field of each pod that is not going away.
func (w *town) pods(t *testing.T, field string) []string {
	t.Helper()
	return strings.Fields(w.kubectl(t, "", "get", "pods", "-l", "app.kubernetes.io/name=aidbox",
		"-o", "go-template={{range .items}}{{if not .metadata.deletionTimestamp}}{{"+field+"}} {{end}}{{end}}"))
}

func (w *town) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	c := exec.Command("kubectl", append([]string{"-n", w.namespace}, args...)...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// rollOut waits until every replica runs.
func (w *town) rollOut(t *testing.T) {
	t.Helper()
	out, err := exec.Command("kubectl", "-n", w.namespace, "rollout", "status", "deployment/aidbox", "--timeout=60s").CombinedOutput()
	if err != nil {
		_, found, _ := w.run(t, "verify workload")
		t.Fatalf("%s\n%s", out, found)
	}
}

func (w *town) write(t *testing.T, path string, data map[string]any) {
	t.Helper()
	if _, err := w.vault.Logical().Write(path, data); err != nil {
		t.Fatal(err)
	}
}

// forget deletes the secret in the store with all its versions.
func (w *town) forget() {
	_, _ = w.vault.Logical().Delete("secret/metadata/" + w.namespace + "/client")
}

// run runs the binary and returns its exit code, stdout and stderr.
func (w *town) run(t *testing.T, command string) (code int, stdout, stderr string) {
	t.Helper()
	return w.start(t, command)()
}

// start starts the binary, and returns how to wait for its end.
func (w *town) start(t *testing.T, command string) (wait func() (code int, stdout, stderr string)) {
	t.Helper()
	var out, narration bytes.Buffer
	c := exec.Command("secretctl", strings.Fields(command)...)
	c.Dir = w.dir
	c.Dir, c.Stdout, c.Stderr = w.dir, &out, &narration
	c.Env = append(os.Environ(), "SECRETCTL_CONFIG="+w.config(), "AIDBOX_CLIENT_SECRET="+rootSecret, "VAULT_CLIENT_TIMEOUT=5s")
	if err := c.Start(); err != nil {
		t.Fatalf("%v: run test/cluster/standin first", err)
	}
	return func() (int, string, string) {
		_ = c.Wait() // the exit code tells
		showsIt := strings.Contains(out.String()+narration.String(), rootSecret)
		if showsIt && !strings.HasPrefix(command, "render") { // which has it from the config
			t.Errorf("secretctl %s shows a secret", command)
		}
		return c.ProcessState.ExitCode(), out.String(), narration.String()
	}
}

func (w *town) ok(t *testing.T, command string) string {
	t.Helper()
	code, out, narration := w.run(t, command)
	if code != 0 {
		t.Fatalf("secretctl %s ended with %d\n%s%s", command, code, out, narration)
	}
	return out
}

type finding struct{ ID, Subject, Status, Detail, Hint string }

func (f finding) String() string {
	return fmt.Sprintf("%s %s: %s: %s | %s", f.ID, f.Subject, f.Status, f.Detail, f.Hint)
}

type moment struct {
	Replica, What string
	AfterMS       int64
}

// report runs secretctl with -o json.
func (w *town) report(t *testing.T, command string) (code int, checks []finding, timeline []moment) {
	t.Helper()
	return parse(t, w.start(t, command+" -o json"))
}

func parse(t *testing.T, wait func() (code int, stdout, stderr string)) (code int, checks []finding, timeline []moment) {
	t.Helper()
	code, out, narration := wait()
	var r struct {
		Deliveries []struct {
			Checks   []finding
			Timeline []moment
		}
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.Deliveries) != 1 {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out, narration)
	}
	return code, r.Deliveries[0].Checks, r.Deliveries[0].Timeline
}

// kubeconfig returns one for a ServiceAccount of the town.
func (w *town) kubeconfig(t *testing.T, account string) string {
	t.Helper()
	w.kubectl(t, "", "create", "serviceaccount", account)
	token := strings.TrimSpace(w.kubectl(t, "", "create", "token", account))
	file := filepath.Join(w.dir, account)
	if err := os.WriteFile(file, []byte(w.kubectl(t, "", "config", "view", "--raw", "--minify", "--flatten")), 0o600); err != nil {
		t.Fatal(err)
	}
	w.kubectl(t, "", "--kubeconfig", file, "config", "set-credentials", account, "--token="+token)
	w.kubectl(t, "", "--kubeconfig", file, "config", "set-context", "--current", "--user="+account)
	if who := w.kubectl(t, "", "--kubeconfig", file, "auth", "whoami"); !strings.Contains(who, w.namespace+":"+account) {
		t.Fatalf("is %s", who)
	}
	return file
}

// eventually asks again and again: the cluster takes a moment to notice what was
// done to it.
func eventually(t *testing.T, patience time.Duration, done func() bool) bool {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); <-time.After(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

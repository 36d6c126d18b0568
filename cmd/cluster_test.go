package cmd_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/secretctl/secretctl/cmd"
)

const rootSecret = "root-secret-of-the-stand-in"

// town is a namespace of a real cluster in which secretctl itself has set up
// everything, and the parts of a real Vault that it uses.
type town struct {
	namespace, dir string
	vault          *api.Client
	paths          []string // of secrets, below secret/
}

const townConfig = `apiVersion: secretctl.dev/v1
provider: vault
namespace: NAME
vault:
  address: ADDRESS
  csiAddress: INSIDE
  kubernetesHost: HOST
  authMount: NAME
  audience: vault
  role: NAME
aidbox:
  url: service
  image: IMAGE
  replicas: 2
  env: [{name: BOX_ROOT_CLIENT_SECRET, value: ADMIN}]
secrets:
  - name: client-secret
    path: NAME/client
    scope: [Client/basic]
    value: {generate: {length: 32}}
resources:
  - type: Client
    id: basic
    secrets: {secret: client-secret}
    body: {grant_types: [client_credentials, basic]}
    accessPolicy: allow
`

// newTown needs a cluster and a Vault that reach each other, made for tests, as
// test/cluster starts them: KUBECONFIG, VAULT_ADDR, VAULT_TOKEN, CLUSTER_API,
// CLUSTER_CA, CLUSTER_REVIEWER_JWT, and kubectl in the PATH. Without
// SECRETCTL_TEST_CLUSTER it skips the test, or with SECRETCTL_REQUIRE_CLUSTER
// fails it. replace changes the config.
func newTown(t *testing.T, replace ...string) *town {
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
	id := make([]byte, 4)
	_, _ = rand.Read(id)
	name := "secretctl-e2e-" + hex.EncodeToString(id)
	w := &town{name, t.TempDir(), vault, []string{name + "/client"}}
	image := os.Getenv("SECRETCTL_TEST_IMAGE")
	if image == "" {
		image = "docker.io/library/aidbox-standin:1"
	}
	text := strings.NewReplacer("NAME", w.namespace, "ADDRESS", vault.Address(), "INSIDE", cmp.Or(os.Getenv("CLUSTER_VAULT"), "http://vault.default:8200"), "HOST", os.Getenv("CLUSTER_API"), "IMAGE", image, "ADMIN", rootSecret).Replace(strings.NewReplacer(replace...).Replace(townConfig))
	if strings.Contains(text, "canary: true") {
		w.paths = append(w.paths, "aidbox/secretctl-canary/"+w.namespace+"-aidbox")
	}
	if err := os.WriteFile(w.config(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.setUp(t)
	return w
}

func (w *town) config() string { return filepath.Join(w.dir, "secretctl.yaml") }

// setUp goes the way of the tutorial, with the binary's own commands.
func (w *town) setUp(t *testing.T) {
	t.Helper()
	w.kubectl(t, "", "create", "namespace", w.namespace)
	t.Cleanup(func() {
		_ = exec.Command("kubectl", "delete", "namespace", w.namespace, "--wait=false").Run()
		_ = w.vault.Sys().DisableAuth(w.namespace)
		_ = w.vault.Sys().DeletePolicy(w.namespace)
		for _, path := range w.paths {
			_, _ = w.vault.Logical().Delete("secret/metadata/" + path)
		}
	})
	if err := w.vault.Sys().EnableAuthWithOptions(w.namespace, &api.EnableAuthOptions{Type: "kubernetes"}); err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(os.Getenv("CLUSTER_CA"))
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, "auth/"+w.namespace+"/config", map[string]any{
		"kubernetes_host": os.Getenv("CLUSTER_API"), "kubernetes_ca_cert": string(ca), "token_reviewer_jwt": os.Getenv("CLUSTER_REVIEWER_JWT"),
	})
	w.ok(t, "provision")
	w.apply(t)
	w.rollOut(t)
	w.applyClients(t)
}

// apply applies what render writes, changed by the replacements.
func (w *town) apply(t *testing.T, replace ...string) {
	t.Helper()
	manifests := strings.NewReplacer(replace...).Replace(w.ok(t, "render"))
	w.kubectl(t, manifests, "apply", "--validate=strict", "--server-side", "--force-conflicts", "-f", "-")
}

// applyClients gives each replica the Clients: the replicas of the stand-in share no
// database.
func (w *town) applyClients(t *testing.T) {
	t.Helper()
	for _, ip := range w.pods(t, "podIP") {
		w.ok(t, "client", "apply", "--aidbox-url", "http://"+ip+":8080")
	}
}

// pods returns a field of the status of each pod, or their names.
func (w *town) pods(t *testing.T, field string) []string {
	t.Helper()
	path := "{.items[*].status." + field + "}"
	if field == "name" {
		path = "{.items[*].metadata.name}"
	}
	return strings.Fields(w.kubectl(t, "", "get", "pods", "--field-selector=status.phase!=Succeeded", "-o", "jsonpath="+path))
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
	out, err := exec.Command("kubectl", "-n", w.namespace, "rollout", "status", "deployment/aidbox", "--timeout=120s").CombinedOutput()
	if err != nil {
		_, found, _ := w.run(t, "verify", "workload")
		t.Fatalf("%s\n%s", out, found)
	}
}

func (w *town) write(t *testing.T, path string, data map[string]any) {
	t.Helper()
	if _, err := w.vault.Logical().Write(path, data); err != nil {
		t.Fatal(err)
	}
}

// run runs secretctl and returns its exit code, stdout and stderr.
func (w *town) run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, narration lockedBuffer
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	env := map[string]string{"AIDBOX_CLIENT_SECRET": rootSecret, "VAULT_TOKEN": w.vault.Token()}
	code = cmd.Run(ctx, append(args, "-c", w.config(), "--allow-http"), cmd.IO{
		In: strings.NewReader(""), Out: &out, Err: &narration,
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	})
	return code, out.String(), narration.String()
}

func (w *town) ok(t *testing.T, args ...string) string {
	t.Helper()
	code, out, narration := w.run(t, args...)
	if code != 0 {
		t.Fatalf("secretctl %s ended with %d\n%s%s", strings.Join(args, " "), code, out, narration)
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
func (w *town) report(t *testing.T, args ...string) (code int, checks []finding, timeline []moment) {
	t.Helper()
	code, out, narration := w.run(t, append(args, "-o", "json")...)
	var r struct {
		Deliveries []struct {
			Checks   []finding
			Timeline []moment
		}
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.Deliveries) != 1 {
		t.Fatalf("secretctl %s ended with %d, %v\n%s%s", strings.Join(args, " "), code, err, out, narration)
	}
	return code, r.Deliveries[0].Checks, r.Deliveries[0].Timeline
}

// eventually runs secretctl until a check ends with a status and says something:
// the cluster takes a moment to notice what was done to it.
func (w *town) eventually(t *testing.T, args []string, id, status, says string) {
	t.Helper()
	for deadline := time.Now().Add(40 * time.Second); ; <-time.After(500 * time.Millisecond) {
		code, checks, _ := w.report(t, args...)
		for _, c := range checks {
			if c.ID == id && c.Status == status && strings.Contains(c.Detail+" | "+c.Hint, says) {
				t.Logf("%s", c)
				if wants := map[string]int{"fail": 1, "unknown": 3, "pass": 0}[status]; code < wants {
					t.Errorf("exit code %d", code)
				}
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s never became %s with %q:\n%v", id, status, says, checks)
		}
	}
}

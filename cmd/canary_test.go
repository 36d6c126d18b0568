package cmd_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/cmd"
	"github.com/secretctl/secretctl/internal/sandbox/aidbox"
	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
	"github.com/secretctl/secretctl/internal/sandbox/mount"
	"github.com/secretctl/secretctl/internal/sandbox/vault"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/test/sandboxtest"
)

// What must appear nowhere: a secret's value and its next one, the secret of the
// admin Client, the Vault token. The values have what each encoding changes.
var canaries = map[string]string{
	"CANARY_VALUE":         `first-c4n4ry "<é>&'+/=value`,
	"CANARY_NEXT":          `next-c4n4ry "<é>&'+/=value`,
	"AIDBOX_CLIENT_SECRET": "admin-c4n4ry-value",
	"VAULT_TOKEN":          "token-c4n4ry-value",
	"SECRETCTL_ID_TOKEN":   "pipeline-c4n4ry-value",
	"KUBERNETES_TOKEN":     "kubernetes-c4n4ry-value",
}

const canaryConfig = `apiVersion: secretctl.dev/v1
provider: vault
canary: true
vault: {address: %s, csiAddress: "http://vault.default:8200", kubernetesHost: %s}
aidbox: {url: %s}
secrets:
  - {name: client-secret, path: aidbox/client, scope: [Client/basic], value: {env: %s}}
  - {name: piped, scope: [Client], value: {stdin: true}}
  - {name: filed, scope: [Client], value: {file: %s}}
resources:
  - type: Client
    id: basic
    secrets: {secret: client-secret}
    body: {grant_types: [client_credentials, basic]}
    accessPolicy: allow
`

// canaryFleet comes after canaryConfig.
const canaryFleet = `---
apiVersion: secretctl.dev/v1
name: other
provider: vault
canary: true
vault: {address: %s, csiAddress: "http://vault.default:8200", kubernetesHost: %s, role: other}
aidbox: {url: %s}
secrets:
  - {name: other-secret, scope: [Client/other], value: {env: %s}}
  - {name: other-filed, scope: [Client], value: {file: %s}}
resources: [{type: Client, id: other, secrets: {secret: other-secret}, body: {grant_types: [basic]}}]
`

// leakTest is where a run of secretctl may leave a value.
type leakTest struct {
	t     *testing.T
	dir   string       // configs, reports, manifests and temporary files
	azure azure.Access // the stand-ins

	mu   sync.Mutex
	seen map[string]bool
}

// run runs secretctl and looks for the canaries in all that it left.
func (k *leakTest) run(args ...string) (code int, stdout string) {
	k.t.Helper()
	var out, narration lockedBuffer
	code = cmd.Run(k.t.Context(), args, k.io(&out, &narration))
	k.search(strings.Join(args, " ")+": stdout", out.String())
	k.search(strings.Join(args, " ")+": stderr", narration.String())
	k.note(args)
	return code, out.String()
}

func (k *leakTest) io(out, narration io.Writer) cmd.IO {
	return cmd.IO{
		In: strings.NewReader(canaries["CANARY_VALUE"]), Out: out, Err: narration, ErrTerminal: true, Azure: k.azure,
		LookupEnv: func(name string) (string, bool) { v, ok := canaries[name]; return v, ok },
	}
}

// note remembers which commands have run.
func (k *leakTest) note(args []string) {
	root := cmd.Root()
	if found, _, err := root.Find(args); err == nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.seen[found.CommandPath()] = true
	}
}

func (k *leakTest) search(where, text string) {
	k.t.Helper()
	const part, overlap = 8 << 10, 256 // what is long and odd is taken for a value
	for name, value := range canaries {
		var known secret.Sanitizer
		known.Learn(secret.New([]byte(value)))
		found := strings.Contains(text, "c4n4ry")
		for rest := text; rest != "" && !found; rest = rest[min(len(rest), part-overlap):] {
			found = known.Repeats(rest[:min(len(rest), part)])
		}
		if found {
			k.t.Errorf("%s is in %s:\n%s", name, where, text)
		}
	}
}

// searchFiles looks into every file but those that are meant to hold a value.
func (k *leakTest) searchFiles() {
	k.t.Helper()
	err := filepath.WalkDir(k.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			if e.Name() == "mounted" {
				return fs.SkipDir
			}
			return err
		}
		text, err := os.ReadFile(path)
		if e.Name() != "source" {
			k.search(path, string(text))
		}
		return err
	})
	if err != nil {
		k.t.Fatal(err)
	}
}

// config writes a config file and returns its path.
func (k *leakTest) config(name, vault, kubernetes, aidbox, env string) string {
	k.t.Helper()
	source := filepath.Join(k.dir, "source")
	path := filepath.Join(k.dir, name)
	text := fmt.Sprintf(canaryConfig, vault, kubernetes, aidbox, env, source)
	for _, err := range []error{os.WriteFile(source, []byte(canaries["CANARY_VALUE"]), 0o600), os.WriteFile(path, []byte(text), 0o600)} {
		if err != nil {
			k.t.Fatal(err)
		}
	}
	return path
}

// fleet is config, with a second delivery.
func (k *leakTest) fleet(name, vault, kubernetes, aidbox, env string) string {
	k.t.Helper()
	path := k.config(name, vault, kubernetes, aidbox, env)
	text, err := os.ReadFile(path)
	if err == nil {
		text = fmt.Appendf(text, canaryFleet, vault, kubernetes, aidbox, env, filepath.Join(k.dir, "source"))
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		k.t.Fatal(err)
	}
	return path
}

// kubeconfig writes one with a token for a server, and returns its path.
func (k *leakTest) kubeconfig(name, server string) string {
	k.t.Helper()
	path := filepath.Join(k.dir, name, "source") // which holds a value, so it is not searched
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
		"clusters": [{"name": "c", "cluster": {"server": %q}}], "users": [{"name": "u", "user": {"token": %q}}]}`, server, canaries["KUBERNETES_TOKEN"])
	for _, err := range []error{os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)} {
		if err != nil {
			k.t.Fatal(err)
		}
	}
	return path
}

func TestNoSecretValueLeavesTheProcess(t *testing.T) {
	k := &leakTest{t: t, dir: t.TempDir(), seen: map[string]bool{}}
	t.Setenv("TMPDIR", k.dir)
	t.Setenv("HOME", k.dir)
	t.Setenv("KUBECONFIG", "")
	t.Run("when all is well", k.whenAllIsWell)
	t.Run("when all is well in Azure", k.whenAzureIsWell)
	t.Run("when Azure echoes the request", k.whenAzureEchoes)
	t.Run("when a value is in the config", k.whenAValueIsInTheConfig)
	t.Run("in a panic", k.inAPanic)
	k.run("sandbox", "aidbox") // which refuses to start without a secret
	t.Run("on helm and Azure", k.onHelmAndAzure)
	k.run("explain", "mount/present")
	k.run("init", "--provider", "vault", "-c", filepath.Join(k.dir, "init.yaml"))
	k.run("schema")
	k.run("config", "schema")
	k.run("config", "validate", "-c", filepath.Join(k.dir, "init.yaml"))
	k.run("config", "view", "-c", filepath.Join(k.dir, "init.yaml"))
	k.run("version", "-v")
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		k.run("completion", shell)
	}
	k.run("help", "verify")
	k.searchFiles()
	k.everyCommandRan(cmd.Root())
}

func (k *leakTest) whenAllIsWell(t *testing.T) {
	s := startServers(t, k.dir)
	first := k.config("first.yaml", s.vault.URL, s.kubernetes.URL, s.aidbox.URL, "CANARY_VALUE")
	next := k.config("next.yaml", s.vault.URL, s.kubernetes.URL, s.aidbox.URL, "CANARY_NEXT")
	ok := func(args ...string) string {
		t.Helper()
		code, out := k.run(args...)
		if code != 0 {
			t.Fatalf("secretctl %v: exit code %d\n%s", args, code, out)
		}
		return out
	}
	ok("provision", "-c", first, "--dry-run", "-v")
	ok("provision", "-c", first, "-v")
	ok("provision", "-c", first, "-o", "json")
	s.apply(t, ok("render", "-c", first, "-v"))
	ok("render", "-c", first, "-o", "json")
	ok("render", "-c", first, "--dir", filepath.Join(k.dir, "manifests"))
	ok("render", "-c", first, "--patch", "--dir", filepath.Join(k.dir, "component"))
	ok("render", "-c", first, "--helm-values")
	ok("templates", "export", "--dir", filepath.Join(k.dir, "templates"))
	ok("render", "-c", first, "--templates", filepath.Join(k.dir, "templates"))
	ok("client", "apply", "-c", first, "-v")
	ok("client", "apply", "-c", first, "-o", "json")
	ok("client", "apply", "-c", first, "--dry-run")
	ok("client", "get", "-c", first, "-v")
	local := []string{"--mount-path", s.mountPath(), "--vault-config", s.vaultConfig()}
	for _, format := range []string{"text", "short", "json", "junit", "html", "github"} {
		ok(append(local, "verify", "--all", "-c", first, "-v", "-o", format, "--json-file", filepath.Join(k.dir, "report.json"), "--junit-file", filepath.Join(k.dir, "report.xml"), "--html-file", filepath.Join(k.dir, "report.html"))...)
	}
	ok("graph", "-c", first, "--report", filepath.Join(k.dir, "report.json"))
	ok("graph", "-c", first, "-o", "dot")
	ok(append(local, "rotate", "client-secret", "-c", next, "-v")...)
	ok(append(local, "rotate", "--canary", "-c", next)...)
	ok(append(local, "rotate", "--due", "secretctl-canary", "-c", next)...)
	ok("rotate", "client-secret", "-c", first, "--no-verify")
	if code, _ := k.run("rotate", "client-secret", "-c", first); code != 2 {
		t.Errorf("a source that gives the stored value: exit code %d", code)
	}
	k.run("status", "-c", first, "-v")
	ok("diff", "-c", first, "-v")
	fleet := k.fleet("fleet.yaml", s.vault.URL, s.kubernetes.URL, s.aidbox.URL, "CANARY_VALUE")
	for _, args := range [][]string{{"provision"}, {"client", "apply"}, {"client", "get"}, {"diff"}, {"rotate", "--canary", "--no-verify"}} {
		if out := ok(append(args, "-c", fleet, "-v")...); args[0] != "diff" && !strings.Contains(out, "other") {
			t.Errorf("%v: of one delivery alone\n%s", args, out)
		}
	}
	ok("diff", "-c", first, "-o", "json")
	if code, out := k.run("diff", "-c", next, "--only", "store"); code != 1 || !strings.Contains(out, "is not that of environment variable CANARY_NEXT") {
		t.Errorf("another value: exit code %d\n%s", code, out)
	}
	for _, format := range []string{"text", "json", "junit"} {
		if code, out := k.run("doctor", "-c", first, "-v", "-o", format); code != 3 { // there is no cluster
			t.Errorf("doctor: exit code %d\n%s", code, out)
		}
	}
	s.aidbox.SetFaults(sandboxtest.AidboxFaults{Unmask: true})
	if code, out := k.run("diff", "-c", first, "--only", "aidbox"); code != 1 {
		t.Errorf("a literal value: exit code %d\n%s", code, out)
	}
	if code, out := k.run("client", "get", "-c", first); code != 1 || !strings.Contains(out, "withheld") {
		t.Errorf("a literal value: exit code %d:\n%s", code, out)
	}
	k.run("client", "apply", "-c", first)
	k.run(append(local, "verify", "-c", first)...)
	s.aidbox.SetFaults(sandboxtest.AidboxFaults{})
	ok("client", "delete", "--all", "--yes", "-c", first, "-v")
	s.holdsTheValue(t)
}

func (k *leakTest) whenAValueIsInTheConfig(t *testing.T) {
	for i, text := range []string{
		"secrets: [{name: a, scope: [Client], value: %q}]",
		"secrets: [{name: a, scope: [Client], value: {literal: %q}}]",
		"secrets: [{name: a, scope: [Client], value: {env: %q}}]",
		"secrets: [{name: %q, scope: [Client]}]",
		"aidbox: {admin: {secret: %q}}",
		"vault: {address: %q, csiAddress: \"http://vault.default:8200\"}",
		"secrets: [{name: a, scope: [Client], password: %q}]",
		"secrets: [{name: a, scope: [Client, %q]}]",
		"secrets: [{name: a, scope: [Client]}, %q]",
		"aidbox: {env: [{name: BOX_VAULT_CONFIG, value: %q}]}",
		"resources: [{type: Client, id: c, secrets: {secret: a}, body: {secret: %q}}]",
		"secrets: [%q",
		"secrets:\n  - name: a\n   value: %q",
		"password: a: %q",
		"%q",
	} {
		path := filepath.Join(k.dir, fmt.Sprintf("literal-%d", i), "source") // which holds a value, so it is not searched
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		text = "apiVersion: secretctl.dev/v1\nprovider: vault\n" + fmt.Sprintf(text, canaries["CANARY_VALUE"]) + "\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"provision"}, {"render"}, {"verify", "-o", "json"}} {
			if code, _ := k.run(append(args, "-c", path)...); code != 2 {
				t.Errorf("literal %d, %v: exit code %d", i, args, code)
			}
		}
	}
}

type panicking struct{}

func (panicking) Write([]byte) (int, error) { panic("writing " + canaries["CANARY_VALUE"]) }

func (k *leakTest) inAPanic(t *testing.T) {
	var narration lockedBuffer
	if code := cmd.Run(t.Context(), []string{"version"}, k.io(panicking{}, &narration)); code != 3 {
		t.Errorf("exit code %d", code)
	}
	k.search("a panic's message", narration.String())
	if !strings.Contains(narration.String(), "internal error") {
		t.Errorf("the panic is not told of: %s", narration.String())
	}
}

// everyCommandRan fails when a command was added and this test was not.
func (k *leakTest) everyCommandRan(c *cobra.Command) {
	for _, sub := range c.Commands() {
		k.everyCommandRan(sub)
	}
	if name := c.CommandPath(); !c.HasSubCommands() && !c.IsAdditionalHelpTopicCommand() && !k.seen[name] && name != "secretctl demo" {
		k.t.Errorf("%s did not run here: add it", name)
	}
}

// servers are stand-ins that hold the canaries.
type servers struct {
	dir        string
	vault      *vault.Server
	kubernetes *kubernetes.Server
	aidbox     *sandboxtest.Aidbox
}

func startServers(t *testing.T, dir string) *servers {
	t.Helper()
	s := &servers{dir: filepath.Join(dir, "mounted")}
	var err error
	if s.vault, err = vault.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.vault.Close)
	canaries["VAULT_TOKEN"] = s.vault.RootToken
	if s.kubernetes, err = kubernetes.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kubernetes.Close)
	s.aidbox, err = sandboxtest.StartAidbox(aidbox.Options{
		VaultConfig: "/etc/aidbox/vault-config.json", Root: s.dir, CacheTTL: time.Millisecond, RootSecret: canaries["AIDBOX_CLIENT_SECRET"],
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.aidbox.Close)
	return s
}

func (s *servers) mountPath() string   { return filepath.Join(s.dir, "run/vault-secrets") }
func (s *servers) vaultConfig() string { return filepath.Join(s.dir, "etc/aidbox/vault-config.json") }

func (s *servers) apply(t *testing.T, manifests string) {
	t.Helper()
	mount, err := mount.Start(context.Background(), mount.Options{
		Manifests: []byte(manifests), Root: s.dir, Kubernetes: s.kubernetes, VaultAddress: s.vault.URL, Interval: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mount.Close)
}

// holdsTheValue shows that the test could have failed: the value was there.
func (s *servers) holdsTheValue(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for {
		text, err := os.ReadFile(filepath.Join(s.mountPath(), "client-secret"))
		if err == nil && string(text) == canaries["CANARY_VALUE"] {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the mounted file does not hold the value: %v", err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// lockedBuffer is written to by a command and its progress line.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

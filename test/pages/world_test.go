package pages

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/secretctl/secretctl/cmd"
	"github.com/secretctl/secretctl/internal/sandbox/aidbox"
	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
	"github.com/secretctl/secretctl/internal/sandbox/mount"
	"github.com/secretctl/secretctl/internal/sandbox/vault"
)

const configText = `apiVersion: secretctl.dev/v1
provider: vault
vault: {address: %s, csiAddress: http://vault.default:8200, kubernetesHost: %s}
aidbox: {url: %s}
secrets:
  - {name: client-secret, path: aidbox/client, scope: [Client/basic], value: {generate: {}}}
  - {name: webhook-header-of-the-laboratory-information-system, path: aidbox/webhook, scope: [AidboxTopicDestination/lab], value: {generate: {}}}
resources:
  - type: Client
    id: basic
    secrets: {secret: client-secret}
    body: {grant_types: [client_credentials, basic]}
    accessPolicy: allow
`

// standIns are Vault, a mount and Aidbox, with the secrets delivered.
type standIns struct {
	dir   string
	env   map[string]string
	mount *mount.Mount
}

func startStandIns(t *testing.T) *standIns {
	t.Helper()
	cluster, err := kubernetes.Start()
	check(t, err)
	t.Cleanup(cluster.Close)
	store, err := vault.Start()
	check(t, err)
	t.Cleanup(store.Close)
	s := &standIns{dir: t.TempDir(), env: map[string]string{"VAULT_TOKEN": store.RootToken}}
	s.configure(t, store.URL, cluster.URL, "http://127.0.0.1:1")
	s.secretctl(t, 0, "provision")
	manifests := s.secretctl(t, 0, "render")
	s.mount, err = mount.Start(context.Background(), mount.Options{
		Manifests: manifests, Root: s.dir, Kubernetes: cluster, VaultAddress: store.URL, Interval: 200 * time.Millisecond,
	})
	check(t, err)
	t.Cleanup(s.mount.Close)
	server, err := aidbox.Start(aidbox.Options{VaultConfig: "/etc/aidbox/vault-config.json", Root: s.dir, CacheTTL: 100 * time.Millisecond})
	check(t, err)
	t.Cleanup(server.Close)
	s.env["AIDBOX_CLIENT_SECRET"] = server.RootSecret
	s.configure(t, store.URL, cluster.URL, server.URL)
	s.secretctl(t, 0, "client", "apply")
	return s
}

func (s *standIns) configure(t *testing.T, addresses ...any) {
	check(t, os.WriteFile(filepath.Join(s.dir, "secretctl.yaml"), fmt.Appendf(nil, configText, addresses...), 0o600))
}

// local are the flags that name the mount.
func (s *standIns) local() []string {
	return []string{"--mount-path", filepath.Join(s.dir, "run/vault-secrets"), "--vault-config", filepath.Join(s.dir, "etc/aidbox/vault-config.json")}
}

// secretctl runs a command as on a terminal, and returns its stdout. It has to end with
// the code.
func (s *standIns) secretctl(t *testing.T, code int, args ...string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	got := cmd.Run(t.Context(), append(args, "--config", filepath.Join(s.dir, "secretctl.yaml")), cmd.IO{
		In: strings.NewReader(""), Out: &out, Err: &errs, OutTerminal: true, Columns: func() int { return 110 },
		LookupEnv: func(name string) (string, bool) { v, ok := s.env[name]; return v, ok },
	})
	if got != code {
		t.Fatalf("secretctl %s: exit code %d, not %d\n%s%s", strings.Join(args, " "), got, code, out.String(), errs.String())
	}
	return bytes.ReplaceAll(out.Bytes(), []byte(s.dir), nil)
}

// report runs checks and returns their page.
func (s *standIns) report(t *testing.T, code int, args ...string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.html")
	s.secretctl(t, code, append(append(args, "--html-file", file), s.local()...)...)
	page, err := os.ReadFile(file)
	check(t, err)
	breakable := strings.NewReplacer("/", "/<wbr>", ".", ".<wbr>", "-", "-<wbr>", "_", "_<wbr>").Replace(s.dir)
	return bytes.ReplaceAll(page, []byte(breakable), nil)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

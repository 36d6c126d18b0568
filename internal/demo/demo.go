// Package demo shows the whole job: it starts stand-ins for the servers, and runs the
// commands of an operator against them. It reads no settings of the user.
package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/sandbox/aidbox"
	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
	"github.com/secretctl/secretctl/internal/sandbox/mount"
	"github.com/secretctl/secretctl/internal/sandbox/vault"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

const vaultConfig = `apiVersion: secretctl.dev/v1
provider: vault
vault:
  address: %s
  csiAddress: http://vault.default:8200
  kubernetesHost: %s
secrets:
  - name: client-secret
    path: aidbox/client
    scope: [Client/basic]
    value: {generate: {length: 32}}
` + resources

const resources = `resources:
  - type: Client
    id: basic
    secrets: {secret: client-secret}
    body: {grant_types: [client_credentials, basic]}
    accessPolicy: allow
`

// How fast the stand-ins notice a change; the real servers take minutes.
const (
	poll     = time.Second
	cacheTTL = 500 * time.Millisecond
)

// Command is a command line of secretctl, and what it runs with.
type Command struct {
	Args  []string
	Out   io.Writer
	Env   map[string]string // the whole environment
	Azure azure.Access
}

// demo is one run of the demo.
type demo struct {
	out     io.Writer
	run     func(context.Context, Command) error
	dir     string
	env     map[string]string
	started time.Time

	standIns, conf string
	azure          azure.Access
	mount          mount.Options
}

// Run runs the demo with the store of a provider, and tells on out what it does. run runs a
// command.
func Run(ctx context.Context, provider string, out io.Writer, run func(context.Context, Command) error) error {
	dir, err := os.MkdirTemp("", "secretctl-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	d := &demo{out: out, run: run, dir: dir, env: map[string]string{}, started: time.Now()}

	start := d.startVault
	if provider == config.ProviderAzure {
		start = d.startAzure
	}
	stop, err := start()
	if err != nil {
		return err
	}
	defer stop()
	if err := os.WriteFile(d.config(), []byte(d.conf), 0o600); err != nil { //nolint:forbidigo // a new file, of our own text
		return err
	}
	d.say("stand-ins for %s run on this machine; this is secretctl.yaml:\n\n%s", d.standIns, indent(d.conf))

	var manifests bytes.Buffer
	for _, step := range []struct {
		out     io.Writer
		command string
	}{{out, "provision"}, {out, "provision"}, {&manifests, "render"}} {
		if err := d.secretctl(ctx, step.out, step.command); err != nil {
			return err
		}
	}
	d.mount.Manifests, d.mount.Root, d.mount.Interval = manifests.Bytes(), dir, poll
	pod, err := mount.Start(ctx, d.mount)
	if err != nil {
		return err
	}
	defer pod.Close()
	d.say("applied %d bytes of manifests: the pod may read the secrets, and the files are mounted", manifests.Len())

	server, err := aidbox.Start(aidbox.Options{VaultConfig: config.VaultConfigFile, Root: dir, CacheTTL: cacheTTL})
	if err != nil {
		return err
	}
	defer server.Close()
	d.env["AIDBOX_CLIENT_SECRET"] = server.RootSecret
	d.say("a stand-in for Aidbox reads the mounted files")
	return d.onAidbox(ctx, server.URL, filepath.Join(dir, "run", provider+"-secrets"))
}

func (d *demo) config() string { return filepath.Join(d.dir, "secretctl.yaml") }

// startVault starts Vault, and Kubernetes, which it asks about the pod's token.
func (d *demo) startVault() (stop func(), err error) {
	cluster, err := kubernetes.Start()
	if err != nil {
		return nil, err
	}
	server, err := vault.Start()
	if err != nil {
		cluster.Close()
		return nil, err
	}
	d.env["VAULT_TOKEN"] = server.RootToken
	d.standIns, d.conf = "Vault and Kubernetes", fmt.Sprintf(vaultConfig, server.URL, cluster.URL)
	d.mount.Kubernetes, d.mount.VaultAddress = cluster, server.URL
	return func() { server.Close(); cluster.Close() }, nil
}

// onAidbox runs the commands that need a running Aidbox.
func (d *demo) onAidbox(ctx context.Context, url, mountPath string) error {
	onMachine := []string{"--mount-path", mountPath, "--vault-config", filepath.Join(d.dir, config.VaultConfigFile)}
	for _, args := range [][]string{
		{"client", "apply"},
		append([]string{"verify", "mount", "client", "auth", "scope"}, onMachine...),
		append([]string{"rotate", "client-secret"}, onMachine...),
	} {
		if err := d.secretctl(ctx, d.out, append(args, "--aidbox-url", url)...); err != nil {
			return err
		}
	}
	d.say("done: the secret was delivered, verified and rotated")
	return nil
}

// secretctl runs a command, and shows it as a person would type it.
func (d *demo) secretctl(ctx context.Context, out io.Writer, args ...string) error {
	d.say("$ secretctl %s", strings.ReplaceAll(strings.Join(args, " "), d.dir, "$DEMO"))
	return d.run(ctx, Command{Args: append(args, "--config", d.config()), Out: out, Env: d.env, Azure: d.azure})
}

// say prints a line of the demo's own, with the time since its start.
func (d *demo) say(format string, args ...any) {
	_, _ = fmt.Fprintf(d.out, "\n[%4.1f s] %s\n", time.Since(d.started).Seconds(), fmt.Sprintf(format, args...))
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}

package cmd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/sandbox/aidbox"
	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
	"github.com/secretctl/secretctl/internal/sandbox/mount"
	"github.com/secretctl/secretctl/internal/sandbox/vault"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

func newDemo(a *app) *cobra.Command {
	var provider string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole workflow against stand-ins",
		Long: `Starts stand-ins for Vault or Azure, the mount and Aidbox on this machine, and runs
the commands of an operator against them: provision, render, verify, rotate.

The demo needs no cluster, no cloud account and no network. It reads none of your
settings, and removes what it made.

` + exitCodes("every command worked", "", "a command failed"),
		Example: `  # See a secret delivered from Vault, verified and rotated
  secretctl demo

  # The same from Azure Key Vault
  secretctl demo --provider azure`,
		Args:              cobra.NoArgs,
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil }, // instead of the root's, which reads the settings
		RunE:              a.run(func(ctx context.Context, _ []string) error { return a.demo(ctx, provider) }),
	}
	cmd.Flags().StringVar(&provider, "provider", config.ProviderVault, "store to show: vault, azure")
	addEnum(cmd, "provider", &provider, config.ProviderVault, config.ProviderAzure)
	return cmd
}

const demoConfig = `apiVersion: secretctl.dev/v1
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
` + demoResources

const demoResources = `resources:
  - type: Client
    id: basic
    secrets: {secret: client-secret}
    body: {grant_types: [client_credentials, basic]}
    accessPolicy: allow
`

// How fast the stand-ins notice a change; the real ones take minutes.
const (
	demoPoll  = time.Second
	demoCache = 500 * time.Millisecond
)

// demo is one run of the demo.
type demo struct {
	*app
	dir     string
	env     map[string]string
	started time.Time

	standIns, conf string
	azure          azure.Access
	mount          mount.Options
}

func (a *app) demo(ctx context.Context, provider string) (err error) {
	clearEnvironment()
	dir, err := os.MkdirTemp("", "secretctl-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	d := &demo{app: a, dir: dir, env: map[string]string{}, started: time.Now()}

	start := d.startVault
	if provider == config.ProviderAzure {
		start = d.startAzure
	}
	stop, err := start()
	if err != nil {
		return err
	}
	defer stop()
	if err := os.WriteFile(filepath.Join(dir, defaultConfig), []byte(d.conf), 0o600); err != nil { //nolint:forbidigo // a new file, of our own text
		return err
	}
	d.say("stand-ins for %s run on this machine; this is secretctl.yaml:\n\n%s", d.standIns, indent(d.conf))

	var manifests bytes.Buffer
	for _, step := range []struct {
		out     io.Writer
		command string
	}{{a.Out, "provision"}, {a.Out, "provision"}, {&manifests, "render"}} {
		if err := d.secretctl(ctx, step.out, step.command); err != nil {
			return err
		}
	}
	d.mount.Manifests, d.mount.Root, d.mount.Interval = manifests.Bytes(), dir, demoPoll
	pod, err := mount.Start(ctx, d.mount)
	if err != nil {
		return err
	}
	defer pod.Close()
	d.say("applied %d bytes of manifests: the pod may read the secrets, and the files are mounted", manifests.Len())

	server, err := aidbox.Start(aidbox.Options{VaultConfig: config.VaultConfigFile, Root: dir, CacheTTL: demoCache})
	if err != nil {
		return err
	}
	defer server.Close()
	d.env["AIDBOX_CLIENT_SECRET"] = server.RootSecret
	d.say("a stand-in for Aidbox reads the mounted files")
	return d.onAidbox(ctx, server.URL, filepath.Join(dir, "run", provider+"-secrets"))
}

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
	d.standIns, d.conf = "Vault and Kubernetes", fmt.Sprintf(demoConfig, server.URL, cluster.URL)
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
		if err := d.secretctl(ctx, d.Out, append(args, "--aidbox-url", url)...); err != nil {
			return err
		}
	}
	d.say("done: the secret was delivered, verified and rotated")
	return nil
}

// secretctl runs a command as the shell would, in this process.
func (d *demo) secretctl(ctx context.Context, out io.Writer, args ...string) error {
	d.say("$ secretctl %s", strings.ReplaceAll(strings.Join(args, " "), d.dir, "$DEMO"))
	streams := d.IO
	streams.Out, streams.Err = out, d.console.out // which a console of its own speaks to
	streams.Prompt = nil
	streams.Azure = d.azure
	streams.LookupEnv = func(name string) (string, bool) {
		if value, ok := d.env[name]; ok {
			return value, true
		}
		if name == "NO_COLOR" {
			return d.LookupEnv(name)
		}
		return "", false
	}
	args = append(args, "--config", filepath.Join(d.dir, defaultConfig))
	if code := Run(ctx, args, streams); code != exitOK {
		return fmt.Errorf("demo: secretctl %s ended with exit code %d", args[0], code)
	}
	return nil
}

// say writes a line of the demo's own, with the time since its start.
func (d *demo) say(format string, args ...any) {
	_, _ = fmt.Fprintf(d.Out, "\n[%4.1f s] %s\n", time.Since(d.started).Seconds(), fmt.Sprintf(format, args...))
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}

// clearEnvironment keeps the user's own Vault, Azure and settings out of the demo.
func clearEnvironment() {
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "VAULT_") || strings.HasPrefix(name, "AZURE_") || strings.HasPrefix(name, "SECRETCTL_") {
			_ = os.Unsetenv(name)
		}
	}
}

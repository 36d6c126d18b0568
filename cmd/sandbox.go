package cmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/sandbox/aidbox"
)

func newSandbox(a *app) *cobra.Command {
	return newGroup("sandbox", "Run a stand-in for a server", `Runs one of the demo's stand-ins in the foreground, to try manifests and checks where
the real server is not available. A stand-in keeps everything in memory.`,
		`  # Try manifests without an Aidbox licence
  secretctl sandbox aidbox --listen 127.0.0.1:8888`,
		newSandboxAidbox(a))
}

func newSandboxAidbox(a *app) *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "aidbox",
		Short: "Run a stand-in for Aidbox until it is interrupted",
		Long: `Answers as Aidbox does where external secrets are concerned: Clients with masked
secrets, Basic and client_credentials authentication, AccessPolicies of the engine
allow, scopes and rotation.

Like Aidbox, it reads its settings from the environment: BOX_ROOT_CLIENT_SECRET,
AIDBOX_VAULT_CONFIG or BOX_VAULT_CONFIG, and BOX_INIT_BUNDLE. --timeout does not apply.

EXIT STATUS
  0    it ran until it was interrupted
  2    usage error; nothing was attempted
  3    it could not listen on the address`,
		Example: `  # Listen where Aidbox does by default
  secretctl sandbox aidbox --listen 127.0.0.1:8888`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.started = true
			return a.sandboxAidbox(cmd.Context(), listen)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8888", "address to listen on; in a container :8080")
	return cmd
}

func (a *app) sandboxAidbox(ctx context.Context, listen string) error {
	secret, _ := a.secretVariable("BOX_ROOT_CLIENT_SECRET")
	if secret == "" {
		return hint.Usage("export it; verify and client use it as AIDBOX_CLIENT_SECRET", "BOX_ROOT_CLIENT_SECRET is not set")
	}
	vaultConfig, _ := a.LookupEnv("AIDBOX_VAULT_CONFIG")
	if vaultConfig == "" {
		vaultConfig, _ = a.LookupEnv("BOX_VAULT_CONFIG")
	}
	bundle, _ := a.LookupEnv("BOX_INIT_BUNDLE")
	server, err := aidbox.Start(aidbox.Options{Listen: listen, RootSecret: secret, VaultConfig: vaultConfig, InitBundle: bundle})
	if err != nil {
		return fmt.Errorf("sandbox aidbox: %w", err)
	}
	defer server.Close()
	a.narrate("listening at %s; end it with Ctrl-C", server.URL)
	<-ctx.Done()
	return nil
}

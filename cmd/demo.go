package cmd

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/demo"
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
		Args:              noArguments,
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil }, // instead of the root's, which reads the settings
		RunE:              a.run(func(ctx context.Context, _ []string) error { return a.demo(ctx, provider) }),
	}
	cmd.Flags().StringVar(&provider, "provider", config.ProviderVault, "store to show: vault, azure")
	addEnum(cmd, "provider", &provider, config.ProviderVault, config.ProviderAzure)
	return cmd
}

func (a *app) demo(ctx context.Context, provider string) error {
	clearEnvironment()
	return demo.Run(ctx, provider, a.Out, func(ctx context.Context, c demo.Command) error {
		streams := a.IO
		streams.Out, streams.Err, streams.Azure = c.Out, a.console.out, c.Azure // each command has a console of its own
		streams.Prompt, streams.LibraryErr = nil, nil
		streams.LookupEnv = func(name string) (string, bool) {
			if name == "NO_COLOR" {
				return a.LookupEnv(name)
			}
			value, set := c.Env[name]
			return value, set
		}
		if code := Run(ctx, c.Args, streams); code != exitOK {
			return fmt.Errorf("demo: secretctl %s ended with exit code %d", c.Args[0], code)
		}
		return nil
	})
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

package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/infra"
	"github.com/secretctl/secretctl/internal/secret"
)

func newInfraKubeconfig(a *app) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "kubeconfig",
		Short: "Fetch the kubeconfig of the AKS cluster",
		Long: `Fetches the kubeconfig of the AKS cluster. It is a credential: --file merges it
into a file that only you can read, and makes it the current context. Without --file
it goes to stdout, unless that is a terminal; --file - prints it anywhere.

` + exitCodes("the kubeconfig was written", "", "Azure could not be reached, or refused"),
		Example: `  # Merge it into your kubeconfig
  secretctl infra kubeconfig --file ~/.kube/config

  # Write it to a file of its own
  (umask 077; secretctl infra kubeconfig >aks.kubeconfig)`,
		Args: noArguments,
		RunE: a.run(func(ctx context.Context, _ []string) error { return a.writeKubeconfig(ctx, file) }),
	}
	cmd.Flags().StringVar(&file, "file", "", "kubeconfig to write into, or - for stdout")
	return cmd
}

func (a *app) writeKubeconfig(ctx context.Context, file string) error {
	if file == "" && a.OutTerminal {
		return hint.Usage("give --file PATH, or --file - to see it", "a kubeconfig is a credential, and stdout is a terminal")
	}
	all, err := a.azureDeliveries([]string{infra.ForKubeconfig})
	if err != nil {
		return err
	}
	toStdout := file == "" || file == "-"
	if toStdout && len(all) > 1 {
		return hint.Usage("name one with --delivery, or merge them with --file PATH: "+names(all), "a kubeconfig on stdout is for one delivery, and the config has %d", len(all))
	}
	done, err := each(ctx, fleet{app: a, title: "kubeconfig", all: all}, func(d *config.Delivery) (work[secret.Value], error) {
		i, err := a.infraOf(d, infra.Options{})
		return func(ctx context.Context, _ *progress) (secret.Value, error) { return i.Kubeconfig(ctx) }, err
	})
	for _, o := range done {
		switch {
		case o.err != nil:
		case toStdout:
			err = join(err, a.stdout.credential(o.result))
		default:
			if failed := infra.WriteKubeconfig(file, o.result); failed != nil {
				return join(err, failed)
			}
			a.narrate("%s: the current context is now that of AKS cluster %s", file, o.delivery.Azure.Cluster)
		}
	}
	return err
}

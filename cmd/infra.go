package cmd

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/infra"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/store"
)

type infraOptions struct {
	dryRun   bool
	phases   []string
	nodes    int32
	nodeSize string
	output   string
}

func newInfra(a *app) *cobra.Command {
	var o infraOptions
	cmd := &cobra.Command{
		Use:   "infra",
		Short: "Create the resource group, Key Vault and AKS cluster",
		Long: `Creates in Azure what the secrets live in: the resource group, the Key Vault with
RBAC authorization and soft delete, and the AKS cluster with an OIDC issuer and
workload identity. These are the phases group, vault and cluster.

Every phase is planned before anything is written. What already exists is changed
only where the delivery needs it, and nothing is ever deleted. A new cluster takes
some minutes; after an interrupt, a second run waits for it.

You have to be logged in to Azure with the role Contributor.

` + exitCodes("everything exists as the config needs it, or the plan was printed", "", "Azure could not be reached, or refused"),
		Example: `  # See what would be created, without creating it
  secretctl infra --dry-run

  # Create everything, and wait longer for the cluster
  secretctl infra --timeout 30m

  # Create the Key Vault only
  secretctl infra --phase group,vault

  # Fetch the kubeconfig of the cluster
  secretctl infra kubeconfig --file ~/.kube/config`,
		Args: noArguments,
		RunE: a.run(func(ctx context.Context, _ []string) error { return a.infra(ctx, o) }),
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "print the plan and change nothing")
	cmd.Flags().StringSliceVar(&o.phases, "phase", nil, "run these phases only: "+strings.Join(infra.Phases(), ", "))
	_ = cmd.RegisterFlagCompletionFunc("phase", offer(infra.Phases))
	cmd.Flags().Int32Var(&o.nodes, "nodes", 1, "number of nodes of a new cluster")
	cmd.Flags().StringVar(&o.nodeSize, "node-size", "", "virtual machine size of a new cluster (default: as AKS chooses)")
	addOutput(cmd, &o.output, "text", "json")
	cmd.AddCommand(newInfraKubeconfig(a))
	return cmd
}

func (a *app) infra(ctx context.Context, o infraOptions) error {
	if o.nodes < 1 || o.nodes > 1000 {
		return hint.Usage("the default is 1", "--nodes must be between 1 and 1000, not %d", o.nodes)
	}
	if err := provision.CheckPhases(o.phases, infra.Phases()); err != nil {
		return err
	}
	all, err := a.azureDeliveries(o.phases)
	if err != nil {
		return err
	}
	f := fleet{app: a, title: "infra", all: all, exclusive: (*config.Delivery).Provisioned}
	done, err := each(ctx, f, func(d *config.Delivery) (work[[]store.Change], error) {
		return func(ctx context.Context, p *progress) ([]store.Change, error) {
			i, err := a.infraOf(d, infra.Options{Nodes: o.nodes, NodeSize: o.nodeSize, Waiting: func(what string) { p.set(what, 0) }})
			if err != nil {
				return nil, err
			}
			return provision.Run(ctx, i.Steps(), o.phases, o.dryRun)
		}, nil
	})
	return join(err, a.printChanges(done, o.dryRun, o.output))
}

// azureDeliveries returns the deliveries with a Key Vault, which have all settings that the
// phases need.
func (a *app) azureDeliveries(phases []string) ([]*config.Delivery, error) {
	all, err := a.deliveries()
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(d *config.Delivery) bool { return d.Provider != config.ProviderAzure })
	if len(all) == 0 {
		return nil, hint.Usage("for provider vault, run: secretctl install", "infra is for Azure, and no delivery has provider azure")
	}
	for _, d := range all {
		if missing := infra.Missing(d, phases); len(missing) > 0 {
			return nil, hint.Usage("add them to the config, or run phases that need less with --phase",
				"delivery %q: infra needs %s in the config", d.Name, strings.Join(missing, ", "))
		}
	}
	return all, nil
}

func (a *app) infraOf(d *config.Delivery, o infra.Options) (*infra.Infra, error) {
	o.Access = a.Azure
	o.Log = a.logOf(d)
	return infra.New(d, o)
}

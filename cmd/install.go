package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/install"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/providers"
)

type installOptions struct {
	install.Options
	dryRun bool
	output string
}

func newInstall(a *app) *cobra.Command {
	var o installOptions
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install the CSI driver and its providers with helm",
		Long: `Installs, with the helm on this machine, the Secrets Store CSI driver with rotation
and the provider of each store in the config, and waits until their pods are ready.
If the config needs tokens for workload identity or vault.audience, the driver is set up
to pass them on. --dev-vault also installs a Vault server to try things on.

An existing release is upgraded only if it is older or lacks one of these settings;
its other settings are kept. --dry-run runs nothing, and prints the commands for a new
cluster. No secret is passed to helm.

` + exitCodes("everything is installed and ready, or the commands were printed", "", "helm is missing or failed"),
		Example: `  # Print the helm commands for a new cluster
  secretctl install --dry-run

  # Install into the cluster of a context
  secretctl install --context aidbox-aks

  # Add a Vault server to try things on
  secretctl install --dev-vault`,
		Args: noArguments,
		RunE: a.run(func(ctx context.Context, _ []string) error { return a.install(ctx, o) }),
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "print the helm commands and run nothing")
	cmd.Flags().DurationVar(&o.PollInterval, "rotation-poll-interval", 0, "least age of a mount before the driver fetches it again (default: 30s for a new driver, else unchanged)")
	cmd.Flags().BoolVar(&o.Dev, "dev-vault", false, "also install a Vault server in dev mode: in memory, unsealed")
	cmd.Flags().StringVar(&o.Namespace, "vault-namespace", "default", "namespace of Vault's provider and of the dev server")
	addOutput(cmd, &o.output, "text", "json")
	return cmd
}

// installReport is the JSON output, documented in docs/json.md.
type installReport struct {
	SchemaVersion int            `json:"schemaVersion"`
	DryRun        bool           `json:"dryRun"`
	Commands      []string       `json:"commands,omitempty"`
	Changes       []store.Change `json:"changes,omitempty"`
	Error         *hint.Problem  `json:"error,omitempty"`
}

func (a *app) install(ctx context.Context, o installOptions) error {
	all, err := a.deliveries()
	if err != nil {
		return err
	}
	if err := o.check(a, all); err != nil {
		return err
	}
	kubeContext, err := oneContext(all)
	if err != nil {
		return err
	}
	releases := install.Releases(providers.All(a.Azure), all, o.Options)
	helm := &install.Helm{Env: install.Environment(a.childVariable), Context: kubeContext, Timeout: a.timeout}
	report := installReport{SchemaVersion: 1, DryRun: o.dryRun}
	if o.dryRun {
		report.Commands = helm.Commands(releases)
		a.narrate("note: nothing was run; these commands are for a new cluster, and secretctl install keeps what others have set in an existing one")
	} else if report.Changes, err = a.runHelm(ctx, helm, releases); err != nil {
		report.Error = a.problem(err)
	}
	return join(err, a.printInstall(report, o.output))
}

func (o installOptions) check(a *app, all []*config.Delivery) error {
	if o.PollInterval < 0 || o.PollInterval > 0 && o.PollInterval < time.Second {
		return hint.Usage("write it like 30s or 2m", "--rotation-poll-interval must be at least 1s, not %s", o.PollInterval)
	}
	if o.Namespace == "" {
		return hint.Usage("leave it out for the namespace default", "--vault-namespace must not be empty")
	}
	if o.Dev && !slices.ContainsFunc(all, func(d *config.Delivery) bool { return a.provider(d).Chart.Dev != nil }) {
		return hint.Usage("leave it out", "--dev-vault is for provider vault, and no delivery has it")
	}
	return nil
}

// oneContext returns the context that all deliveries share: helm installs into one cluster.
func oneContext(all []*config.Delivery) (string, error) {
	for _, d := range all[1:] {
		if d.Context != all[0].Context {
			return "", hint.Usage("run it once for each cluster, with --delivery", "the deliveries are in several clusters: %q, %q", all[0].Context, d.Context)
		}
	}
	return all[0].Context, nil
}

func (a *app) runHelm(ctx context.Context, helm *install.Helm, releases []install.Release) ([]store.Change, error) {
	var err error
	if helm.Path, err = install.Find(); err != nil {
		return nil, err
	}
	p := a.startDisplay("install", 1).start("")
	defer p.end()
	helm.Waiting = func(what string) { p.set(what, 0) }
	return provision.Run(ctx, helm.Steps(releases), nil, false)
}

func (a *app) printInstall(r installReport, output string) error {
	switch {
	case output == "json":
		return a.printJSON(r)
	case !r.DryRun:
		return a.printTable(changesReport{Deliveries: []deliveryChanges{{Changes: r.Changes, Error: r.Error}}})
	}
	_, err := fmt.Fprintln(a.Out, a.sanitizer.Text(strings.Join(r.Commands, "\n")))
	return err
}

package cmd

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/store"
)

type provisionOptions struct {
	dryRun      bool
	phases      []string
	adopt       bool
	recover     bool
	concurrency int
	output      string
}

func newProvision(a *app) *cobra.Command {
	var o provisionOptions
	cmd := &cobra.Command{
		Use:   "provision",
		Short: "Write the secrets to the store and let the pod read them",
		Long: `Makes the store match the config: writes the values of the secrets, and lets the Aidbox
pod read them. For Vault the phases are store (KV version 2 values), auth (the
kubernetes auth method), policy and role; for Key Vault store, identity (who the pod
is in Azure) and grant (the role Key Vault Secrets User).

Every phase of a delivery is planned before anything is written. Only what differs is
written, so a second run writes nothing. Other keys of a Vault path stay as they are,
and a value that somebody else wrote in the meantime is not overwritten.

Without --adopt, secretctl does not change a policy, a role that others use, or a Key
Vault secret that belongs to another delivery or has no known owner. An existing auth
method keeps its settings. A deleted Key Vault secret stays deleted without --recover.

` + exitCodes("the store matches the config, or the plan was printed", "", "the store could not be reached, or refused"),
		Example: `  # See what would change, without changing it
  secretctl provision --dry-run

  # Write what differs
  secretctl provision

  # Write the values alone, and report as JSON
  secretctl provision --phase store -o json

  # Also recover deleted Key Vault secrets
  secretctl provision --recover`,
		Args: noArguments,
		RunE: a.run(func(ctx context.Context, _ []string) error { return a.provision(ctx, o) }),
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "print the plan and change nothing")
	cmd.Flags().StringSliceVar(&o.phases, "phase", nil, "run these phases only (Vault: store, auth, policy, role; Key Vault: store, identity, grant)")
	cmd.Flags().BoolVar(&o.adopt, "adopt", false, "take over what has another owner: a policy, a role, a Key Vault secret")
	cmd.Flags().BoolVar(&o.recover, "recover", false, "Key Vault: recover deleted secrets")
	cmd.Flags().IntVar(&o.concurrency, "concurrency", 16, "number of requests to a store at the same time")
	addOutput(cmd, &o.output, "text", "json")
	return cmd
}

func (a *app) provision(ctx context.Context, o provisionOptions) error {
	if o.concurrency < 1 || o.concurrency > 256 {
		return hint.Usage("the default is 16", "--concurrency must be between 1 and 256, not %d", o.concurrency)
	}
	all, err := a.deliveries()
	if err != nil {
		return err
	}
	if err := a.checkProvision(o, all); err != nil {
		return err
	}
	f := fleet{app: a, title: "provision", all: all, exclusive: (*config.Delivery).Provisioned}
	done, err := each(ctx, f, func(d *config.Delivery) (work[[]store.Change], error) { return a.provisionOne(ctx, d, o) })
	return join(err, a.printChanges(done, o.dryRun, o.output))
}

// checkProvision refuses flags that apply to none of the deliveries.
func (a *app) checkProvision(o provisionOptions, all []*config.Delivery) error {
	var phases []string
	recovers := false
	for _, d := range all {
		recovers = recovers || a.provider(d).Recovers
		for _, phase := range a.provider(d).Phases {
			if !slices.Contains(phases, phase) {
				phases = append(phases, phase)
			}
		}
	}
	if o.recover && !recovers {
		return hint.Usage("leave it out", "--recover is for Key Vault, and no delivery has one")
	}
	if err := a.checkSources(all); err != nil {
		return err
	}
	return provision.CheckPhases(o.phases, phases)
}

// checkSources refuses deliveries that would write different values to the same place. Loading
// the config refuses them too, but --vault-addr can point several deliveries at one Vault.
func (a *app) checkSources(all []*config.Delivery) error {
	type source struct{ delivery, text string }
	first := map[string]source{}
	for _, d := range all {
		for _, s := range d.Secrets {
			at, is := d.StoredAs(s), source{d.Name, s.Value.String()}
			was, shared := first[at]
			switch {
			case s.Value.IsZero() || s.Value.Generate != nil: // which replaces nothing
			case !shared:
				first[at] = is
			case was.text != is.text:
				return hint.Usage("run one of them with --delivery, or without "+a.origin["vault-addr"],
					"%s points deliveries %q and %q at one Vault, where they would write different values to %s",
					a.origin["vault-addr"], was.delivery, is.delivery, strings.Join(a.provider(d).Place(d, s), " "))
			}
		}
	}
	return nil
}

func (a *app) provisionOne(ctx context.Context, d *config.Delivery, o provisionOptions) (work[[]store.Change], error) {
	phases := slices.DeleteFunc(slices.Clone(o.phases), func(phase string) bool { return !slices.Contains(a.provider(d).Phases, phase) })
	if len(phases) == 0 && len(o.phases) > 0 { // they are those of another provider
		return func(context.Context, *progress) ([]store.Change, error) { return nil, nil }, nil
	}
	var p *progress // set when the work starts
	s, err := a.store(d, store.Options{Adopt: o.adopt, Recover: o.recover, Waiting: func(why string) { p.set("waiting: "+why, 0) }})
	if err != nil {
		return nil, err
	}
	steps := s.Steps(a.inputs, o.concurrency)
	if err := provision.Prepare(ctx, steps, phases); err != nil {
		return nil, err
	}
	return func(ctx context.Context, started *progress) ([]store.Change, error) {
		p = started
		return provision.Run(ctx, steps, phases, o.dryRun)
	}, nil
}

package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
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
		Short: "Put the secrets into the store and let the pod read them",
		Long: `Makes the store match the config: the values of the secrets, and the right of the
Aidbox pod to read them. For Vault these are the phases store (KV version 2
values), auth (the kubernetes auth method), policy and role; for Key Vault store,
identity (who the pod reads as) and grant (the role Key Vault Secrets User).

All phases are planned before the first write, only what differs is written, and
a second run writes nothing. Other keys of a Vault path stay as they are. Writes
to Vault carry the version that was read, so that nobody's change is overwritten
unseen; for Key Vault, which has no such thing, the version is compared right
before the write. A Key Vault secret that has another value and not secretctl's
tags is left alone, unless --adopt is given.

` + exitStatus,
		Example: `  secretctl provision --dry-run
  secretctl provision
  secretctl provision --phase store -o json
  secretctl provision --recover`,
		Args: cobra.NoArgs,
		RunE: a.run(func(ctx context.Context, _ []string) error { return a.provision(ctx, o) }),
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "print the plan and change nothing")
	cmd.Flags().StringSliceVar(&o.phases, "phase", nil, "run these phases only: store, auth, policy, role; for Key Vault store, identity, grant")
	cmd.Flags().BoolVar(&o.adopt, "adopt", false, "Key Vault: overwrite secrets that are not the delivery's, and make them so")
	cmd.Flags().BoolVar(&o.recover, "recover", false, "Key Vault: recover secrets that are deleted")
	cmd.Flags().IntVar(&o.concurrency, "concurrency", 16, "requests to the store at the same time")
	addOutput(cmd, &o.output, "text", "json")
	return cmd
}

// provisionReport is the JSON output, documented in docs/json.md.
type provisionReport struct {
	SchemaVersion int                 `json:"schemaVersion"`
	DryRun        bool                `json:"dryRun"`
	Deliveries    []provisionDelivery `json:"deliveries"`
}

type provisionDelivery struct {
	Name    string             `json:"name"`
	Changes []provision.Change `json:"changes"`
	Error   string             `json:"error,omitempty"`
}

func (a *app) provision(ctx context.Context, o provisionOptions) error {
	if o.concurrency < 1 || o.concurrency > 256 {
		return usagef("the default is 16", "--concurrency %d is not between 1 and 256", o.concurrency)
	}
	all, err := a.deliveries()
	if err != nil {
		return err
	}
	if err := o.check(all); err != nil {
		return err
	}
	report := provisionReport{SchemaVersion: 1, DryRun: o.dryRun, Deliveries: []provisionDelivery{}}
	for _, d := range all {
		var changes []provision.Change
		changes, err = a.provisionOne(ctx, d, o)
		done := provisionDelivery{Name: d.Name, Changes: changes}
		if err != nil {
			done.Error = oneLine(err)
			if len(all) > 1 {
				err = fmt.Errorf("delivery %q: %w", d.Name, err)
			}
		}
		report.Deliveries = append(report.Deliveries, done)
		if err != nil {
			break
		}
	}
	return errors.Join(err, a.printProvision(report, o, all, err == nil))
}

// check refuses what none of the deliveries has.
func (o provisionOptions) check(all []*config.Delivery) error {
	var known []string
	isAzure := false
	for _, d := range all {
		isAzure = isAzure || d.Provider == config.ProviderAzure
		for _, phase := range phases(d) {
			if !slices.Contains(known, phase) {
				known = append(known, phase)
			}
		}
	}
	if (o.adopt || o.recover) && !isAzure {
		return usagef("leave them out", "--adopt and --recover are for Key Vault, and no delivery has one")
	}
	return provision.CheckPhases(o.phases, known)
}

func (a *app) provisionOne(ctx context.Context, d *config.Delivery, o provisionOptions) ([]provision.Change, error) {
	has := func(phase string) bool { return slices.Contains(phases(d), phase) }
	if len(o.phases) > 0 && !slices.ContainsFunc(o.phases, has) {
		return []provision.Change{}, nil // they are another delivery's
	}
	o.phases = slices.DeleteFunc(slices.Clone(o.phases), func(phase string) bool { return !has(phase) })
	p := a.startProgress("provision " + d.Name)
	defer p.end()
	store, err := a.provisionStore(d, o, p)
	if err != nil {
		return nil, err
	}
	return provision.Run(ctx, store.Steps(a.inputs, o.concurrency), o.phases, o.dryRun)
}

func (a *app) provisionStore(d *config.Delivery, o provisionOptions, p *progress) (store, error) {
	if d.Provider != config.ProviderAzure {
		return a.store(d)
	}
	return a.keyVault(d, provision.KeyVaultOptions{
		Adopt: o.adopt, Recover: o.recover,
		Waiting: func(why string) { p.set("waiting: "+why, 0) },
	})
}

func (a *app) printProvision(r provisionReport, o provisionOptions, all []*config.Delivery, whole bool) error {
	if o.output == "json" {
		return printJSON(a.Out, r)
	}
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	count := map[string]int{}
	for i, d := range r.Deliveries {
		heading(w, all, all[i])
		for _, c := range d.Changes {
			count[c.Action]++
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.Phase, c.Action, c.Object, c.Detail)
			if c.Warning != "" {
				a.narrate("warning: %s: %s", c.Object, c.Warning)
			}
		}
	}
	what := "done"
	switch {
	case r.DryRun:
		what = "plan, nothing was changed"
	case !whole:
		what = "ended early"
	}
	a.narrate("%s: %d created, %d updated, %d unchanged", what, count[provision.Create], count[provision.Update], count[provision.Unchanged])
	return w.Flush()
}

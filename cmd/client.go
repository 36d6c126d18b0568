package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/fhirclient"
)

func newClient(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "client",
		Short: "Apply, get or delete the Aidbox resources that refer to secrets",
		Long: `The resources of the config: Clients, IdentityProviders, TokenIntrospectors and
AidboxTopicDestinations. Where a secret belongs they hold a reference to it, so
that Aidbox never stores the value.

` + exitStatus,
		Example: `  secretctl client apply
  secretctl client get Client/basic
  secretctl client delete Client/basic`,
		Args: noSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newClientApply(a), newClientGet(a), newClientDelete(a))
	return cmd
}

func newClientApply(a *app) *cobra.Command {
	var dryRun bool
	var output string
	cmd := &cobra.Command{
		Use:   "apply [TYPE/ID...]",
		Short: "Create or update the resources",
		Long: `Writes each resource that differs from what Aidbox has, with a masked reference in
place of each secret, and reads it back: it is no success while a literal value
stands where the reference should. A second run writes nothing.

` + exitStatus,
		Example: `  secretctl client apply
  secretctl client apply --dry-run
  secretctl client apply Client/basic -o json`,
		RunE: a.run(func(ctx context.Context, refs []string) error {
			if dryRun {
				return a.clientDryRun(refs)
			}
			return a.changeResources(ctx, refs, output, applyResource)
		}),
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the resources as JSON and send nothing")
	addOutput(cmd, &output, "text", "json")
	return cmd
}

func newClientGet(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "get [TYPE/ID...]",
		Short: "Show the resources as Aidbox has them",
		Long: `Prints each resource as Aidbox returns it. Where it returns a literal secret that is
withheld, and the exit code is 1.

` + exitStatus,
		Example: "  secretctl client get\n  secretctl client get Client/basic",
		RunE:    a.run(a.clientGet),
	}
}

func newClientDelete(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "delete [TYPE/ID...]",
		Short: "Delete the resources",
		Long: `Deletes each resource of the config from Aidbox, with the AccessPolicy that was made
for it. What is not there any more is no error. The secrets stay in the store.

` + exitStatus,
		Example: "  secretctl client delete Client/basic\n  secretctl client delete -o json",
		RunE: a.run(func(ctx context.Context, refs []string) error {
			return a.changeResources(ctx, refs, output, deleteResource)
		}),
	}
	addOutput(cmd, &output, "text", "json")
	return cmd
}

// eachResource calls do for the resources that refs name, or for all, in order.
func (a *app) eachResource(refs []string, do func(*config.Delivery, config.Resource) error) error {
	all, err := a.deliveries()
	if err != nil {
		return err
	}
	var known []string
	for _, d := range all {
		for _, r := range d.Resources {
			known = append(known, r.Ref())
		}
	}
	for _, ref := range refs {
		if !slices.Contains(known, ref) {
			return usagef("there is "+strings.Join(known, ", "), "no resource %q in %s", ref, a.config)
		}
	}
	for _, d := range all {
		for _, r := range d.Resources {
			if len(refs) > 0 && !slices.Contains(refs, r.Ref()) {
				continue
			}
			if err := do(d, r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *app) clientDryRun(refs []string) error {
	return a.eachResource(refs, func(d *config.Delivery, r config.Resource) error {
		body, err := fhirclient.JSON(r)
		if err != nil {
			return err
		}
		if _, err = fmt.Fprintf(a.Out, "%s\n", body); err != nil || r.AccessPolicy == "" {
			return err
		}
		return printJSON(a.Out, fhirclient.AccessPolicy(d.AccessPolicyID(r), r))
	})
}

func (a *app) clientGet(ctx context.Context, refs []string) error {
	clients := a.aidboxes()
	var literals []string
	err := a.eachResource(refs, func(d *config.Delivery, r config.Resource) error {
		c, err := clients(ctx, d)
		if err != nil {
			return err
		}
		body, fields, err := c.Get(ctx, r)
		if err != nil {
			return err
		}
		for _, f := range fields {
			literals = append(literals, r.Ref()+" "+f)
		}
		_, err = fmt.Fprintf(a.Out, "%s\n", body)
		return err
	})
	if err == nil && len(literals) > 0 {
		return &noError{fmt.Errorf("aidbox holds literal secrets: %s", strings.Join(literals, ", "))}
	}
	return err
}

// aidboxes connects to each delivery's Aidbox once.
func (a *app) aidboxes() func(context.Context, *config.Delivery) (*fhirclient.Client, error) {
	open := map[*config.Delivery]*fhirclient.Client{}
	return func(ctx context.Context, d *config.Delivery) (*fhirclient.Client, error) {
		if c, ok := open[d]; ok {
			return c, nil
		}
		c, err := a.aidbox(ctx, d)
		if err == nil {
			open[d] = c
		}
		return c, err
	}
}

type resourceChange func(context.Context, *fhirclient.Client, *config.Delivery, config.Resource) ([]fhirclient.Change, error)

func applyResource(ctx context.Context, c *fhirclient.Client, d *config.Delivery, r config.Resource) ([]fhirclient.Change, error) {
	change, err := c.Apply(ctx, r)
	if err != nil {
		return nil, err
	}
	changes := []fhirclient.Change{change}
	if r.AccessPolicy != "" {
		change, err = c.ApplyPolicy(ctx, d.AccessPolicyID(r), r)
		if err == nil {
			changes = append(changes, change)
		}
	}
	return changes, err
}

// deleteResource takes the AccessPolicy first, which refers to the resource.
func deleteResource(ctx context.Context, c *fhirclient.Client, d *config.Delivery, r config.Resource) ([]fhirclient.Change, error) {
	var changes []fhirclient.Change
	if r.AccessPolicy != "" {
		change, err := c.Delete(ctx, "AccessPolicy", d.AccessPolicyID(r))
		if err != nil {
			return nil, err
		}
		changes = append(changes, change)
	}
	change, err := c.Delete(ctx, r.Type, r.ID)
	if err == nil {
		changes = append(changes, change)
	}
	return changes, err
}

// clientReport is the JSON output, documented in docs/json.md.
type clientReport struct {
	SchemaVersion int                 `json:"schemaVersion"`
	Changes       []fhirclient.Change `json:"changes"`
	Error         string              `json:"error,omitempty"`
}

func (a *app) changeResources(ctx context.Context, refs []string, output string, change resourceChange) error {
	clients := a.aidboxes()
	report := clientReport{SchemaVersion: 1, Changes: []fhirclient.Change{}}
	err := a.eachResource(refs, func(d *config.Delivery, r config.Resource) error {
		c, err := clients(ctx, d)
		if err != nil {
			return err
		}
		changes, err := change(ctx, c, d, r)
		report.Changes = append(report.Changes, changes...)
		return err
	})
	if errors.Is(err, fhirclient.ErrLiteral) || errors.Is(err, fhirclient.ErrReference) {
		err = &noError{err}
	}
	if output == "json" {
		if err != nil {
			report.Error = oneLine(err)
		}
		return errors.Join(err, printJSON(a.Out, report))
	}
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	for _, c := range report.Changes {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", c.Action, c.Object)
	}
	return errors.Join(err, w.Flush())
}

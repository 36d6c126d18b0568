package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"

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

		ValidArgsFunction: offer(a.resourceRefs),

		RunE: a.run(func(ctx context.Context, refs []string) error {
			if dryRun {
				return a.clientDryRun(refs)
			}
			return a.changeResources(ctx, "client apply", refs, output, applyResource)
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

		ValidArgsFunction: offer(a.resourceRefs),

		RunE: a.run(a.clientGet),
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

		ValidArgsFunction: offer(a.resourceRefs),

		RunE: a.run(func(ctx context.Context, refs []string) error {
			return a.changeResources(ctx, "client delete", refs, output, deleteResource)
		}),
	}
	addOutput(cmd, &output, "text", "json")
	return cmd
}

// chosen returns the deliveries that have one of the resources that refs name, or any
// where it names none, and the resources of each.
func (a *app) chosen(refs []string) ([]*config.Delivery, map[*config.Delivery][]config.Resource, error) {
	all, err := a.deliveries()
	if err != nil {
		return nil, nil, err
	}
	var known []string
	var with []*config.Delivery
	resources := map[*config.Delivery][]config.Resource{}
	for _, d := range all {
		for _, r := range d.Resources {
			known = append(known, r.Ref())
			if len(refs) == 0 || slices.Contains(refs, r.Ref()) {
				resources[d] = append(resources[d], r)
			}
		}
		if len(resources[d]) > 0 {
			with = append(with, d)
		}
	}
	for _, ref := range refs {
		if !slices.Contains(known, ref) {
			return nil, nil, usagef("there is "+strings.Join(known, ", "), "no resource %q in %s", ref, a.config)
		}
	}
	return with, resources, nil
}

func (a *app) clientDryRun(refs []string) error {
	all, resources, err := a.chosen(refs)
	if err != nil {
		return err
	}
	for _, d := range all {
		for _, r := range resources[d] {
			body, err := fhirclient.JSON(r)
			if err != nil {
				return err
			}
			if _, err = fmt.Fprintf(a.Out, "%s\n", body); err != nil {
				return err
			}
			if r.AccessPolicy == nil {
				continue
			}
			if err := printJSON(a.Out, fhirclient.AccessPolicy(d.AccessPolicyID(r), r)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *app) clientGet(ctx context.Context, refs []string) error {
	all, resources, err := a.chosen(refs)
	if err != nil {
		return err
	}
	done, err := each(ctx, fleet{app: a, title: "client get", all: all}, func(d *config.Delivery) (work[[]byte], error) {
		c, err := a.aidbox(ctx, d)
		return func(ctx context.Context, _ *progress) ([]byte, error) { return getAll(ctx, c, resources[d]) }, err
	})
	for _, o := range done {
		if _, printed := a.Out.Write(o.result); printed != nil {
			return join(err, printed)
		}
	}
	return err
}

// getAll returns resources as Aidbox has them, also beside an error.
func getAll(ctx context.Context, c *fhirclient.Client, resources []config.Resource) (out []byte, err error) {
	var literals []string
	for _, r := range resources {
		body, fields, err := c.Get(ctx, r)
		if err != nil {
			return out, err
		}
		for _, f := range fields {
			literals = append(literals, r.Ref()+" "+f)
		}
		out = append(append(out, body...), '\n')
	}
	if len(literals) > 0 {
		err = &noError{fmt.Errorf("aidbox holds literal secrets: %s", strings.Join(literals, ", "))}
	}
	return out, err
}

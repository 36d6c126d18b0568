package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/fhirclient"
	"github.com/secretctl/secretctl/internal/hint"
)

type clientDeleteOptions struct {
	all, yes, dryRun, adopt bool
	output                  string
}

func newClientDelete(a *app) *cobra.Command {
	var o clientDeleteOptions
	cmd := &cobra.Command{
		Use:   "delete TYPE/ID... | --all",
		Short: "Delete resources from Aidbox",
		Long: `Deletes the named resources of the config from Aidbox, each with the AccessPolicy
that was made for it. One that is already gone is no error. The secrets stay in
the store. Without --adopt, only what secretctl made is deleted.

On a terminal, it asks before it deletes. Elsewhere, pass --yes.

` + exitCodes("the resources are gone, or the plan was printed", "the question was not answered with yes; nothing was deleted", "Aidbox could not be reached, or refused"),
		Example: `  # See what would be deleted, without deleting it
  secretctl client delete --all --dry-run

  # Delete one resource, after a question
  secretctl client delete Client/basic

  # Delete every resource of the config from a script
  secretctl client delete --all --yes -o json`,

		ValidArgsFunction: a.offerOf(resourceRefs),

		RunE: a.run(func(ctx context.Context, refs []string) error { return a.clientDelete(ctx, o, refs) }),
	}
	cmd.Flags().BoolVar(&o.all, "all", false, "delete every resource of the config")
	cmd.Flags().BoolVar(&o.adopt, "adopt", false, "delete also what something other than secretctl made")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "delete without asking")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "print what would be deleted and delete nothing")
	addOutput(cmd, &o.output, "text", "json")
	return cmd
}

func (a *app) clientDelete(ctx context.Context, o clientDeleteOptions, refs []string) error {
	all, err := a.chosen(refs)
	switch {
	case err != nil:
		return err
	case o.all == (len(refs) > 0):
		return hint.Usage("available: "+strings.Join(resourceRefs(all), ", "), "name the resources to delete, or give --all")
	case !o.dryRun && !o.yes:
		if err := a.confirm(ctx, deletionQuestion(all)); err != nil {
			return err
		}
	}
	change := (*fhirclient.Client).DeleteWithPolicy
	if o.dryRun {
		change = (*fhirclient.Client).PlanDeletion
	}
	return a.changeResources(ctx, fleet{title: "client delete", all: all, dryRun: o.dryRun}, o.adopt, o.output, change)
}

// deletionQuestion names everything that would be deleted.
func deletionQuestion(all []*config.Delivery) string {
	var from []string
	for _, d := range all {
		from = append(from, fmt.Sprintf("%s from %s", strings.Join(resourceRefs([]*config.Delivery{d}), ", "), d.Aidbox.URL))
	}
	return "Delete " + strings.Join(from, ", and ") + "?"
}

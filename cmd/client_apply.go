package cmd

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/fhirclient"
	"github.com/secretctl/secretctl/internal/hint"
)

func newClientApply(a *app) *cobra.Command {
	var dryRun, adopt bool
	var output string
	cmd := &cobra.Command{
		Use:   "apply [TYPE/ID...]",
		Short: "Create or update the resources in Aidbox",
		Long: `Writes each resource that differs from the one in Aidbox, with a masked reference
in place of each secret, and reads it back. It is an error if Aidbox returns a
literal value where the reference should be. A second run writes nothing.

A tag in its meta marks what secretctl wrote, and for which delivery. Without --adopt,
a resource or AccessPolicy that something else made is not changed: if it differs from
the config, that is an error.

` + exitCodes("Aidbox has the resources as the config describes them", "Aidbox returned a literal secret, or not the reference", "Aidbox could not be reached, or refused"),
		Example: `  # Create or update every resource of the config
  secretctl client apply

  # Print the resources without sending them
  secretctl client apply --dry-run

  # Write one of them, and report as JSON
  secretctl client apply Client/basic -o json`,

		ValidArgsFunction: a.offerOf(resourceRefs),

		RunE: a.run(func(ctx context.Context, refs []string) error {
			all, err := a.chosen(refs)
			if err == nil {
				err = checkShared(all)
			}
			switch {
			case err != nil:
				return err
			case dryRun:
				return a.printBodies(all, output)
			}
			return a.changeResources(ctx, fleet{title: "client apply", all: all}, adopt, output, (*fhirclient.Client).ApplyWithPolicy)
		}),
	}
	cmd.Flags().BoolVar(&adopt, "adopt", false, "take over resources that something else made")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the resources as JSON and send nothing")
	addOutput(cmd, &output, "text", "json")
	return cmd
}

// repeatsSecret reports whether a resource contains a known secret value.
func (a *app) repeatsSecret(body any) bool {
	text, err := json.Marshal(body)
	return err == nil && a.sanitizer.Repeats(string(text))
}

// printBodies prints the resources that would be sent.
func (a *app) printBodies(all []*config.Delivery, output string) error {
	var found []resourceReport
	for _, d := range all {
		for _, r := range d.Resources {
			bodies, err := fhirclient.Bodies(d, r)
			if err != nil {
				return err
			}
			for _, body := range bodies {
				if a.repeatsSecret(body) {
					return hint.Wrap(fmt.Errorf("%s/%s repeats a secret value, so it is not printed", r.Type, r.ID), "refer to the secret below secrets, in place of a value in the body")
				}
				if fhirclient.HideSecrets(body) {
					a.narrate("warning: %s%s/%s contains a literal secret in the config, which secretctl sends and does not print; refer to one below secrets instead", a.of(d), r.Type, r.ID)
				}
				found = append(found, resourceReport{d.Name, body})
			}
		}
	}
	return a.printFound(found, nil, output)
}

package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/fhirclient"
	"github.com/secretctl/secretctl/internal/hint"
)

func newClientGet(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "get [TYPE/ID...]",
		Short: "Show the resources as Aidbox has them",
		Long: `Prints each resource as Aidbox returns it. A literal secret in it is withheld.

` + exitCodes("the resources hold references, and no literal secrets", "Aidbox returned a literal secret", "Aidbox could not be reached, or does not have a resource"),
		Example: `  # Show every resource of the config
  secretctl client get

  # Show one of them
  secretctl client get Client/basic`,

		ValidArgsFunction: a.offerOf(resourceRefs),

		RunE: a.run(func(ctx context.Context, refs []string) error { return a.clientGet(ctx, refs, output) }),
	}
	addOutput(cmd, &output, "text", "json")
	return cmd
}

// foundReport is the JSON output of resources, documented in docs/json.md.
type foundReport struct {
	SchemaVersion int              `json:"schemaVersion"`
	Resources     []resourceReport `json:"resources"`
	Error         *hint.Problem    `json:"error,omitempty"`
}

type resourceReport struct {
	Delivery string `json:"delivery"`
	Resource any    `json:"resource"`
}

func (a *app) clientGet(ctx context.Context, refs []string, output string) error {
	all, err := a.chosen(refs)
	if err != nil {
		return err
	}
	done, err := each(ctx, fleet{app: a, title: "client get", all: all}, func(d *config.Delivery) (work[[]resourceReport], error) {
		c, err := a.aidbox(ctx, d)
		return func(ctx context.Context, _ *progress) ([]resourceReport, error) {
			found, err := getAll(ctx, c, d)
			if len(found) > 0 && ctx.Err() == nil {
				a.sweep(ctx, c, d)
			}
			return found, err
		}, err
	})
	var found []resourceReport
	for _, o := range done {
		found = append(found, o.result...)
	}
	return join(err, a.printFound(found, err, output))
}

// getAll returns the resources of a delivery as Aidbox has them; with an error, those
// before it.
func getAll(ctx context.Context, c *fhirclient.Client, d *config.Delivery) (found []resourceReport, err error) {
	var literals []string
	for _, r := range d.Resources {
		body, fields, err := c.Get(ctx, r)
		if err != nil {
			return found, err
		}
		for _, f := range fields {
			literals = append(literals, r.Ref()+" "+f)
		}
		found = append(found, resourceReport{d.Name, json.RawMessage(body)})
	}
	if len(literals) > 0 {
		err = &noError{fmt.Errorf("aidbox holds literal secrets: %s", strings.Join(literals, ", "))}
	}
	return found, err
}

func (a *app) printFound(found []resourceReport, failed error, output string) error {
	if output == "json" {
		return a.printJSON(foundReport{1, append([]resourceReport{}, found...), a.problem(failed)})
	}
	for _, f := range found {
		if err := a.printJSON(f.Resource); err != nil {
			return err
		}
	}
	return nil
}

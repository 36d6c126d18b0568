package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/fhirclient"
	"github.com/secretctl/secretctl/internal/hint"
)

func newClient(a *app) *cobra.Command {
	return newGroup("client", "Manage the Aidbox resources that refer to secrets", `Manages the resources of the config in Aidbox: Clients, IdentityProviders,
TokenIntrospectors and AidboxTopicDestinations. In place of a secret they hold
a reference to it, so that Aidbox never stores the value.`,
		`  # Create or update the resources
  secretctl client apply

  # Show one of them as Aidbox has it
  secretctl client get Client/basic`,
		newClientApply(a), newClientGet(a), newClientDelete(a))
}

// chosen returns the deliveries that have a resource named in refs, with no other
// resources; without refs, those that have any.
func (a *app) chosen(refs []string) ([]*config.Delivery, error) {
	all, err := a.deliveries()
	if err != nil {
		return nil, err
	}
	known := resourceRefs(all)
	for _, ref := range refs {
		if !slices.Contains(known, ref) {
			return nil, hint.Usage("available: "+strings.Join(known, ", "), "no resource %q in %s", ref, a.config)
		}
	}
	for _, d := range all {
		d.Resources = slices.DeleteFunc(d.Resources, func(r config.Resource) bool { return len(refs) > 0 && !slices.Contains(refs, r.Ref()) })
	}
	return slices.DeleteFunc(all, func(d *config.Delivery) bool { return len(d.Resources) == 0 }), nil
}

func resourceRefs(deliveries []*config.Delivery) (refs []string) {
	for _, d := range deliveries {
		for _, r := range d.Resources {
			refs = append(refs, r.Ref())
		}
	}
	return refs
}

// resourceChange changes a resource in Aidbox and its AccessPolicy.
type resourceChange func(*fhirclient.Client, context.Context, *config.Delivery, config.Resource) ([]fhirclient.Change, error)

// changeResources changes the resources of each delivery, and prints the changes.
func (a *app) changeResources(ctx context.Context, f fleet, adopt bool, output string, change resourceChange) error {
	f.app, f.exclusive = a, aidboxOf
	if len(f.all) == 0 {
		a.narrate("note: the config has no resources")
	}
	done, err := each(ctx, f, func(d *config.Delivery) (work[[]fhirclient.Change], error) {
		c, err := a.aidbox(ctx, d)
		if err != nil {
			return nil, err
		}
		c.Adopt = adopt
		return func(ctx context.Context, _ *progress) (changes []fhirclient.Change, err error) {
			for _, r := range d.Resources {
				more, err := change(c, ctx, d, r)
				changes = append(changes, more...)
				if errors.Is(err, fhirclient.ErrLiteral) || errors.Is(err, fhirclient.ErrReference) {
					err = &noError{err}
				}
				if err != nil {
					return changes, err
				}
			}
			if !f.dryRun {
				a.sweep(ctx, c, d)
			}
			return changes, nil
		}, nil
	})
	return join(err, a.printResources(done, err, f.dryRun, output))
}

// sweep deletes the Client outside every scope that a killed verify left behind. Commands
// call it after a response from Aidbox, except for plans. It never fails a command.
func (a *app) sweep(ctx context.Context, c *fhirclient.Client, d *config.Delivery) {
	left := config.Resource{Type: "Client", ID: d.ScopeClientID()}
	if _, _, err := c.References(ctx, left); err != nil {
		return
	}
	if _, err := c.Delete(ctx, left.Type, left.ID); err != nil {
		a.narrate("warning: %s%s, left by an interrupted verify, could not be deleted: %s", a.of(d), left.Ref(), err)
		return
	}
	a.narrate("note: %sdeleted %s, which an interrupted verify had left in Aidbox", a.of(d), left.Ref())
}

// clientReport is the JSON output, documented in docs/json.md.
type clientReport struct {
	SchemaVersion int            `json:"schemaVersion"`
	DryRun        bool           `json:"dryRun"`
	Changes       []clientChange `json:"changes"`
	Error         *hint.Problem  `json:"error,omitempty"`
}

type clientChange struct {
	Delivery string `json:"delivery"`
	fhirclient.Change
}

func (a *app) printResources(done []outcome[[]fhirclient.Change], failed error, dryRun bool, output string) error {
	report := clientReport{SchemaVersion: 1, DryRun: dryRun, Changes: []clientChange{}, Error: a.problem(failed)}
	var t table
	for _, o := range done {
		if a.several && len(o.result) > 0 {
			t.heading(o.delivery.Name)
		}
		for _, c := range o.result {
			report.Changes = append(report.Changes, clientChange{o.delivery.Name, c})
			t.row(c.Action, c.Object)
		}
	}
	if output == "json" {
		return a.printJSON(report)
	}
	return a.print(&t)
}

// aidboxOf identifies the Aidbox of a delivery.
func aidboxOf(d *config.Delivery) []string {
	at := strings.TrimSuffix(d.Aidbox.URL, "/")
	if _, _, ok := d.Aidbox.Service(); ok {
		at = strings.Join([]string{d.Context, d.Namespace, d.Aidbox.Workload.Name}, "/")
	}
	return []string{at}
}

// checkShared refuses deliveries that describe the same resource of the same Aidbox
// differently: each run would undo the last one.
func checkShared(all []*config.Delivery) error {
	type description struct{ by, text string }
	first := map[string]description{}
	for _, d := range all {
		for _, r := range d.Resources {
			body, err := fhirclient.Body(r)
			if err != nil {
				return err
			}
			key, is := aidboxOf(d)[0]+" "+r.Ref(), description{d.Name, fmt.Sprint(body, r.AccessPolicy)}
			if was, shared := first[key]; shared && was.text != is.text {
				return hint.Usage("set aidbox.url of each, or name one with --delivery", "deliveries %q and %q have the same Aidbox, and describe %s differently", was.by, is.by, r.Ref())
			}
			first[key] = is
		}
	}
	return nil
}

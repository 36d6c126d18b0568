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

// chosen returns the deliveries that have a resource named in refs, or any resource if
// refs is empty, and those resources.
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
			return nil, nil, usagef("available: "+strings.Join(known, ", "), "no resource %q in %s", ref, a.config)
		}
	}
	return with, resources, nil
}

// resourceChange changes a resource in Aidbox and its AccessPolicy.
type resourceChange func(context.Context, *fhirclient.Client, *config.Delivery, config.Resource) ([]fhirclient.Change, error)

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

// changeResources changes the resources of each delivery.
func (a *app) changeResources(ctx context.Context, f fleet, resources map[*config.Delivery][]config.Resource, adopt bool, change resourceChange) ([]outcome[[]fhirclient.Change], error) {
	f.app, f.exclusive = a, aidboxOf
	return each(ctx, f, func(d *config.Delivery) (work[[]fhirclient.Change], error) {
		c, err := a.aidbox(ctx, d)
		if err != nil {
			return nil, err
		}
		c.Adopt = adopt
		return func(ctx context.Context, _ *progress) (changes []fhirclient.Change, err error) {
			for _, r := range resources[d] {
				more, err := change(ctx, c, d, r)
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
}

// sweep deletes the Client outside every scope that a verify left behind which was
// killed. Every command does so that has just had an answer of Aidbox, but for plans;
// what is wrong with Aidbox now is not worth an error.
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
		return printJSON(a.Out, report)
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
func checkShared(all []*config.Delivery, resources map[*config.Delivery][]config.Resource) error {
	first := map[string]*config.Delivery{}
	as := map[string]string{}
	for _, d := range all {
		for _, r := range resources[d] {
			key := aidboxOf(d)[0] + " " + r.Ref()
			body, err := fhirclient.Body(r)
			if err != nil {
				return err
			}
			described := fmt.Sprint(body, r.AccessPolicy)
			if first[key] != nil && as[key] != described {
				return usagef("set aidbox.url of each, or name one with --delivery", "deliveries %q and %q have the same Aidbox, and describe %s differently", first[key].Name, d.Name, r.Ref())
			}
			first[key], as[key] = d, described
		}
	}
	return nil
}

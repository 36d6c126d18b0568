package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/fhirclient"
)

type resourceChange func(context.Context, *fhirclient.Client, *config.Delivery, config.Resource) ([]fhirclient.Change, error)

func applyResource(ctx context.Context, c *fhirclient.Client, d *config.Delivery, r config.Resource) ([]fhirclient.Change, error) {
	change, err := c.Apply(ctx, r)
	if err != nil {
		return nil, err
	}
	changes := []fhirclient.Change{change}
	if r.AccessPolicy != nil {
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
	if r.AccessPolicy != nil {
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
	SchemaVersion int            `json:"schemaVersion"`
	Changes       []clientChange `json:"changes"`
	Error         string         `json:"error,omitempty"`
}

type clientChange struct {
	Delivery string `json:"delivery"`
	fhirclient.Change
}

func (a *app) changeResources(ctx context.Context, title string, refs []string, output string, change resourceChange) error {
	all, resources, err := a.chosen(refs)
	if err == nil {
		err = checkShared(all, resources)
	}
	if err != nil {
		return err
	}
	f := fleet{app: a, title: title, all: all, taken: aidboxOf}
	done, err := each(ctx, f, func(d *config.Delivery) (work[[]fhirclient.Change], error) {
		c, err := a.aidbox(ctx, d)
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
			return changes, nil
		}, err
	})
	return join(err, a.printResources(done, output, err))
}

func (a *app) printResources(done []outcome[[]fhirclient.Change], output string, failed error) error {
	report := clientReport{SchemaVersion: 1, Changes: []clientChange{}}
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	for _, o := range done {
		if a.several && output != "json" && len(o.result) > 0 {
			_, _ = fmt.Fprintf(w, "# %s\n", o.delivery.Name)
		}
		for _, c := range o.result {
			report.Changes = append(report.Changes, clientChange{o.delivery.Name, c})
			if output != "json" {
				_, _ = fmt.Fprintf(w, "%s\t%s\n", c.Action, c.Object)
			}
		}
	}
	if output != "json" {
		return w.Flush()
	}
	if failed != nil {
		report.Error = oneLine(failed)
	}
	return printJSON(a.Out, report)
}

// aidboxOf tells one Aidbox from another.
func aidboxOf(d *config.Delivery) []string {
	at := strings.TrimSuffix(d.Aidbox.URL, "/")
	if _, _, ok := d.Aidbox.Service(); ok {
		at = strings.Join([]string{d.Context, d.Namespace, d.Aidbox.Workload.Name}, "/")
	}
	return []string{at}
}

// checkShared refuses deliveries that describe the same resource of the same Aidbox
// in two ways: each run would undo what the last one did.
func checkShared(all []*config.Delivery, resources map[*config.Delivery][]config.Resource) error {
	first := map[string]*config.Delivery{}
	as := map[string]string{}
	for _, d := range all {
		for _, r := range resources[d] {
			key := aidboxOf(d)[0] + " " + r.Ref()
			body, err := fhirclient.JSON(r)
			if err != nil {
				return err
			}
			described := string(body) + fmt.Sprint(r.AccessPolicy)
			if first[key] != nil && as[key] != described {
				return usagef("set aidbox.url of each, or name one with --delivery", "deliveries %q and %q have the same Aidbox, and describe %s in two ways", first[key].Name, d.Name, r.Ref())
			}
			first[key], as[key] = d, described
		}
	}
	return nil
}

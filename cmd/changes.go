package cmd

import (
	"fmt"
	"text/tabwriter"

	"github.com/secretctl/secretctl/internal/store"
)

// changesReport is the JSON output of provision and infra, documented in docs/json.md.
type changesReport struct {
	SchemaVersion int               `json:"schemaVersion"`
	DryRun        bool              `json:"dryRun"`
	Deliveries    []deliveryChanges `json:"deliveries"`
}

type deliveryChanges struct {
	Name    string         `json:"name"`
	Changes []store.Change `json:"changes"`
	Error   string         `json:"error,omitempty"`
}

func (a *app) printChanges(done []outcome[[]store.Change], dryRun bool, output string) error {
	r := changesReport{SchemaVersion: 1, DryRun: dryRun, Deliveries: []deliveryChanges{}}
	for _, o := range done {
		one := deliveryChanges{Name: o.delivery.Name, Changes: append([]store.Change{}, o.result...)}
		if o.err != nil {
			one.Error = oneLine(o.err)
		}
		r.Deliveries = append(r.Deliveries, one)
	}
	if output == "json" {
		return printJSON(a.Out, r)
	}
	return a.writeChanges(r)
}

// writeChanges writes a row for each change. Stderr has what deserves a look, and the
// sum.
func (a *app) writeChanges(r changesReport) error {
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	count := map[string]int{}
	whole := true
	for _, d := range r.Deliveries {
		about := ""
		if a.several && d.Name != "" && len(d.Changes) > 0 {
			about = fmt.Sprintf("delivery %q: ", d.Name)
			_, _ = fmt.Fprintf(w, "# %s\n", d.Name)
		}
		for _, c := range d.Changes {
			count[c.Action]++
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.Phase, c.Action, c.Object, c.Detail)
			if c.Warning != "" {
				a.narrate("warning: %s%s: %s", about, c.Object, c.Warning)
			}
		}
		whole = whole && d.Error == ""
	}
	created, updated, unchanged := count[store.Create], count[store.Update], count[store.Unchanged]
	switch {
	case r.DryRun:
		a.narrate("plan, nothing was changed: %d to create, %d to update, %d unchanged", created, updated, unchanged)
	case whole:
		a.narrate("done: %d created, %d updated, %d unchanged", created, updated, unchanged)
	default:
		a.narrate("ended early: %d created, %d updated, %d unchanged", created, updated, unchanged)
	}
	return w.Flush()
}

package cmd

import (
	"fmt"

	"github.com/secretctl/secretctl/internal/hint"
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
	Error   *hint.Problem  `json:"error,omitempty"`
}

// printChanges prints the changes of each delivery.
func (a *app) printChanges(done []outcome[[]store.Change], dryRun bool, output string) error {
	r := changesReport{SchemaVersion: 1, DryRun: dryRun, Deliveries: []deliveryChanges{}}
	for _, o := range done {
		r.Deliveries = append(r.Deliveries, deliveryChanges{o.delivery.Name, append([]store.Change{}, o.result...), a.problem(o.err)})
	}
	if output == "json" {
		return a.printJSON(r)
	}
	return a.printTable(r)
}

// printTable prints a row for each change, then the warnings.
func (a *app) printTable(r changesReport) error {
	var t table
	var warnings []string
	count := map[string]int{}
	whole := true
	for _, d := range r.Deliveries {
		about := ""
		if a.several && d.Name != "" && len(d.Changes) > 0 {
			t.heading(d.Name)
			about = fmt.Sprintf("delivery %q: ", d.Name)
		}
		for _, c := range d.Changes {
			count[c.Action]++
			t.row(c.Phase, c.Action, c.Object, c.Detail)
			if c.Warning != "" {
				warnings = append(warnings, fmt.Sprintf("warning: %s%s: %s", about, c.Object, c.Warning))
			}
		}
		whole = whole && d.Error == nil
	}
	if err := a.print(&t); err != nil {
		return err
	}
	for _, w := range warnings {
		a.narrate("%s", w)
	}
	format := "stopped early: %d created, %d updated, %d unchanged"
	switch {
	case !whole && len(t.rows) == 0:
		return nil
	case r.DryRun:
		format = "plan, nothing was changed: %d to create, %d to update, %d unchanged"
	case whole:
		format = "done: %d created, %d updated, %d unchanged"
	}
	a.summarize(format, count[store.Create], count[store.Update], count[store.Unchanged])
	return nil
}

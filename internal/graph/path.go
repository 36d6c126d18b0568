package graph

import (
	"slices"

	"github.com/secretctl/secretctl/internal/report"
	"github.com/secretctl/secretctl/internal/verify"
)

// Paths returns each secret's path, with the outcome of the checks if there is a report.
func Paths(d Delivery, r *report.Report) (paths []verify.Path) {
	f := (&graph{}).add(d, nil)
	var found findings
	if r != nil {
		found = findingsOf(d.Name, r)
	}
	for _, from := range f.paths {
		p := verify.Path{Secret: from.secret, Steps: []verify.Step{newStep(from.edges[0].from.text, found)}}
		for _, e := range from.edges {
			p.Steps = append(p.Steps, newStep(text{lines: e.to.lines, about: slices.Concat(e.about, e.to.about)}, found))
		}
		entry := from.edges[len(from.edges)-1].to
		for _, e := range f.edges {
			if e.from == entry {
				p.Ends = append(p.Ends, newStep(text{lines: slices.Concat(e.to.lines, e.lines), about: slices.Concat(e.about, e.to.about)}, found))
			}
		}
		markBroken(p.Steps, p.Ends)
		paths = append(paths, p)
	}
	return paths
}

func newStep(t text, found findings) verify.Step {
	if t.judge(found); t.status == unchecked {
		return verify.Step{Lines: t.lines}
	}
	return verify.Step{Lines: t.lines, Status: verify.Status(t.status), Checks: t.ids}
}

// markBroken marks the first step that failed, and no later one: those after it may only
// follow from it.
func markBroken(parts ...[]verify.Step) {
	for _, steps := range parts {
		for i := range steps {
			if steps[i].Status == verify.StatusFail {
				steps[i].Broken = true
				return
			}
		}
	}
}

package graph

import (
	"io"
	"slices"

	"github.com/secretctl/secretctl/internal/report"
	"github.com/secretctl/secretctl/internal/verify"
)

// Paths returns each secret's path with the outcome of the checks, if there is a report.
func Paths(d Delivery, r *report.Report) (paths []verify.Path) {
	var g graph
	g.add(d, nil)
	var found findings
	if r != nil {
		found = findingsOf(d.Name, r)
	}
	for _, w := range g.ways {
		p := verify.Path{Secret: w.secret}
		for i, n := range w.nodes {
			about := g.nodes[n].about
			if i > 0 {
				about = slices.Concat(g.edges[w.edges[i-1]].about, about)
			}
			p.Steps = append(p.Steps, newStep(g.nodes[n].lines, about, found))
		}
		for _, e := range g.edges {
			if e.from == w.nodes[len(w.nodes)-1] {
				lines := slices.Concat(g.nodes[e.to].lines, e.lines)
				p.Ends = append(p.Ends, newStep(lines, slices.Concat(e.about, g.nodes[e.to].about), found))
			}
		}
		markBroken(p.Steps, p.Ends)
		paths = append(paths, p)
	}
	return paths
}

func newStep(lines, about []string, found findings) verify.Step {
	t := text{lines: lines, about: about}
	if t.judge(found); t.status == unchecked {
		return verify.Step{Lines: lines}
	}
	return verify.Step{Lines: lines, Status: verify.Status(t.status), Checks: t.ids}
}

// markBroken marks the first step that failed, and no later one: what comes after it
// may only follow from it.
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

// writePage draws the paths as a report's page does.
func writePage(w io.Writer, deliveries []Delivery, r *report.Report) error {
	var page report.Report
	for _, d := range deliveries {
		page.Deliveries = append(page.Deliveries, verify.DeliveryReport{Name: d.Name, Paths: Paths(d, r)})
	}
	return report.Write(w, "html", page, false)
}

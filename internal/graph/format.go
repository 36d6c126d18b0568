package graph

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// mermaid draws a flowchart.
func (g graph) mermaid() string {
	shapes := map[kind][2]string{kindStore: {"[(", ")]"}, kindClass: {"[", "]"}, kindFile: {"[/", "/]"}, kindEntry: {"[", "]"}, kindResource: {"(", ")"}}
	var out strings.Builder
	out.WriteString("flowchart LR\n")
	classes, links, frames := map[style][]string{}, map[style][]string{}, ""
	node, link := 0, 0
	for i, f := range g.flows {
		fmt.Fprintf(&out, "  subgraph d%d[\"%s\"]\n    direction LR\n", i, mermaidText([]string{strings.Join(f.label(), ": ")}))
		if l, ok := looks[f.status]; ok {
			frames += fmt.Sprintf("  style d%d stroke:%s\n", i, l.line)
		}
		for ; node < f.nodesEnd; node++ {
			n, name := g.nodes[node], fmt.Sprintf("n%d", node)
			shape := shapes[n.kind]
			fmt.Fprintf(&out, "    %s%s\"%s\"%s\n", name, shape[0], mermaidText(n.label()), shape[1])
			classes[n.status] = append(classes[n.status], name)
		}
		for ; link < f.edgesEnd; link++ {
			e := g.edges[link]
			between := ""
			if label := e.label(); len(label) > 0 {
				between = "|\"" + mermaidText(label) + "\"|"
			}
			fmt.Fprintf(&out, "    n%d -->%s n%d\n", e.from, between, e.to)
			links[e.status] = append(links[e.status], fmt.Sprint(link))
		}
		out.WriteString("  end\n")
	}
	for _, s := range slices.Sorted(maps.Keys(looks)) {
		l := looks[s]
		if len(classes[s]) > 0 {
			fmt.Fprintf(&out, "  classDef %s fill:%s,stroke:%s,color:%s\n  class %s %[1]s\n", l.name, l.fill, l.line, l.text, strings.Join(classes[s], ","))
		}
		if len(links[s]) > 0 {
			fmt.Fprintf(&out, "  linkStyle %s stroke:%s,stroke-width:2px\n", strings.Join(links[s], ","), l.line)
		}
	}
	return out.String() + frames
}

// mermaidText returns lines as a quoted text shows them: what could end it, or be
// taken for HTML or Markdown, is written as its number.
func mermaidText(lines []string) string {
	escaped := make([]string, len(lines))
	for i, line := range lines {
		for _, r := range line {
			if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" /:.,-√×!?", r) {
				escaped[i] += string(r)
			} else {
				escaped[i] += fmt.Sprintf("#%d;", r)
			}
		}
	}
	return strings.Join(escaped, "<br/>")
}

// dot draws for Graphviz.
func (g graph) dot() string {
	shapes := map[kind]string{kindStore: "cylinder", kindClass: "box", kindFile: "note", kindEntry: "box", kindResource: "ellipse"}
	var out strings.Builder
	out.WriteString("digraph secretctl {\n  rankdir=LR\n  node [fontname=\"sans-serif\", style=filled, fillcolor=white]\n  edge [fontname=\"sans-serif\"]\n  graph [fontname=\"sans-serif\"]\n")
	node, link := 0, 0
	for i, f := range g.flows {
		fmt.Fprintf(&out, "  subgraph cluster_%d {\n    label=%s%s\n", i, dotText([]string{strings.Join(f.label(), ": ")}), f.status.dot("\n    "))
		for ; node < f.nodesEnd; node++ {
			n := g.nodes[node]
			fmt.Fprintf(&out, "    n%d [label=%s, shape=%s%s%s]\n", node, dotText(n.label()), shapes[n.kind], n.status.fill(), n.status.dot(", "))
		}
		for ; link < f.edgesEnd; link++ {
			e := g.edges[link]
			fmt.Fprintf(&out, "    n%d -> n%d", e.from, e.to)
			if label := e.label(); len(label) > 0 {
				fmt.Fprintf(&out, " [label=%s%s]", dotText(label), e.status.dot(", "))
			}
			out.WriteByte('\n')
		}
		out.WriteString("  }\n")
	}
	out.WriteString("}\n")
	return out.String()
}

// dot returns the colours of line and text as attributes, each after sep.
func (s style) dot(sep string) string {
	l, ok := looks[s]
	if !ok {
		return ""
	}
	return fmt.Sprintf("%scolor=%q%sfontcolor=%q", sep, l.line, sep, l.text)
}

func (s style) fill() string {
	l, ok := looks[s]
	if !ok {
		return ""
	}
	return fmt.Sprintf(", fillcolor=%q", l.fill)
}

// dotText returns lines as a quoted label. Graphviz reads entities of HTML in it.
func dotText(lines []string) string {
	escaped := make([]string, len(lines))
	for i, line := range lines {
		escaped[i] = dotEscapes.Replace(line)
	}
	return `"` + strings.Join(escaped, `\n`) + `"`
}

var dotEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "&", "&amp;", "\n", " ", "\r", " ")

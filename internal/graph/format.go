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
	nodes, edges, frames := map[style][]string{}, map[style][]string{}, ""
	for i, f := range g.flows {
		fmt.Fprintf(&out, "  subgraph d%d[\"%s\"]\n    direction LR\n", i, mermaidText(f.heading()))
		if l, ok := looks[f.status]; ok {
			frames += fmt.Sprintf("  style d%d stroke:%s\n", i, l.line)
		}
		for _, n := range f.nodes {
			shape := shapes[n.kind]
			fmt.Fprintf(&out, "    n%d%s\"%s\"%s\n", n.number, shape[0], mermaidText(n.label()), shape[1])
			nodes[n.status] = append(nodes[n.status], fmt.Sprintf("n%d", n.number))
		}
		for _, e := range f.edges {
			between := ""
			if label := e.label(); len(label) > 0 {
				between = "|\"" + mermaidText(label) + "\"|"
			}
			fmt.Fprintf(&out, "    n%d -->%s n%d\n", e.from.number, between, e.to.number)
			edges[e.status] = append(edges[e.status], fmt.Sprint(e.number))
		}
		out.WriteString("  end\n")
	}
	for _, s := range slices.Sorted(maps.Keys(looks)) {
		l := looks[s]
		if len(nodes[s]) > 0 {
			fmt.Fprintf(&out, "  classDef %s fill:%s,stroke:%s,color:%s\n  class %s %[1]s\n", l.name, l.fill, l.line, l.text, strings.Join(nodes[s], ","))
		}
		if len(edges[s]) > 0 {
			fmt.Fprintf(&out, "  linkStyle %s stroke:%s,stroke-width:2px\n", strings.Join(edges[s], ","), l.line)
		}
	}
	return out.String() + frames
}

// mermaidText returns lines as the content of a quoted text. It writes as a number
// whatever could end the text, or be taken for HTML or Markdown.
func mermaidText(lines []string) string {
	var out strings.Builder
	for i, line := range lines {
		if i > 0 {
			out.WriteString("<br/>")
		}
		for _, r := range line {
			if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" /:.,-√×!?", r) {
				out.WriteRune(r)
			} else {
				fmt.Fprintf(&out, "#%d;", r)
			}
		}
	}
	return out.String()
}

// dot draws for Graphviz.
func (g graph) dot() string {
	shapes := map[kind]string{kindStore: "cylinder", kindClass: "box", kindFile: "note", kindEntry: "box", kindResource: "ellipse"}
	var out strings.Builder
	out.WriteString("digraph secretctl {\n  rankdir=LR\n  node [fontname=\"sans-serif\", style=filled, fillcolor=white]\n  edge [fontname=\"sans-serif\"]\n  graph [fontname=\"sans-serif\"]\n")
	for i, f := range g.flows {
		fmt.Fprintf(&out, "  subgraph cluster_%d {\n    label=%s%s\n", i, dotText(f.heading()), f.status.dot("\n    "))
		for _, n := range f.nodes {
			fill := ""
			if l, ok := looks[n.status]; ok {
				fill = fmt.Sprintf(", fillcolor=%q", l.fill)
			}
			fmt.Fprintf(&out, "    n%d [label=%s, shape=%s%s%s]\n", n.number, dotText(n.label()), shapes[n.kind], fill, n.status.dot(", "))
		}
		for _, e := range f.edges {
			fmt.Fprintf(&out, "    n%d -> n%d", e.from.number, e.to.number)
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

// dot returns the colors of line and text as attributes, each after sep.
func (s style) dot(sep string) string {
	l, ok := looks[s]
	if !ok {
		return ""
	}
	return fmt.Sprintf("%scolor=%q%sfontcolor=%q", sep, l.line, sep, l.text)
}

// dotText returns lines as a quoted label, in which Graphviz reads HTML entities.
func dotText(lines []string) string {
	escaped := make([]string, len(lines))
	for i, line := range lines {
		escaped[i] = dotEscapes.Replace(line)
	}
	return `"` + strings.Join(escaped, `\n`) + `"`
}

var dotEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "&", "&amp;", "\n", " ", "\r", " ")

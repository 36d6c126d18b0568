// Package graph draws each secret's path: from the store through the SecretProviderClass
// to the mounted file, the vault config entry and the resource that refers to it. It knows
// which checks are about which part of the path, and shows only statuses and check IDs of
// a report, never its texts.
package graph

import (
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/report"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/verify"
)

// Formats returns the names that [Write] knows.
func Formats() []string { return []string{"mermaid", "dot", "html"} }

// Delivery is a delivery to draw, and its kind of store.
type Delivery struct {
	*config.Delivery
	Store store.Provider
}

// Write draws the deliveries in a format, with the outcome of the checks if there is a
// report; it may be nil. The same input gives the same bytes.
func Write(w io.Writer, format string, deliveries []Delivery, r *report.Report) error {
	if format == "html" {
		var page report.Report
		for _, d := range deliveries {
			page.Deliveries = append(page.Deliveries, verify.DeliveryReport{Name: d.Name, Paths: Paths(d, r)})
		}
		return report.Write(w, format, page, false)
	}
	var g graph
	for _, d := range deliveries {
		g.add(d, r)
	}
	text := g.mermaid()
	if format == "dot" {
		text = g.dot()
	}
	_, err := io.WriteString(w, text)
	return err
}

// graph has the flows of all deliveries, with nodes and edges numbered through.
type graph struct {
	flows        []*flow
	nodes, edges int
}

// flow is a delivery.
type flow struct {
	text
	nodes []*node
	edges []*edge
	paths []path
}

// path is a secret's: the edges from its place in the store to its vault config entry.
type path struct {
	secret string
	edges  []*edge
}

type node struct {
	text
	number int
	kind   kind
}

type edge struct {
	text
	number   int
	from, to *node
}

// kind is what a node stands for.
type kind int

const (
	kindStore kind = iota
	kindClass
	kindFile
	kindEntry
	kindResource
)

// add draws a delivery, with its outcome in the report if there is one.
func (g *graph) add(d Delivery, r *report.Report) *flow {
	f := &flow{text: text{lines: []string{d.Name}, about: []string{every}}}
	g.flows = append(g.flows, f)
	entries := map[string]*node{}
	for _, c := range d.Store.Classes(d.Delivery) {
		class := g.node(kindClass, []string{"SecretProviderClass", c.Name}, "workload/secret-provider-class secretproviderclass/"+c.Name)
		for _, s := range c.Secrets {
			entries[s.Name] = g.secret(d, s, class)
		}
	}
	for _, r := range d.Resources {
		g.resource(r, entries)
	}
	if r != nil {
		found := findingsOf(d.Name, r)
		f.judge(found)
		for _, n := range f.nodes {
			n.judge(found)
		}
		for _, e := range f.edges {
			e.judge(found)
		}
	}
	return f
}

// secret draws the path of a secret up to its entry, which it returns. The checks of a
// node are about the thing itself, those of an edge about what leads to it.
func (g *graph) secret(d Delivery, s config.Secret, class *node) *node {
	place := g.node(kindStore, d.Store.Place(d.Delivery, s), "store/secret-present "+s.Name, "rotation/store-updated "+s.Name)
	file := g.node(kindFile, []string{"file", d.MountedFile(s)},
		"mount/present "+s.Name+" *", "mount/readable "+s.Name+" *", "mount/matches-store "+s.Name+" *", "rotation/mounted "+s.Name)
	entry := g.node(kindEntry, []string{"vault config entry", s.Name, "scope " + strings.Join(s.Scope, ", ")}, "workload/vault-config *", "mount/vault-config *")
	f := g.flows[len(g.flows)-1]
	f.paths = append(f.paths, path{s.Name, []*edge{
		g.edge(place, class, []string{"as " + s.Name}, "store/pod-can-read *", "workload/service-account *", "cluster/token-requests *"),
		g.edge(class, file, nil,
			"mount/status "+s.Name+" *", "workload/no-subpath *", "cluster/csi-driver *", "cluster/provider *", "cluster/crds *", "cluster/rotation-enabled *"),
		g.edge(file, entry, nil, "mount/vault-config *"),
	}})
	return entry
}

// resource draws a resource and what leads to it from the entries of its secrets.
func (g *graph) resource(r config.Resource, entries map[string]*node) {
	var about []string
	for _, id := range []string{"client/exists", "client/masked", "auth/accepts-secret", "auth/rejects-wrong", "auth/rejects-empty", "auth/token"} {
		about = append(about, id+" "+r.Ref())
	}
	to := g.node(kindResource, []string{r.Ref()}, about...)
	for _, field := range slices.Sorted(maps.Keys(r.Secrets)) {
		name := r.Secrets[field]
		to.about = append(to.about, "rotation/new-accepted "+name, "rotation/old-rejected "+name)
		g.edge(entries[name], to, []string{field}, "client/reference "+r.Ref(), "scope/out-of-scope-refused "+name)
	}
}

// node adds a node to the last flow.
func (g *graph) node(k kind, lines []string, about ...string) *node {
	f, n := g.flows[len(g.flows)-1], &node{text{lines: lines, about: about}, g.nodes, k}
	f.nodes = append(f.nodes, n)
	g.nodes++
	return n
}

// edge adds an edge to the last flow.
func (g *graph) edge(from, to *node, lines []string, about ...string) *edge {
	f, e := g.flows[len(g.flows)-1], &edge{text{lines: lines, about: about}, g.edges, from, to}
	f.edges = append(f.edges, e)
	g.edges++
	return e
}

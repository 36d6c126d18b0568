// Package graph draws the way of each secret: from the store through the
// SecretProviderClass to the mounted file, the entry of the vault config and the
// resource that refers to it. It knows which checks are about which part of the
// way, and of a report it shows statuses and check IDs alone, never its texts.
package graph

import (
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/report"
	"github.com/secretctl/secretctl/internal/store"
)

// Formats returns the names that [Write] knows.
func Formats() []string { return []string{"mermaid", "dot", "html"} }

// Delivery is one to draw, and what is known of its kind of store.
type Delivery struct {
	*config.Delivery
	Store store.Provider
}

// Write draws the deliveries in a format, with the outcome of the checks where
// there is a report; it may be nil. The same input gives the same bytes.
func Write(w io.Writer, format string, deliveries []Delivery, r *report.Report) error {
	if format == "html" {
		return writePage(w, deliveries, r)
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

// graph is what both formats draw. Edges refer to nodes by their place in the list.
type graph struct {
	flows []flow
	nodes []node
	edges []edge
	ways  []way
}

// way is a secret's path: its nodes up to its entry, and the edges between them.
type way struct {
	secret       string
	nodes, edges []int
}

// flow is a delivery: its nodes and edges are those up to here which no flow
// before it has.
type flow struct {
	text
	nodesEnd, edgesEnd int
}

type node struct {
	kind kind
	text
}

type edge struct {
	from, to int
	text
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

// add draws a delivery. Of a report only what is about the delivery counts.
func (g *graph) add(d Delivery, r *report.Report) {
	firstNode, firstEdge := len(g.nodes), len(g.edges)
	entries := map[string]int{}
	for _, c := range d.Store.Classes(d.Delivery) {
		class := g.node(kindClass, []string{"SecretProviderClass", c.Name}, "workload/secret-provider-class secretproviderclass/"+c.Name)
		for _, s := range c.Secrets {
			entries[s.Name] = g.secret(d, s, class)
		}
	}
	for _, r := range d.Resources {
		g.resource(r, entries)
	}
	f := flow{text{lines: []string{d.Name}, about: []string{every}}, len(g.nodes), len(g.edges)}
	if r != nil {
		found := findingsOf(d.Name, r)
		f.judge(found)
		for i := firstNode; i < f.nodesEnd; i++ {
			g.nodes[i].judge(found)
		}
		for i := firstEdge; i < f.edgesEnd; i++ {
			g.edges[i].judge(found)
		}
	}
	g.flows = append(g.flows, f)
}

// secret draws the way of a secret up to its entry, which it returns. The checks of
// a node are about the thing itself, those of an edge about what brings it on.
func (g *graph) secret(d Delivery, s config.Secret, class int) int {
	place := g.node(kindStore, d.Store.Place(d.Delivery, s), "store/secret-present "+s.Name, "rotation/store-updated "+s.Name)
	file := g.node(kindFile, []string{"file", d.MountedFile(s)},
		"mount/present "+s.Name+" *", "mount/readable "+s.Name+" *", "mount/matches-store "+s.Name+" *", "rotation/mounted "+s.Name)
	entry := g.node(kindEntry, []string{"vault config entry", s.Name, "scope " + strings.Join(s.Scope, ", ")}, "workload/vault-config *", "mount/vault-config *")
	g.edge(place, class, []string{"as " + s.Name}, "store/pod-can-read *", "workload/service-account *", "cluster/token-requests *")
	g.edge(class, file, nil,
		"mount/status "+s.Name+" *", "workload/no-subpath *", "cluster/csi-driver *", "cluster/provider *", "cluster/crds *", "cluster/rotation-enabled *")
	g.edge(file, entry, nil, "mount/vault-config *")
	last := len(g.edges) - 1
	g.ways = append(g.ways, way{s.Name, []int{place, class, file, entry}, []int{last - 2, last - 1, last}})
	return entry
}

// resource draws a resource and what leads to it from the entries of its secrets.
func (g *graph) resource(r config.Resource, entries map[string]int) {
	var about []string
	for _, id := range []string{"client/exists", "client/masked", "auth/accepts-secret", "auth/rejects-wrong", "auth/rejects-empty", "auth/token"} {
		about = append(about, id+" "+r.Ref())
	}
	to := g.node(kindResource, []string{r.Ref()}, about...)
	for _, field := range slices.Sorted(maps.Keys(r.Secrets)) {
		name := r.Secrets[field]
		g.nodes[to].about = append(g.nodes[to].about, "rotation/new-accepted "+name, "rotation/old-rejected "+name)
		g.edge(entries[name], to, []string{field}, "client/reference "+r.Ref(), "scope/out-of-scope-refused "+name)
	}
}

// node adds a node and returns its place.
func (g *graph) node(k kind, lines []string, about ...string) int {
	g.nodes = append(g.nodes, node{k, text{lines: lines, about: about}})
	return len(g.nodes) - 1
}

func (g *graph) edge(from, to int, lines []string, about ...string) {
	g.edges = append(g.edges, edge{from, to, text{lines: lines, about: about}})
}

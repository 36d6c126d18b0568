package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v3"

	"github.com/secretctl/secretctl/internal/secret"
)

// View returns the effective config: with defaults, and a comment at each setting that says
// where it comes from. override changes a delivery and its From, and returns false to leave
// the delivery out. It does not show what may be secret: values of aidbox.env, what is one by
// its name in the body of a resource, an address with a password, and what repeats a known
// secret. What goes wrong is an [*Error].
func View(path string, override func(*Delivery) bool, repeats func(text string) bool) ([]byte, error) {
	docs, err := read(path)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	for _, doc := range docs {
		if !override(doc.delivery) {
			continue
		}
		text, err := json.Marshal(doc.delivery) // whose keys are in the order of the types
		if err != nil {
			return nil, err
		}
		var node yaml.Node
		if err := yaml.Unmarshal(text, &node); err != nil {
			return nil, err
		}
		origins{doc.file, doc.delivery.From, repeats}.annotate(node.Content[0], doc.root)
		if err := enc.Encode(&node); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), enc.Close()
}

const fromDefault = "default"

// origins is where the settings of a document come from.
type origins struct {
	file    string
	from    map[string]string // by path; all else is in the file, or a default
	repeats func(text string) bool
}

// annotate comments the settings of node, which is at p in the file.
func (o origins) annotate(node *yaml.Node, p *place) {
	node.Style = 0
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i < len(node.Content); i += 2 {
			node.Content[i].Style = 0
			o.annotate(node.Content[i+1], p.key(node.Content[i].Value))
		}
		o.dropEmpty(node)
	case yaml.SequenceNode:
		for i, item := range node.Content {
			o.annotate(item, p.item(i))
		}
	default:
		if hidden(p, node.Value) || o.repeats(node.Value) {
			node.SetString("[not shown]")
		}
		node.LineComment = o.of(p)
	}
}

// dropEmpty removes structs without a setting.
func (origins) dropEmpty(node *yaml.Node) {
	for i := 0; i < len(node.Content); i += 2 {
		if value := node.Content[i+1]; value.Kind == yaml.MappingNode && len(value.Content) == 0 {
			node.Content = slices.Delete(node.Content, i, i+2)
			i -= 2
		}
	}
}

// hidden reports whether a text is the value of an environment variable, a secret in the
// body of a resource by its name or its parameter's, or an address with a password.
func hidden(p *place, text string) bool {
	switch path := p.String(); {
	case p.name == "value" && p.up != nil && p.up.up != nil && p.up.up.String() == "aidbox.env":
		return true
	case strings.HasPrefix(path, "resources[") && strings.Contains(path, "].body."):
		for p.index >= 0 { // an item of a list goes by the name of the list
			p = p.up
		}
		name := p.name
		if parameter := p.up.key("name").node; parameter != nil && strings.HasPrefix(name, "value") {
			name = parameter.Value
		}
		return secret.Credential(name, text) != ""
	}
	return secret.HasPassword(text)
}

func (o origins) of(p *place) string {
	switch from := o.from[p.String()]; {
	case from != "":
		return from
	case p.node != nil:
		return fmt.Sprintf("%s:%d", (*secret.Sanitizer)(nil).Line(o.file), p.line)
	}
	return fromDefault
}

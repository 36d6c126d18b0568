package config

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v3"
)

var examples = []string{"testdata/minimal.yaml", "testdata/vault.yaml", "testdata/azure.yaml", "testdata/fleet/eu.yaml"}

func TestNoProblemQuotesAValue(t *testing.T) {
	for _, name := range examples {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for n, last := uint(0), false; !last; n++ {
			// One passes as a name, the other does not.
			for _, secret := range []string{"pl4nted-secret", "Pl4nted*secret/.."} {
				var changed []byte
				changed, last = plant(text, n, secret)
				findPlanted(t, changed)
			}
		}
	}
}

// A value without a space before it, or without a key, is itself a key.
func TestNoProblemQuotesAValueThatWasReadAsAKey(t *testing.T) {
	for _, name := range examples {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, glue := range []string{":", "=", " ", ""} {
			for n := 0; ; n++ {
				root, err := parseNode(split("", text)[0].text)
				if err != nil {
					t.Fatal(err)
				}
				keys := keysBelow(root)
				if n >= len(keys) {
					break
				}
				keys[n][0].SetString(keys[n][0].Value + glue + "pl4nted-secret")
				if glue == "" {
					keys[n][0].SetString("pl4nted-secret")
				}
				*keys[n][1] = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
				changed, err := yaml.Marshal(root)
				if err != nil {
					t.Fatal(err)
				}
				findPlanted(t, changed)
			}
		}
	}
}

// keysBelow returns every key with its value.
func keysBelow(n *yaml.Node) (all [][2]*yaml.Node) {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			all = append(all, [2]*yaml.Node{child, n.Content[i+1]})
		}
		all = append(all, keysBelow(child)...)
	}
	return all
}

func FuzzLoad(f *testing.F) {
	for _, name := range examples {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, uint(len(text)))
	}
	f.Add([]byte("a: *pl4nted-secret\n"), uint(0))
	f.Add([]byte("a: &pl4nted-secret [*pl4nted-secret]\n---\nb: @pl4nted-secret"), uint(1))
	f.Add([]byte(delivery("secrets: [{name: on, scope: [Client], value: !!str pl4nted-secret}]\n")), uint(2))
	f.Fuzz(func(t *testing.T, text []byte, n uint) {
		if line, ok := plainText(text); !ok {
			if line < 1 {
				t.Errorf("line %d", line)
			}
			return
		}
		for _, p := range tryLoad(t, text) {
			if strings.Contains(p.Message, "not valid YAML") && strings.Contains(p.String()+p.Hint+p.Excerpt, "pl4nted") {
				t.Errorf("%s; %s\n%s", p, p.Hint, p.Excerpt)
			}
		}
		if bytes.Contains(bytes.ToLower(text), []byte("pl4nted")) {
			return // as a key, which messages name
		}
		if changed, _ := plant(text, n, "pl4nted-secret"); changed != nil {
			findPlanted(t, changed)
		}
	})
}

// findPlanted looks for a planted secret in the problems of text.
func findPlanted(t *testing.T, text []byte) {
	for _, p := range tryLoad(t, text) {
		shown := p.String() + "; " + p.Hint + "\n" + p.Excerpt
		if strings.Contains(strings.ToLower(shown), "pl4nted") {
			t.Errorf("%s\n%s", shown, text)
		}
	}
}

// tryLoad loads text, and checks what holds for every result.
func tryLoad(t *testing.T, text []byte) []Problem {
	docs := split("x.yaml", text)
	deliveries, err := check("x.yaml", docs)
	if err == nil {
		if len(deliveries) == 0 {
			t.Fatal("no delivery and no error")
		}
		for _, doc := range docs {
			if doc != nil && doc.delivery != nil { // load leaves out the empty ones
				sameAsWritten(t, doc)
			}
		}
		fitsSchema(t, string(text))
		return nil
	}
	var e *Error
	if !errors.As(err, &e) || len(e.Problems) == 0 || deliveries != nil {
		t.Fatalf("%T with %d deliveries: %v", err, len(deliveries), err)
	}
	for _, p := range e.Problems {
		if p.Message == "" || p.Hint == "" || strings.ContainsAny(p.String()+p.Hint, "\n\r") || p.Line > bytes.Count(text, []byte("\n"))+1 {
			t.Errorf("%q, hint %q", p, p.Hint)
		}
	}
	return e.Problems
}

// sameAsWritten checks that decoding has converted no name.
func sameAsWritten(t *testing.T, doc *document) {
	for i, s := range doc.delivery.Secrets {
		name := doc.root.key("secrets").item(i).key("name")
		if name.node != nil && name.node.Value != s.Name {
			t.Errorf("%q was decoded as %q", name.node.Value, s.Name)
		}
	}
	for key, got := range map[string]string{"name": doc.delivery.Name, "mountPath": doc.delivery.MountPath} {
		if at := doc.root.key(key); at.node != nil && at.node.Value != "" && at.node.Value != got {
			t.Errorf("%q was decoded as %q", at.node.Value, got)
		}
	}
}

// plant returns the first document with a secret in place of its nth value, and whether
// that is the last.
func plant(text []byte, n uint, secret string) (changed []byte, last bool) {
	root, err := parseNode(split("", text)[0].text)
	if err != nil || root == nil {
		return nil, true
	}
	var values []*yaml.Node
	var collect func(n *yaml.Node, depth int)
	collect = func(n *yaml.Node, depth int) {
		for i, child := range n.Content {
			isKey := n.Kind == yaml.MappingNode && i%2 == 0
			// A hint may show a secret's name and a resource's id.
			isName := n.Kind == yaml.MappingNode && i%2 == 1 && (n.Content[i-1].Value == "name" || n.Content[i-1].Value == "id")
			if !isKey && !isName && depth < 50 {
				values = append(values, child)
				collect(child, depth+1)
			}
		}
	}
	collect(root, 0)
	if len(values) == 0 {
		return nil, true
	}
	i := n % uint(len(values))
	*values[i] = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: secret}
	if changed, err = yaml.Marshal(root); err != nil {
		return nil, true
	}
	return changed, i+1 == uint(len(values))
}

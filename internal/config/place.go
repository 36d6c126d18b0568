package config

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode"

	yaml "go.yaml.in/yaml/v3"
)

// A place is where a value is in a document, or would be if somebody wrote it.
type place struct {
	doc     *document
	up      *place     // nil for the document
	name    string     // in a mapping
	index   int        // in a list; -1 in a mapping
	node    *yaml.Node // nil if nothing is written, or null
	line    int        // of the file; if nothing is written, that of the mapping or list around it
	column  int        // 0 if nothing is written
	depth   int
	aliased bool // reached through an alias
}

// child returns the place of value, which begins where start does; both are nil if
// nothing is written.
func (p *place) child(name string, index int, start, value *yaml.Node) *place {
	c := &place{doc: p.doc, up: p, name: name, index: index, line: p.line, depth: p.depth + 1, aliased: p.aliased}
	if value == nil {
		return c
	}
	c.line, c.column = p.doc.line+start.Line-1, start.Column
	if value.Kind == yaml.AliasNode {
		value, c.aliased = value.Alias, true
	}
	if !isNull(value) {
		c.node = value
	}
	return c
}

// at returns p with the line and column of another place.
func (p *place) at(other *place) *place {
	moved := *p
	moved.line, moved.column = other.line, other.column
	return &moved
}

func (p *place) key(name string) *place {
	if p.node != nil && p.node.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(p.node.Content); i += 2 {
			if k := p.node.Content[i]; k.Value == name {
				return p.child(name, -1, k, p.node.Content[i+1])
			}
		}
	}
	return p.child(name, -1, nil, nil)
}

func (p *place) item(i int) *place {
	if p.node != nil && p.node.Kind == yaml.SequenceNode && i < len(p.node.Content) {
		return p.child("", i, p.node.Content[i], p.node.Content[i])
	}
	return p.child("", i, nil, nil)
}

// String returns the path of p: secrets[0].scope.
func (p *place) String() string {
	switch {
	case p.up == nil:
		return ""
	case p.index >= 0:
		return p.up.String() + "[" + strconv.Itoa(p.index) + "]"
	case p.up.up == nil:
		return showKey(p.name)
	default:
		return p.up.String() + "." + showKey(p.name)
	}
}

// showKey returns as much of a key as cannot be a value.
func showKey(key string) string {
	if start := keyStart(key); start != key || key == "" {
		return start + masked
	}
	return key
}

// keyStart returns the part of a key before the first character that keys do not have.
// Without a space, YAML reads all of {secret:hunter2} as a key.
func keyStart(key string) string {
	n := 0
	end := strings.IndexFunc(key, func(r rune) bool {
		n++
		return n > 64 || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./[]$", r)
	})
	if end >= 0 {
		return key[:end]
	}
	return key
}

// report adds a problem at p, or counts it once the document has more than are listed.
func (p *place) report(message, hint string) {
	if len(p.doc.problems) >= maxLines {
		p.doc.unlisted++
		return
	}
	p.doc.problems = append(p.doc.problems, Problem{File: p.doc.file, Line: p.line, Column: p.column, Path: p.String(), Message: message, Hint: hint})
}

// What a node is, as messages call it.
const (
	kindMapping = "a mapping"
	kindList    = "a list"
	kindText    = "text"
	kindNumber  = "a number"
	kindBool    = "true or false"
	kindYesNo   = "yes or no" // a boolean in YAML 1.1, text in YAML 1.2
	kindNothing = "nothing"
	kindDate    = "a date"
	kindOther   = "a value that YAML reads in its own way"
)

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return kindMapping
	case yaml.SequenceNode:
		return kindList
	case yaml.ScalarNode:
		return scalarKind(n)
	}
	return kindOther
}

func scalarKind(n *yaml.Node) string {
	switch n.ShortTag() {
	case "!!str":
		if n.Style == 0 && isYesNo(n.Value) {
			return kindYesNo
		}
		return kindText
	case "!!int", "!!float":
		return kindNumber
	case "!!bool":
		return kindBool
	case "!!null":
		return kindNothing
	case "!!timestamp":
		return kindDate
	}
	return kindOther
}

func isYesNo(text string) bool {
	return len(text) <= 3 && slices.Contains([]string{"y", "yes", "n", "no", "on", "off"}, strings.ToLower(text))
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// keptByJSON reports whether a number survives being a float64, as JSON numbers are, and
// is written as in JSON. Versions of YAML disagree on other forms, such as 0o17 and 1_000.
func keptByJSON(n *yaml.Node) bool {
	if n.ShortTag() == "!!int" {
		i, err := strconv.ParseInt(n.Value, 10, 64)
		return err == nil && -1<<53 <= i && i <= 1<<53 && json.Valid([]byte(n.Value))
	}
	return json.Valid([]byte(n.Value))
}

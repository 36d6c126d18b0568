package config

import (
	"strconv"
	"strings"
	"unicode"

	yaml "go.yaml.in/yaml/v3"
)

// A place is a spot in a document, whether or not something is written there.
type place struct {
	doc     *document
	up      *place     // nil for the document
	name    string     // in a mapping
	index   int        // in a list; -1 in a mapping
	node    *yaml.Node // nil where nothing is written, or null
	line    int        // where it is written, else where what is around it is
	column  int        // where it is written, else 0
	depth   int
	aliased bool // reached through an alias
}

// child returns the place of a value below p; at is what stands on its line.
func (p place) child(name string, index int, at, value *yaml.Node) place {
	c := place{doc: p.doc, up: &p, name: name, index: index, line: p.line, depth: p.depth + 1, aliased: p.aliased}
	if value == nil {
		return c
	}
	c.line, c.column = p.doc.line+at.Line-1, at.Column
	if value.Kind == yaml.AliasNode {
		value, c.aliased = value.Alias, true
	}
	if !isNull(value) {
		c.node = value
	}
	return c
}

// key returns the place of a value in a mapping.
func (p place) key(name string) place {
	if p.node != nil && p.node.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(p.node.Content); i += 2 {
			if k := p.node.Content[i]; k.Value == name {
				return p.child(name, -1, k, p.node.Content[i+1])
			}
		}
	}
	return p.child(name, -1, nil, nil)
}

// item returns the place of an item of a list.
func (p place) item(i int) place {
	if p.node != nil && p.node.Kind == yaml.SequenceNode && i < len(p.node.Content) {
		return p.child("", i, p.node.Content[i], p.node.Content[i])
	}
	return p.child("", i, nil, nil)
}

// String returns the path of p: secrets[0].scope.
func (p place) String() string {
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

// showKey returns as much of a key as looks like one.
func showKey(key string) string {
	start := keyStart(key)
	if start != key || key == "" {
		return start + masked
	}
	return key
}

// keyStart returns what of a key can be told: in {secret:hunter2} the whole of it is
// a key, for want of a space.
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

// maxProblems is how many problems of a document are listed at most.
const maxProblems = maxLines

// report adds a problem at p.
func (p place) report(message, hint string) {
	if len(p.doc.problems) >= maxProblems {
		p.doc.unlisted++
		return
	}
	p.doc.problems = append(p.doc.problems, Problem{File: p.doc.file, Line: p.line, Column: p.column, Path: p.String(), Message: message, Hint: hint})
}

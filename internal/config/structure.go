package config

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	yaml "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/secretctl/secretctl/internal/secret"
)

// Bounds on what one document may ask of the structure check.
const (
	maxDepth   = 100
	maxAliased = 100_000 // nodes reached through aliases
)

var (
	sourceType   = reflect.TypeFor[secret.Source]()
	quantityType = reflect.TypeFor[resource.Quantity]()

	// ParseQuantity takes hours over 1E-999999999.
	quantity = regexp.MustCompile(`^[+-]?[0-9]{0,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,2}|[numkMGTPE]|[KMGTPE]i)?$`)
)

// structure checks that nodes have the shape of a Go type, by its json tags. It
// is as strict as decoding is, and says where and what; it also refuses what
// YAML 1.1 would convert without a word, such as a name "on" to true.
type structure struct {
	keys    keys
	aliased int
}

// check reports what is wrong at p and below. multiline allows line breaks in texts.
func (s *structure) check(p place, t reflect.Type, multiline bool) {
	if p.node == nil {
		return // null is as good as left out
	}
	if s.tooMuch(p) {
		return
	}
	if p.node.Style&yaml.TaggedStyle != 0 {
		p.report("has a YAML tag", "leave out what begins with \"!\", or quote it")
		return
	}
	switch {
	case t == sourceType:
		s.source(p)
	case t == quantityType:
		if p.node.Kind != yaml.ScalarNode || !isQuantity(p.node.Value) {
			p.report("is not a quantity", "such as 500m or 2Gi")
		}
	case t.Kind() == reflect.Pointer:
		s.check(p, t.Elem(), multiline)
	case t.Kind() == reflect.Struct:
		s.object(p, t, strings.HasPrefix(t.PkgPath(), "k8s.io/"))
	case t.Kind() == reflect.Map:
		s.mapping(p, func(_ string, child place) {
			if child.node == nil { // and {hunter2} is a key
				at := p
				at.line, at.column = child.line, child.column
				at.report("has a key without a value", "write a value, or remove it")
				return
			}
			s.check(child, t.Elem(), multiline)
		})
	case t.Kind() == reflect.Slice:
		if p.expect(yaml.SequenceNode, kindList, "write it in brackets, or begin each item with a dash") {
			for i := range p.node.Content {
				if item := p.item(i); item.node == nil {
					item.report("is empty", "write a value, or remove it")
				} else {
					s.check(item, t.Elem(), multiline)
				}
			}
		}
	case t.Kind() == reflect.Interface:
		s.free(p)
	default:
		p.scalar(t, multiline)
	}
}

func isQuantity(text string) bool {
	if !quantity.MatchString(text) {
		return false
	}
	_, err := resource.ParseQuantity(text)
	return err == nil
}

func (s *structure) tooMuch(p place) bool {
	if p.depth > maxDepth {
		p.report("is nested too deeply", "does an alias contain itself?")
		return true
	}
	if p.aliased {
		if s.aliased++; s.aliased == maxAliased {
			p.report("aliases stand for too much", "write the values out")
		}
	}
	return s.aliased >= maxAliased
}

// mapping calls each for every key of the mapping at p, after it has refused
// what is no key.
func (s *structure) mapping(p place, each func(key string, child place)) {
	if !p.expect(yaml.MappingNode, kindMapping, "write keys and values below it") {
		return
	}
	lines := make(map[string]int, len(p.node.Content)/2)
	for i := 0; i+1 < len(p.node.Content); i += 2 {
		k := p.node.Content[i]
		at := p
		at.line, at.column = p.doc.line+k.Line-1, k.Column
		switch first := lines[k.Value]; {
		case k.Kind == yaml.ScalarNode && k.ShortTag() == "!!merge":
			at.report("has a merge key", "write the keys out")
		case kindOf(k) != kindText || k.Style&yaml.TaggedStyle != 0:
			at.report("has a key that is not text", "quote it")
		case first > 0:
			at.report(fmt.Sprintf("has the same key twice, first in line %d", first), "remove one")
		default:
			lines[k.Value] = at.line
			each(k.Value, p.child(k.Value, -1, k, p.node.Content[i+1]))
		}
	}
}

func (s *structure) object(p place, t reflect.Type, multiline bool) {
	fields := s.keys.of(t)
	s.mapping(p, func(key string, child place) {
		if field, known := fields[key]; known {
			s.check(child, field, multiline)
			return
		}
		known := slices.Sorted(maps.Keys(fields))
		start := keyStart(key)
		meant := cmp.Or(didYouMean(start, known), s.keys.elsewhere(start))
		if slices.Contains(known, start) {
			meant = "write a space after " + start + ":"
		}
		hint := cmp.Or(meant, "available: "+strings.Join(known, ", "))
		if t.PkgPath() == sourceType.PkgPath() || child.node == nil && meant == "" {
			p.report("has an unknown key", hint) // unnamed: {hunter2} is a key, too
			return
		}
		child.report("unknown key", hint)
	})
}

// source checks where a value comes from. This is where a user may have written
// the value itself.
func (s *structure) source(p place) {
	if p.node.Kind != yaml.MappingNode {
		p.report("expected a mapping with one of env, file, stdin, generate; a value is never written in the config",
			"for example {env: NAME}; and if that is a real secret, replace it")
		return
	}
	before := len(p.doc.problems)
	s.object(p, sourceType, false)
	if len(p.doc.problems) > before {
		return
	}
	named := 0
	for i := 0; i+1 < len(p.node.Content); i += 2 {
		if v := p.node.Content[i+1]; !isNull(v) && (v.Kind != yaml.ScalarNode || v.Value != "") {
			named++
		}
	}
	if stdin := p.key("stdin"); stdin.node != nil && strings.EqualFold(stdin.node.Value, "false") {
		stdin.report("can only be true", "remove it")
	} else if named == 0 {
		p.report("names no source", "name one of env, file, stdin, generate")
	} else if named > 1 {
		p.report("names more than one source", "keep one of them")
	}
}

// free checks what may have any shape, for what would be read as something else
// than was written.
func (s *structure) free(p place) {
	switch p.node.Kind {
	case yaml.MappingNode:
		s.mapping(p, func(_ string, child place) { s.check(child, reflect.TypeFor[any](), true) })
	case yaml.SequenceNode:
		for i := range p.node.Content {
			s.check(p.item(i), reflect.TypeFor[any](), true)
		}
	default:
		switch kindOf(p.node) {
		case kindText:
			p.printable(true)
		case kindNumber:
			if !keptByJSON(p.node) {
				p.report("is a number that JSON does not keep", "quote it")
			}
		case kindYesNo, kindOther:
			p.report("means different things in different versions of YAML", "quote it, or write true or false")
		}
	}
}

// scalar reports what at p is no t.
func (p place) scalar(t reflect.Type, multiline bool) {
	kind := kindOf(p.node)
	switch t.Kind() {
	case reflect.String:
		if kind == kindText {
			p.printable(multiline)
			return
		}
		hint := "quote it"
		if p.node.Kind != yaml.ScalarNode {
			hint = "write one text"
		}
		p.report("expected text, found "+kind, hint)
	case reflect.Bool:
		if kind != kindBool {
			p.report("expected true or false, found "+kind, "write true or false, without quotes")
		}
	default:
		n, err := strconv.ParseInt(p.node.Value, 10, 64)
		switch {
		case p.node.ShortTag() != "!!int":
			p.report("expected a whole number, found "+kind, "such as 1, without quotes")
		case !json.Valid([]byte(p.node.Value)):
			p.report("expected a decimal number", "such as 15, not 0xf, 017 or 1_5")
		case err != nil || reflect.Zero(t).OverflowInt(n):
			p.report("is out of range", "write a smaller number")
		}
	}
}

// printable reports text with characters that do not show.
func (p place) printable(multiline bool) {
	if strings.ContainsFunc(p.node.Value, func(r rune) bool {
		if multiline {
			return unicode.IsControl(r) && !strings.ContainsRune("\n\r\t", r)
		}
		return !unicode.IsPrint(r)
	}) {
		p.report("has a character that does not print", "is it a line break, a tab, or was it copied from a document?")
	}
}

func (p place) expect(kind yaml.Kind, want, hint string) bool {
	if p.node.Kind == kind {
		return true
	}
	p.report("expected "+want+", found "+kindOf(p.node), hint)
	return false
}

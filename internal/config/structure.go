package config

import (
	"cmp"
	"encoding/json"
	"errors"
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

// Bounds on what checking one document may cost.
const (
	maxDepth   = 100
	maxAliased = 1 << 20 // nodes reached through aliases, and bytes of their keys and texts
)

var (
	sourceType   = reflect.TypeFor[secret.Source]()
	quantityType = reflect.TypeFor[resource.Quantity]()

	// The exponent is bounded: ParseQuantity takes hours over 1E-999999999.
	quantity = regexp.MustCompile(`^[+-]?[0-9]{0,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,2}|[numkMGTPE]|[KMGTPE]i)?$`)
)

// structure checks that nodes have the shape of a Go type, by its json tags. It is as
// strict as decoding, and reports every problem with its place. It also refuses text that
// YAML 1.1 converts, such as a name "on" to true.
type structure struct {
	keys    keys
	aliased int
}

// check reports what is wrong at p and below. multiline allows line breaks in text.
func (s *structure) check(p *place, t reflect.Type, multiline bool) {
	switch {
	case s.tooMuch(p):
	case p.node == nil: // null is the same as left out
	case p.node.Style&yaml.TaggedStyle != 0:
		p.report("has a YAML tag", "leave out what begins with \"!\", or quote it")
	case t == sourceType:
		s.source(p)
	case t == quantityType:
		if p.node.Kind != yaml.ScalarNode || !isQuantity(p.node.Value) {
			p.report("must be a quantity", "such as 500m or 2Gi")
		}
	case t.Kind() == reflect.Pointer:
		s.check(p, t.Elem(), multiline)
	case t.Kind() == reflect.Struct:
		s.object(p, t, strings.HasPrefix(t.PkgPath(), "k8s.io/"))
	case t.Kind() == reflect.Map:
		s.entries(p, t.Elem(), multiline)
	case t.Kind() == reflect.Slice:
		if p.expect(yaml.SequenceNode, kindList, "write it in brackets, or begin each item with a dash") {
			for i := range p.node.Content {
				item := p.item(i)
				if item.node == nil {
					item.report("is empty", "write a value, or remove it")
				}
				s.check(item, t.Elem(), multiline)
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

func (s *structure) tooMuch(p *place) bool {
	if p.depth > maxDepth {
		p.report("is nested too deeply", "does an alias contain itself?")
		return true
	}
	if p.aliased && s.aliased < maxAliased {
		s.aliased += 1 + len(p.name)
		if p.node != nil {
			s.aliased += len(p.node.Value)
		}
		if s.aliased >= maxAliased {
			p.report("aliases stand for too much", "write the values out")
		}
	}
	return s.aliased >= maxAliased
}

// mapping calls each with the value of every key of the mapping at p.
func (s *structure) mapping(p *place, each func(child *place)) {
	if !p.expect(yaml.MappingNode, kindMapping, "write keys and values below it") {
		return
	}
	lines := make(map[string]int, len(p.node.Content)/2)
	for i := 0; i+1 < len(p.node.Content); i += 2 {
		k := p.node.Content[i]
		child := p.child(k.Value, -1, k, p.node.Content[i+1])
		switch first := lines[k.Value]; {
		case k.Kind == yaml.ScalarNode && k.ShortTag() == "!!merge":
			p.at(child).report("has a merge key", "write the keys out")
		case kindOf(k) != kindText || k.Style&yaml.TaggedStyle != 0:
			p.at(child).report("has a key that is not text", "quote it")
		case first > 0:
			p.at(child).report(fmt.Sprintf("has the same key twice, first in line %d", first), "remove one")
		default:
			lines[k.Value] = child.line
			each(child)
		}
	}
}

// entries checks a mapping with any keys, whose values have the type t.
func (s *structure) entries(p *place, t reflect.Type, multiline bool) {
	s.mapping(p, func(child *place) {
		if child.node == nil { // the key may be a value, as in {hunter2}
			p.at(child).report("has a key without a value", "write a value, or remove it")
			return
		}
		s.check(child, t, multiline)
	})
}

func (s *structure) object(p *place, t reflect.Type, multiline bool) {
	fields := s.keys.of(t)
	s.mapping(p, func(child *place) {
		if field, known := fields[child.name]; known {
			s.check(child, field, multiline)
			return
		}
		known := slices.Sorted(maps.Keys(fields))
		start := keyStart(child.name)
		meant := cmp.Or(didYouMean(start, known), s.keys.elsewhere(start))
		if slices.Contains(known, start) {
			meant = "write a space after " + start + ":"
		}
		hint := cmp.Or(meant, "available: "+strings.Join(known, ", "))
		if t.PkgPath() == sourceType.PkgPath() || child.node == nil && meant == "" {
			p.report("has an unknown key", hint) // which may be a value, as in {hunter2}
			return
		}
		child.report("unknown key", hint)
	})
}

// source checks where a value comes from. Users write the value itself here by mistake.
func (s *structure) source(p *place) {
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
	stdin := p.key("stdin")
	switch {
	case stdin.node != nil && strings.EqualFold(stdin.node.Value, "false"):
		stdin.report("can only be true", "remove it")
	case named == 0:
		p.report("names no source", "name one of env, file, stdin, generate")
	case named > 1:
		p.report("names more than one source", "keep one of them")
	}
}

// free checks a value of any shape, which JSON must keep as it was written.
func (s *structure) free(p *place) {
	switch kindOf(p.node) {
	case kindMapping:
		s.entries(p, reflect.TypeFor[any](), true) // without null, which servers drop
	case kindList:
		for i := range p.node.Content {
			s.check(p.item(i), reflect.TypeFor[any](), true)
		}
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

// largest is the largest number that each key takes.
var largest = map[string]int64{"port": 65535, "replicas": maxReplicas, "length": 4096}

// scalar checks text, a boolean or a number.
func (p *place) scalar(t reflect.Type, multiline bool) {
	kind := kindOf(p.node)
	switch t.Kind() {
	case reflect.String:
		if kind == kindText {
			p.printable(multiline)
			return
		}
		hint := "quote it"
		switch {
		case p.node.Kind != yaml.ScalarNode:
			hint = "write one text"
		case kind == kindNumber:
			hint = "quote it, or write a duration with its unit, such as 12h"
		}
		p.report("expected text, found "+kind, hint)
	case reflect.Bool:
		if kind != kindBool {
			p.report("expected true or false, found "+kind, "write true or false, without quotes")
		}
	default:
		n, err := strconv.ParseInt(p.node.Value, 10, 64)
		switch {
		case kind != kindNumber:
			p.report("expected a whole number, found "+kind, "such as 15, without quotes")
		case errors.Is(err, strconv.ErrSyntax) || !json.Valid([]byte(p.node.Value)):
			p.report("expected a whole number in decimal", "such as 15, not 1.5, 0xf, 017 or 1_5")
		case n < 0 && (err != nil || reflect.Zero(t).OverflowInt(n)):
			p.report("must not be negative", "write 0 or more")
		case err != nil || reflect.Zero(t).OverflowInt(n):
			p.report("is too large", fmt.Sprintf("write %d or less", largest[p.name]))
		}
	}
}

// printable reports text with characters that do not show.
func (p *place) printable(multiline bool) {
	if strings.ContainsFunc(p.node.Value, func(r rune) bool {
		if multiline {
			return unicode.IsControl(r) && !strings.ContainsRune("\n\r\t", r)
		}
		return !unicode.IsPrint(r)
	}) {
		p.report("has a character that does not print", "is it a line break, a tab, or was it copied from a document?")
	}
}

func (p *place) expect(kind yaml.Kind, want, hint string) bool {
	if p.node.Kind == kind {
		return true
	}
	p.report("expected "+want+", found "+kindOf(p.node), hint)
	return false
}

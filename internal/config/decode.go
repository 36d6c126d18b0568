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
	"sync"
	"unicode"

	yaml "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/secretctl/secretctl/internal/secret"
)

// Bounds on what decoding one document may cost.
const (
	maxDepth   = 100
	maxAliased = 100_000 // nodes reached through aliases
)

var (
	sourceType   = reflect.TypeFor[secret.Source]()
	quantityType = reflect.TypeFor[resource.Quantity]()
	anyType      = reflect.TypeFor[any]()
)

// A decoder fills Go values from YAML nodes, by json tags. It reports all that does not
// fit, with where it is, and text that versions of YAML read differently, such as a
// name "on".
type decoder struct {
	keys    keys
	aliased int
}

// decode fills v with what is written at p. multiline allows line breaks in text.
func (d *decoder) decode(p *place, v reflect.Value, multiline bool) {
	switch {
	case p.node == nil: // null is the same as left out
	case d.tooMuch(p):
	case p.node.Style&yaml.TaggedStyle != 0:
		p.report("has a YAML tag", "leave out what begins with \"!\", or quote it")
	case v.Type() == sourceType:
		d.source(p, v)
	case v.Type() == quantityType:
		d.quantity(p, v)
	default:
		d.decodeKind(p, v, multiline)
	}
}

func (d *decoder) decodeKind(p *place, v reflect.Value, multiline bool) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(p, v.Elem(), multiline)
	case reflect.Struct:
		d.object(p, v, strings.HasPrefix(v.Type().PkgPath(), "k8s.io/"))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		d.mapping(p, func(child *place) {
			if child.node == nil { // the key may be a value, as in {hunter2}
				p.at(child).report("has a key without a value", "write a value, or remove it")
				return
			}
			value := reflect.New(v.Type().Elem()).Elem()
			d.decode(child, value, multiline)
			v.SetMapIndex(reflect.ValueOf(child.name).Convert(v.Type().Key()), value)
		})
	case reflect.Slice:
		if p.expect(yaml.SequenceNode, kindList, "write it in brackets, or begin each item with a dash") {
			v.Set(reflect.MakeSlice(v.Type(), len(p.node.Content), len(p.node.Content)))
			for i := range p.node.Content {
				item := p.item(i)
				if item.node == nil {
					item.report("is empty", "write a value, or remove it")
				}
				d.decode(item, v.Index(i), multiline)
			}
		}
	case reflect.Interface:
		if value := d.free(p); value != nil {
			v.Set(reflect.ValueOf(value))
		}
	default:
		p.scalar(v, multiline)
	}
}

func (d *decoder) tooMuch(p *place) bool {
	if p.depth > maxDepth {
		p.report("is nested too deeply", "does an alias contain itself?")
		return true
	}
	if p.aliased {
		if d.aliased++; d.aliased == maxAliased {
			p.report("aliases stand for too much", "write the values out")
		}
	}
	return d.aliased >= maxAliased
}

// mapping calls each with the value of every key of the mapping at p.
func (d *decoder) mapping(p *place, each func(child *place)) {
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

func (d *decoder) object(p *place, v reflect.Value, multiline bool) {
	fields := d.keys.of(v.Type())
	d.mapping(p, func(child *place) {
		if field, known := fields[child.name]; known {
			d.decode(child, v.FieldByIndex(field.Index), multiline)
			return
		}
		known := slices.Sorted(maps.Keys(fields))
		start := keyStart(child.name)
		meant := cmp.Or(didYouMean(start, known), d.keys.elsewhere(start))
		if slices.Contains(known, start) {
			meant = "write a space after " + start + ":"
		}
		hint := cmp.Or(meant, "available: "+strings.Join(known, ", "))
		if v.Type().PkgPath() == sourceType.PkgPath() || child.node == nil && meant == "" {
			p.report("has an unknown key", hint) // which may be a value, as in {hunter2}
			return
		}
		child.report("unknown key", hint)
	})
}

// source decodes where a value comes from. Users write the value itself here by mistake.
func (d *decoder) source(p *place, v reflect.Value) {
	if p.node.Kind != yaml.MappingNode {
		p.report("expected a mapping with one of env, file, stdin, generate; a value is never written in the config",
			"for example {env: NAME}; and if that is a real secret, replace it")
		return
	}
	before := len(p.doc.problems)
	d.object(p, v, false)
	if len(p.doc.problems) > before {
		return
	}
	named := 0
	for i := range v.NumField() {
		if !v.Field(i).IsZero() {
			named++
		}
	}
	switch {
	case p.key("stdin").node != nil && !v.FieldByName("Stdin").Bool():
		p.key("stdin").report("can only be true", "remove it")
	case named == 0:
		p.report("names no source", "name one of env, file, stdin, generate")
	case named > 1:
		p.report("names more than one source", "keep one of them")
	}
}

// quantityForm bounds the exponent: ParseQuantity takes hours over 1E-999999999.
var quantityForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[+-]?[0-9]{0,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,2}|[numkMGTPE]|[KMGTPE]i)?$`)
})

func (*decoder) quantity(p *place, v reflect.Value) {
	if p.node.Kind == yaml.ScalarNode && quantityForm().MatchString(p.node.Value) {
		if q, err := resource.ParseQuantity(p.node.Value); err == nil {
			v.Set(reflect.ValueOf(q))
			return
		}
	}
	p.report("must be a quantity", "such as 500m or 2Gi")
}

// free returns what may have any shape, as encoding/json would decode it.
func (d *decoder) free(p *place) any {
	switch kindOf(p.node) {
	case kindMapping:
		object := map[string]any{}
		d.mapping(p, func(child *place) { object[child.name] = d.decodeFree(child) })
		return object
	case kindList:
		list := make([]any, len(p.node.Content))
		for i := range list {
			list[i] = d.decodeFree(p.item(i))
		}
		return list
	case kindText:
		p.printable(true)
	case kindBool:
		return strings.EqualFold(p.node.Value, "true")
	case kindNumber:
		n, err := strconv.ParseFloat(p.node.Value, 64)
		if err != nil || !keptByJSON(p.node) {
			p.report("is a number that JSON does not keep", "quote it")
		}
		return n
	case kindYesNo, kindOther:
		p.report("means different things in different versions of YAML", "quote it, or write true or false")
	}
	return p.node.Value
}

func (d *decoder) decodeFree(p *place) (value any) {
	d.decode(p, reflect.ValueOf(&value).Elem(), true)
	return value
}

// scalar fills v, which is text, a boolean or a number.
func (p *place) scalar(v reflect.Value, multiline bool) {
	kind := kindOf(p.node)
	switch v.Kind() {
	case reflect.String:
		if kind == kindText {
			p.printable(multiline)
			v.SetString(p.node.Value)
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
		v.SetBool(strings.EqualFold(p.node.Value, "true"))
	default:
		n, err := strconv.ParseInt(p.node.Value, 10, v.Type().Bits())
		switch {
		case kind != kindNumber:
			p.report("expected a whole number, found "+kind, "such as 15, without quotes")
		case errors.Is(err, strconv.ErrSyntax) || !json.Valid([]byte(p.node.Value)):
			p.report("expected a whole number in decimal", "such as 15, not 1.5, 0xf, 017 or 1_5")
		}
		v.SetInt(n) // too large, it is the largest there is: each setting has its own limit
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

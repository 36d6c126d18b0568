package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// schema is as much of JSON Schema as a delivery takes.
type schema struct {
	Schema      string             `json:"$schema,omitempty"`
	Title       string             `json:"title,omitempty"`
	Description string             `json:"description,omitempty"`
	Type        []string           `json:"type,omitempty"`
	Default     any                `json:"default,omitempty"`
	Enum        []string           `json:"enum,omitempty"`
	Const       any                `json:"const,omitempty"`
	MinLength   int                `json:"minLength,omitempty"`
	MaxLength   *int               `json:"maxLength,omitempty"`
	Items       *schema            `json:"items,omitempty"`
	MinItems    int                `json:"minItems,omitempty"`
	Properties  map[string]*schema `json:"properties,omitempty"`
	Required    []string           `json:"required,omitempty"`
	MinProps    int                `json:"minProperties,omitempty"`
	Additional  any                `json:"additionalProperties,omitempty"` // false, or a schema
	AnyOf       []*schema          `json:"anyOf,omitempty"`
	OneOf       []*schema          `json:"oneOf,omitempty"`
}

// row is what the reference says of a key.
type row struct{ fallback, rule string }

func (r row) required() bool { return r.fallback == "required" }

// configSchema returns a JSON Schema (draft 2020-12) of a document of the config file.
// It accepts what [config.Load] accepts, and refuses unknown keys, wrong types and words
// that are no choice. The keys and their types are those of [config.Delivery]; what they
// mean, their defaults and which are required it takes from the tables of the
// reference, the text of docs/config.md.
func configSchema(reference string) ([]byte, error) {
	b := schemaBuilder{keys: rowsOf(reference, "Keys"), sources: rowsOf(reference, "Sources"), choices: config.Choices()}
	root := b.of(reflect.TypeFor[config.Delivery](), "")
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "secretctl.yaml"
	if b.unknown != "" {
		return nil, fmt.Errorf("the reference lacks %s", b.unknown)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(root)
	return out.Bytes(), err
}

// rowsOf reads the rows of the table in a section of the reference.
func rowsOf(reference, title string) map[string]row {
	_, section, _ := strings.Cut(reference, "\n## "+title+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string]row{}
	line := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*) \\|$")
	for _, m := range line.FindAllStringSubmatch(section, -1) {
		cells := strings.Split(m[2], " | ") // the type, the default where there is such a column, the rule
		r := row{rule: cells[len(cells)-1]}
		if len(cells) > 2 {
			r.fallback = cells[1]
		}
		rows[m[1]] = r
	}
	return rows
}

type schemaBuilder struct {
	keys, sources map[string]row
	choices       map[string][]string
	unknown       string // a key that the reference does not have
}

// of returns the schema of a type, at a path of the delivery.
func (b *schemaBuilder) of(t reflect.Type, path string) *schema {
	switch {
	case t == reflect.TypeFor[secret.Source]():
		return b.source()
	case t == reflect.TypeFor[resource.Quantity]():
		return &schema{Type: []string{"string", "number"}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return b.of(t.Elem(), path)
	case reflect.Struct:
		return b.object(t, path)
	case reflect.Map:
		return &schema{Type: []string{"object"}, Additional: b.of(t.Elem(), path+"{}")}
	case reflect.Slice:
		return &schema{Type: []string{"array"}, Items: b.of(t.Elem(), path+"[]")}
	case reflect.Interface:
		return &schema{}
	case reflect.String:
		return &schema{Type: []string{"string"}}
	case reflect.Bool:
		return &schema{Type: []string{"boolean"}}
	default:
		return &schema{Type: []string{"integer"}}
	}
}

func (b *schemaBuilder) object(t reflect.Type, path string) *schema {
	s := &schema{Type: []string{"object"}, Additional: false, Properties: map[string]*schema{}}
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		at := strings.TrimPrefix(path+"."+name, ".")
		child := b.of(field.Type, at)
		r, documented := b.keys[at]
		if !documented && !strings.HasPrefix(t.PkgPath(), "k8s.io/") {
			b.unknown = at
		}
		if r.required() {
			s.Required = append(s.Required, name)
			child.require(b.choices[at])
		} else {
			child.optional(b.choices[at])
		}
		b.describe(child, r)
		s.Properties[name] = child
	}
	slices.Sort(s.Required)
	return s
}

// require refuses what is empty.
func (s *schema) require(words []string) {
	s.Enum = words
	switch s.Type[0] {
	case "string":
		s.MinLength = 1
	case "array":
		s.MinItems = 1
	case "object":
		s.MinProps = 1
	}
}

// optional also allows what is as good as left out: null, and for a choice "".
func (s *schema) optional(words []string) {
	if s.Type != nil {
		s.Type = append(s.Type, "null")
	}
	if words != nil {
		s.AnyOf = []*schema{{Enum: words}, {MaxLength: new(int)}}
	}
}

// describe adds what the reference says. A default that follows from something
// else is a part of the description.
func (b *schemaBuilder) describe(s *schema, r row) {
	s.Description = strings.ReplaceAll(r.rule, "`", "")
	code := strings.Trim(r.fallback, "`")
	literal := r.fallback == "`"+code+"`" && !strings.Contains(code, "`")
	switch {
	case r.fallback == "" || r.fallback == "none" || r.required():
		return
	case literal && b.keys[code] == row{} && slices.Contains(s.Type, "string"):
		s.Default = code
		return
	case literal && b.keys[code] == row{}:
		if err := sigsyaml.Unmarshal([]byte(code), &s.Default); err == nil {
			return
		}
	}
	s.Description += "; default: " + strings.ReplaceAll(r.fallback, "`", "")
}

// source is a mapping that names one source, and may have others without a value.
func (b *schemaBuilder) source() *schema {
	in := &schemaBuilder{keys: b.sources}
	s := in.object(reflect.TypeFor[secret.Source](), "")
	if in.unknown != "" {
		b.unknown = in.unknown
	}
	text := &schema{Type: []string{"string"}, MinLength: 1}
	s.Properties["stdin"].AnyOf = []*schema{{Const: true}, {Type: []string{"null"}}}
	for _, one := range []struct {
		name  string
		given *schema
	}{
		{"env", text},
		{"file", text},
		{"stdin", &schema{Const: true}},
		{"generate", &schema{Type: []string{"object"}}},
	} {
		s.OneOf = append(s.OneOf, &schema{Type: []string{"object"}, Required: []string{one.name}, Properties: map[string]*schema{one.name: one.given}})
	}
	s.OneOf = append(s.OneOf, &schema{Type: []string{"null"}}) // as good as left out
	return s
}

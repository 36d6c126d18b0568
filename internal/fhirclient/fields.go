package fhirclient

import (
	"maps"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
)

const (
	absentReasonURL    = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
	secretReferenceURL = "http://health-samurai.io/fhir/secret-reference"

	withheld = "[literal value withheld]"
)

// place is where a secret field is in a decoded resource: the object that has it, and its
// key there.
type place struct {
	at   map[string]any
	leaf string
}

// visit calls f with each place in res where a secret field is or could be, and with its
// path in r.Secrets. It numbers the places of a repeated parameter that have no value;
// one with a value comes with the path of the field.
func visit(r config.Resource, res map[string]any, f func(path string, field config.SecretField, p place)) {
	for _, field := range r.SecretFields() {
		parent, leaf := splitLast(field.Path)
		switch parent {
		case "":
			f(field.Path, field, place{res, leaf})
		case "parameter":
			free := 0
			for _, parameter := range objects(res["parameter"]) {
				p := place{parameter, "valueString"}
				switch {
				case parameter["name"] != leaf:
				case len(p.literals()) > 0:
					f(field.Path, field, p)
				default:
					f(pathOf(r, field, free), field, p)
					free++
				}
			}
		case "jwt.keys":
			jwt, _ := res["jwt"].(map[string]any)
			for i, key := range objects(jwt["keys"]) {
				f(pathOf(r, field, i), field, place{key, leaf})
			}
		default:
			if object, ok := res[parent].(map[string]any); ok {
				f(field.Path, field, place{object, leaf})
			}
		}
	}
}

// pathOf returns the path in r.Secrets of one of several fields: the first has two.
func pathOf(r config.Resource, field config.SecretField, i int) string {
	for _, path := range []string{field.Path, field.Path + "[0]"} {
		if _, named := r.Secrets[path]; named && i == 0 {
			return path
		}
	}
	return field.At(i)
}

func splitLast(path string) (parent, leaf string) {
	i := strings.LastIndexByte(path, '.')
	return path[:max(i, 0)], path[i+1:]
}

// objects returns the elements of an array. One that is not an object is nil, so that the
// others keep their index.
func objects(v any) []map[string]any {
	list, _ := v.([]any)
	out := make([]map[string]any, len(list))
	for i := range list {
		out[i], _ = list[i].(map[string]any)
	}
	return out
}

// holds reports whether key holds a value of the field. A parameter's value may have any
// type: valueString, valueCode and so on.
func (p place) holds(key string) bool {
	return key == p.leaf || p.leaf == "valueString" && strings.HasPrefix(key, "value")
}

// literals returns the keys that hold a value.
func (p place) literals() []string {
	var keys []string
	for key, v := range p.at {
		if v != nil && p.holds(key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// mask replaces what the place holds with a reference to the secret.
func (p place) mask(name string) {
	maps.DeleteFunc(p.at, func(key string, _ any) bool { return p.holds(strings.TrimPrefix(key, "_")) })
	p.at["_"+p.leaf] = map[string]any{"extension": []any{
		map[string]any{"url": absentReasonURL, "valueCode": "masked"},
		map[string]any{"url": secretReferenceURL, "valueString": name},
	}}
}

// reference returns the secret that the place refers to, or "" unless it has both
// extensions, once each.
func (p place) reference() string {
	element, _ := p.at["_"+p.leaf].(map[string]any)
	var reasons, names []any
	for _, extension := range objects(element["extension"]) {
		switch extension["url"] {
		case absentReasonURL:
			reasons = append(reasons, extension["valueCode"])
		case secretReferenceURL:
			names = append(names, extension["valueString"])
		}
	}
	if len(names) != 1 || !slices.Equal(reasons, []any{"masked"}) {
		return ""
	}
	name, _ := names[0].(string)
	return name
}

// literalPaths returns the paths at which res holds a value, once for each value.
func literalPaths(r config.Resource, res map[string]any) []string {
	var paths []string
	visit(r, res, func(path string, _ config.SecretField, p place) {
		if len(p.literals()) > 0 {
			paths = append(paths, path)
		}
	})
	return paths
}

// referencePaths returns which secret res refers to at each path of r.Secrets.
func referencePaths(r config.Resource, res map[string]any) map[string]string {
	refs := map[string]string{}
	visit(r, res, func(path string, _ config.SecretField, p place) {
		want, named := r.Secrets[path]
		if name := p.reference(); named && name != "" && refs[path] != want {
			refs[path] = name
		}
	})
	return refs
}

package fhirclient

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
)

// Body returns the resource as it is put: its type and id, a copy of the config's body,
// and a masked reference at each path of r.Secrets, in place of what the body has there.
// A literal value at another secret field is an error.
func Body(r config.Resource) (map[string]any, error) {
	body, err := clone(r.Body)
	if err != nil {
		return nil, fmt.Errorf("aidbox: %s: body: %w", r.Ref(), err)
	}
	body["resourceType"], body["id"] = r.Type, r.ID

	// jwt.keys[2] must exist before jwt.keys[10]: the shorter path first.
	paths := slices.SortedFunc(maps.Keys(r.Secrets), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	})
	for _, path := range paths {
		p, err := makePlace(r, body, path)
		if err != nil {
			return nil, fmt.Errorf("aidbox: %s: %w", r.Ref(), err)
		}
		p.mask(r.Secrets[path])
	}
	visit(r, body, func(path string, field config.SecretField, p place) {
		if len(p.literals()) > 0 && !r.MayHold(field) {
			err = fmt.Errorf("aidbox: %s: the body has a literal value at %s", r.Ref(), path)
		}
	})
	return body, err
}

// AccessPolicy returns the policy of the Client r: the config's body, or one that allows
// everything. Unless the body has a link, it links the policy to the Client.
func AccessPolicy(id string, r config.Resource) map[string]any {
	policy := map[string]any{"engine": "allow"}
	if body, ok := r.AccessPolicy.(map[string]any); ok {
		policy = maps.Clone(body)
	}
	policy["resourceType"], policy["id"] = "AccessPolicy", id
	if _, linked := policy["link"]; !linked {
		// Under /fhir/ a link is a FHIR reference; validation may refuse Aidbox's own form.
		policy["link"] = []any{map[string]any{"reference": r.Ref()}}
	}
	return policy
}

// makePlace returns the place of a secret field, and creates the objects and the array
// element that lead to it.
func makePlace(r config.Resource, body map[string]any, path string) (place, error) {
	field, index, ok := r.SecretField(path)
	if !ok {
		return place{}, fmt.Errorf("%s takes no secret at %q", r.Type, path)
	}
	parent, leaf := splitLast(field.Path)
	switch parent {
	case "":
		return place{body, leaf}, nil
	case "parameter":
		return makeParameter(body, field, leaf, index)
	case "jwt.keys":
		jwt, err := object(body, "jwt")
		if err != nil {
			return place{}, err
		}
		return makeKey(jwt, leaf, index)
	}
	o, err := object(body, parent)
	return place{o, leaf}, err
}

// makeParameter returns the index-th parameter of that name without a value, so that
// plain headers stay. If there is none, it returns one with a value, unless the field is
// repeated, or appends one.
func makeParameter(body map[string]any, field config.SecretField, name string, index int) (place, error) {
	list, err := array(body, "parameter")
	if err != nil {
		return place{}, err
	}
	var free, taken []place
	for _, parameter := range objects(list) {
		switch p := (place{parameter, "valueString"}); {
		case parameter["name"] != name:
		case len(p.literals()) == 0:
			free = append(free, p)
		default:
			taken = append(taken, p)
		}
	}
	switch {
	case index < len(free):
		return free[index], nil
	case !field.Repeated && len(taken) > 0:
		return taken[0], nil
	}
	parameter := map[string]any{"name": name}
	body["parameter"] = append(list, parameter)
	return place{parameter, "valueString"}, nil
}

func makeKey(jwt map[string]any, leaf string, index int) (place, error) {
	keys, err := array(jwt, "keys")
	if err == nil && index == len(keys) {
		keys = append(keys, map[string]any{})
		jwt["keys"] = keys
	}
	switch {
	case err != nil:
		return place{}, err
	case index > len(keys):
		return place{}, fmt.Errorf("jwt.keys[%d]: the body has %d keys", index, len(keys))
	case objects(keys)[index] == nil:
		return place{}, fmt.Errorf("jwt.keys[%d] must be an object", index)
	}
	return place{objects(keys)[index], leaf}, nil
}

// object returns the object at a key, a new one if there is nothing.
func object(in map[string]any, key string) (map[string]any, error) {
	if in[key] == nil {
		in[key] = map[string]any{}
	}
	o, ok := in[key].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s in the body must be an object", key)
	}
	return o, nil
}

func array(in map[string]any, key string) ([]any, error) {
	list, ok := in[key].([]any)
	if !ok && in[key] != nil {
		return nil, fmt.Errorf("%s in the body must be an array", key)
	}
	return list, nil
}

// clone copies through JSON, so that numbers have the types that they have in what
// Aidbox returns.
func clone(body map[string]any) (map[string]any, error) {
	out := map[string]any{}
	if body == nil {
		return out, nil
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return out, json.Unmarshal(b, &out)
}

func encode(v any, indent string) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	err := enc.Encode(v)
	return out.Bytes(), err
}

package fhirclient

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
)

// Body returns the resource as it is put: its type and id, a copy of the
// config's body, and a masked reference at each path of r.Secrets, in place of
// what the body has there. A path that its type does not have is an error, and so
// is a value in the body at another secret field.
func Body(r config.Resource) (map[string]any, error) {
	body, err := clone(r.Body)
	if err != nil {
		return nil, fmt.Errorf("aidbox: %s: body: %w", r.Ref(), err)
	}
	body["resourceType"], body["id"] = r.Type, r.ID

	// jwt.keys[2] has to be there before jwt.keys[10]: the shorter path first.
	paths := slices.SortedFunc(maps.Keys(r.Secrets), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	})
	for _, path := range paths {
		if err := makeRoom(r, body, path); err != nil {
			return nil, fmt.Errorf("aidbox: %s: %w", r.Ref(), err)
		}
	}
	places := choose(r, body)
	for _, path := range paths {
		p, ok := places[path]
		if !ok {
			return nil, fmt.Errorf("aidbox: %s: %s is there under another name", r.Ref(), path)
		}
		p.mask(r.Secrets[path])
	}
	literal := ""
	visit(r, body, func(path string, field config.SecretField, p place) {
		if len(p.literals()) > 0 && !r.MayHold(field) {
			literal = path
		}
	})
	if literal != "" {
		return nil, hint.Wrap(fmt.Errorf("aidbox: %s: the body has a literal value at %s", r.Ref(), literal),
			"remove it from the config, and name a secret for %s under secrets", literal)
	}
	return body, nil
}

// choose returns the place that each path means: one without a value, where there is
// one, so that other headers are kept.
func choose(r config.Resource, body map[string]any) map[string]place {
	places := map[string]place{}
	visit(r, body, func(path string, _ config.SecretField, p place) {
		if old, taken := places[path]; !taken || len(old.literals()) > 0 && len(p.literals()) == 0 {
			places[path] = p
		}
	})
	return places
}

// AccessPolicy returns the policy of the Client r: the body that the config has, or one
// that allows everything. It is linked to the Client where the body has no link.
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

// makeRoom creates the objects and the array element that lead to a field.
func makeRoom(r config.Resource, body map[string]any, path string) error {
	field, index, ok := r.SecretField(path)
	if !ok {
		err := fmt.Errorf("%s takes no secret at %q", r.Type, path)
		var known []string
		for _, f := range r.SecretFields() {
			known = append(known, f.Path)
		}
		if known != nil {
			return hint.Wrap(err, "available: %s", strings.Join(known, ", "))
		}
		return err
	}
	switch parent, leaf := splitLast(field.Path); parent {
	case "":
		return nil
	case "parameter":
		return makeParameter(body, leaf, field.Repeated, index)
	case "jwt.keys":
		return makeKey(body, index)
	default:
		_, err := object(body, parent)
		return err
	}
}

// makeParameter appends a parameter, unless it has one that can be masked: of those
// that are repeated the next without a value, of others any.
func makeParameter(body map[string]any, name string, repeated bool, index int) error {
	list, err := array(body, "parameter")
	if err != nil {
		return err
	}
	usable := 0
	for _, p := range objects(list) {
		if p["name"] == name && !(repeated && len(place{p, "valueString"}.literals()) > 0) {
			usable++
		}
	}
	switch {
	case index > usable:
		return fmt.Errorf("parameter.%s[%d]: the one before it is missing", name, index)
	case index == usable:
		body["parameter"] = append(list, map[string]any{"name": name})
	}
	return nil
}

func makeKey(body map[string]any, index int) error {
	jwt, err := object(body, "jwt")
	if err != nil {
		return err
	}
	keys, err := array(jwt, "keys")
	switch {
	case err != nil:
		return err
	case index < 0 || index > len(keys):
		return fmt.Errorf("jwt.keys[%d]: the body has %d keys", index, len(keys))
	case index == len(keys):
		jwt["keys"] = append(keys, map[string]any{})
	case objects(keys)[index] == nil:
		return fmt.Errorf("jwt.keys[%d] is no object", index)
	}
	return nil
}

// object returns the object at a key, a new one where there is nothing.
func object(in map[string]any, key string) (map[string]any, error) {
	if in[key] == nil {
		in[key] = map[string]any{}
	}
	o, ok := in[key].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s in the body is no object", key)
	}
	return o, nil
}

func array(in map[string]any, key string) ([]any, error) {
	list, ok := in[key].([]any)
	if !ok && in[key] != nil {
		return nil, fmt.Errorf("%s in the body is no array", key)
	}
	return list, nil
}

// clone copies through JSON, so that numbers have the type that they have in
// what Aidbox returns.
func clone(body map[string]any) (map[string]any, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, errors.New("is no JSON")
	}
	out := map[string]any{}
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, errors.New("is no JSON")
	}
	if out == nil {
		out = map[string]any{}
	}
	return out, nil
}

func encode(v any, indent string) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	err := enc.Encode(v)
	return out.Bytes(), err
}

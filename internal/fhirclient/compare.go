package fhirclient

import (
	"context"
	"errors"
	"io/fs"
	"maps"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/diff"
)

// Comparison is the difference between an object in Aidbox and the config. It has no
// value of either.
type Comparison struct {
	Object string // "Type/id"
	Absent bool
	Paths  []string // of the fields that differ; none if Apply would write nothing
	// OtherOwner is why neither Apply nor Delete changes the object; nil if they do.
	OtherOwner *OtherOwnerError
}

// Compare returns what [Client.Apply] would change, and changes nothing.
func (c *Client) Compare(ctx context.Context, r config.Resource) (Comparison, error) {
	want, err := Body(r)
	if err != nil {
		return Comparison{Object: r.Ref()}, err
	}
	return c.compare(ctx, r.Type, r.ID, want)
}

// ComparePolicy returns what [Client.ApplyPolicy] would change.
func (c *Client) ComparePolicy(ctx context.Context, id string, r config.Resource) (Comparison, error) {
	return c.compare(ctx, "AccessPolicy", id, AccessPolicy(id, r))
}

func (c *Client) compare(ctx context.Context, resourceType, id string, want map[string]any) (Comparison, error) {
	result := Comparison{Object: resourceType + "/" + id}
	have, err := c.read(ctx, resourceType, id)
	if errors.Is(err, fs.ErrNotExist) {
		result.Absent = true
		return result, nil
	}
	if err != nil {
		return result, err
	}
	if !c.Adopt {
		result.OtherOwner = c.otherOwner(result.Object, have)
	}
	hideAll := func([]string) bool { return true }
	for _, f := range diff.Fields(normalized(have, want), normalized(want, want), hideAll) {
		result.Paths = append(result.Paths, c.sanitizer.Line(f.Path))
	}
	return result, nil
}

// normalized returns a resource with references in FHIR's form, and in its meta only what
// wanted has there too: Aidbox and others write the rest.
func normalized(resource, wanted map[string]any) any {
	meta, kept := stated(resource), stated(wanted)
	maps.DeleteFunc(meta, func(key string, _ any) bool { return kept[key] == nil })
	resource = maps.Clone(resource)
	resource["meta"] = meta
	return foldReferences(resource)
}

// foldReferences writes each reference as FHIR does. Aidbox has a form of its
// own, {"resourceType": "Client", "id": "basic"}, and converts between the two.
func foldReferences(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if t, ok := v["resourceType"].(string); ok && len(v) == 2 {
			if id, ok := v["id"].(string); ok {
				return map[string]any{"reference": t + "/" + id}
			}
		}
		out := make(map[string]any, len(v))
		for key, element := range v {
			out[key] = foldReferences(element)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = foldReferences(v[i])
		}
		return out
	}
	return v
}

package fhirclient

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"reflect"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/diff"
)

// Comparison says how an object in Aidbox is, beside what the config wants. It has
// no value of either.
type Comparison struct {
	Object string // "Type/id"
	Absent bool
	Paths  []string // of the fields that differ; none where Apply would write nothing
	// OtherOwner is why neither Apply nor Delete changes it; nil where they do.
	OtherOwner *OtherOwnerError
}

// Compare says what [Client.Apply] would change, and changes nothing.
func (c *Client) Compare(ctx context.Context, r config.Resource) (Comparison, error) {
	want, err := Body(r)
	if err != nil {
		return Comparison{Object: r.Ref()}, err
	}
	return c.compare(ctx, r.Type, r.ID, want)
}

// ComparePolicy says what [Client.ApplyPolicy] would change.
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
	if err == nil && !c.Adopt {
		result.OtherOwner = c.otherOwner(result.Object, have)
	}
	if err != nil || equal(want, have) {
		return result, err
	}
	delete(have, "meta")
	delete(want, "meta")
	hideAll := func([]string) bool { return true }
	for _, f := range diff.Fields(foldReferences(have), foldReferences(want), hideAll) {
		result.Paths = append(result.Paths, c.sanitizer.Line(f.Path))
	}
	return result, nil
}

// equal compares resources without meta, which Aidbox writes.
func equal(a, b map[string]any) bool {
	a, b = maps.Clone(a), maps.Clone(b)
	delete(a, "meta")
	delete(b, "meta")
	return reflect.DeepEqual(foldReferences(a), foldReferences(b))
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

package fhirclient

import (
	"context"
	"errors"
	"io/fs"

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

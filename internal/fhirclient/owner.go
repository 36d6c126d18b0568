package fhirclient

import (
	"fmt"
	"maps"

	"github.com/secretctl/secretctl/internal/config"
)

// ownerSystem is the system of the tag in meta that names the delivery that wrote a
// resource. FHIR servers keep tags, and nothing in Aidbox depends on them.
const ownerSystem = "https://secretctl.dev/owner"

// Bodies returns what is put for a resource of a delivery: the resource, and its
// AccessPolicy if it has one.
func Bodies(d *config.Delivery, r config.Resource) ([]map[string]any, error) {
	body, err := Body(r)
	if err != nil {
		return nil, err
	}
	bodies := []map[string]any{body}
	if r.AccessPolicy != nil {
		bodies = append(bodies, AccessPolicy(d.AccessPolicyID(r), r))
	}
	for _, body := range bodies {
		setOwner(body, d.Owner(), nil)
	}
	return bodies, nil
}

// stated returns the profiles and security labels in a resource's meta: an
// AidboxTopicDestination needs a profile.
func stated(resource map[string]any) map[string]any {
	meta, _ := resource["meta"].(map[string]any)
	meta = maps.Clone(meta)
	maps.DeleteFunc(meta, func(key string, value any) bool { return value == nil || key != "profile" && key != "security" })
	return meta
}

// setOwner tags a resource before it is put. It keeps the tags that the resource already
// has, because others may search by them, and the profiles and labels that body leaves out.
func setOwner(body map[string]any, owner string, live map[string]any) {
	meta := map[string]any{}
	maps.Copy(meta, stated(live))
	given, _ := body["meta"].(map[string]any)
	maps.Copy(meta, given)
	var tags []any
	seen := map[string]bool{}
	for _, t := range append(tagsOf(body), tagsOf(live)...) {
		if key := fmt.Sprint(t["system"], "|", t["code"]); t != nil && t["system"] != ownerSystem && !seen[key] {
			seen[key] = true
			tags = append(tags, t)
		}
	}
	meta["tag"] = append(tags, map[string]any{"system": ownerSystem, "code": owner})
	body["meta"] = meta
}

func tagsOf(resource map[string]any) []map[string]any {
	meta, _ := resource["meta"].(map[string]any)
	list, _ := meta["tag"].([]any)
	return objects(list)
}

// OtherOwnerError is the error of a resource in Aidbox that secretctl does not change,
// because this delivery did not write it.
type OtherOwnerError struct{ Ref, Why string }

func (e *OtherOwnerError) Error() string {
	return fmt.Sprintf("aidbox: %s: %s; not changed", e.Ref, e.Why)
}

// Hint says what to do.
func (*OtherOwnerError) Hint() string {
	return "give it another id in the config, or take it over with --adopt"
}

// otherOwner returns nil if this delivery wrote the resource.
func (c *Client) otherOwner(ref string, live map[string]any) *OtherOwnerError {
	if c.owner == "" { // this Client writes nothing
		return nil
	}
	why := "something other than secretctl made it"
	for _, t := range tagsOf(live) {
		if t["system"] == ownerSystem && t["code"] == c.owner {
			return nil
		}
		if t["system"] == ownerSystem {
			why = fmt.Sprintf("it belongs to delivery %q", c.sanitizer.Line(fmt.Sprint(t["code"])))
		}
	}
	return &OtherOwnerError{ref, why}
}

package fhirclient

import "github.com/secretctl/secretctl/internal/config"

// InitBundle returns the resources of a delivery and their AccessPolicies as an Aidbox
// Init Bundle, which Aidbox applies when it starts, as JSON. It holds no secret: the
// fields of one refer to its name. It is a batch, so that Aidbox starts also where it
// refuses one of them. The same delivery gives the same bytes.
// Source: docs/configuration/init-bundle.md of the Aidbox documentation.
func InitBundle(d *config.Delivery) ([]byte, error) {
	var entries []any
	put := func(resourceType, id string, body map[string]any) {
		entries = append(entries, map[string]any{
			"request":  map[string]any{"method": "PUT", "url": resourceType + "/" + id},
			"resource": body,
		})
	}
	for _, r := range d.Resources {
		body, err := Body(r)
		if err != nil {
			return nil, err
		}
		put(r.Type, r.ID, body)
		if r.AccessPolicy != nil {
			id := d.AccessPolicyID(r)
			put("AccessPolicy", id, AccessPolicy(id, r))
		}
	}
	return encode(map[string]any{"resourceType": "Bundle", "type": "batch", "entry": entries}, "  ")
}

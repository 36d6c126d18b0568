package fhirclient

import (
	"fmt"

	"github.com/secretctl/secretctl/internal/config"
)

// InitBundle returns the resources of a delivery and their AccessPolicies as an Aidbox
// Init Bundle, which Aidbox applies when it starts, as JSON. It holds no secret: the
// fields of one refer to its name. It is a batch, so that Aidbox starts also where it
// refuses one of them. The same delivery gives the same bytes.
// Source: docs/configuration/init-bundle.md of the Aidbox documentation.
func InitBundle(d *config.Delivery) ([]byte, error) {
	var entries []any
	for _, r := range d.Resources {
		bodies, err := Bodies(d, r)
		if err != nil {
			return nil, err
		}
		for _, body := range bodies {
			entries = append(entries, map[string]any{
				"request":  map[string]any{"method": "PUT", "url": fmt.Sprintf("%s/%s", body["resourceType"], body["id"])},
				"resource": body,
			})
		}
	}
	return encode(map[string]any{"resourceType": "Bundle", "type": "batch", "entry": entries}, "  ")
}

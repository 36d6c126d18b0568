package verify

import (
	"context"

	"github.com/secretctl/secretctl/internal/config"
)

// resources are those of Aidbox, each read once.
type resources struct {
	admin Admin
	found memo[resource]
}

// resource is what Aidbox has for a resource of the config.
type resource struct {
	refs     map[string]string // the secret that each field refers to
	literals []string          // fields that hold a literal value
}

func (rs *resources) read(ctx context.Context, r config.Resource) (resource, error) {
	return rs.found.get(r.Ref(), func() (resource, error) {
		refs, literals, err := rs.admin.References(ctx, r)
		return resource{refs, literals}, err
	})
}

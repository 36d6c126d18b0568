package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
)

const applyHint = "secretctl client apply"

var clientChecks = []Check{
	{
		ID: "client/exists", Title: "the resource is in Aidbox",
		subjects: perResource,
		parallel: true,
		run:      resourceExists,
	},
	{
		ID: "client/masked", Title: "the resource holds no literal secret",
		Needs:    []string{"client/exists"},
		subjects: perResource,
		parallel: true,
		run:      resourceMasked,
	},
	{
		ID: "client/reference", Title: "the resource refers to the right secret",
		Needs:    []string{"client/exists"},
		subjects: perResource,
		parallel: true,
		run:      resourceRefers,
	},
}

func perResource(_ context.Context, r *run) (all []subject) {
	for _, res := range r.d.Resources {
		all = append(all, subject{name: res.Ref(), resource: res, needs: r.toAidbox()})
	}
	return all
}

// resource is what Aidbox has for a resource of the config.
type resource struct {
	refs     map[string]string // the secret that each field refers to
	literals []string          // fields that hold a literal value
}

// read reads a resource once.
func (r *run) read(ctx context.Context, wanted config.Resource) (resource, error) {
	return r.resources.get(wanted.Ref(), func() (resource, error) {
		refs, literals, err := r.Admin.References(ctx, wanted)
		return resource{refs, literals}, err
	})
}

func resourceExists(ctx context.Context, r *run, s subject) Result {
	if r.Admin == nil {
		return r.noAdmin()
	}
	switch _, err := r.read(ctx, s.resource); {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("not in Aidbox").WithHint(applyHint)
	case err != nil:
		return r.unknown(err)
	}
	return Pass("in Aidbox")
}

// resourceMasked names only fields that the config names: other text of a resource with a
// literal secret could repeat it.
func resourceMasked(ctx context.Context, r *run, s subject) Result {
	got, err := r.read(ctx, s.resource)
	switch {
	case err != nil:
		return r.unknown(err)
	case len(got.literals) == 0:
		return Pass("no literal value")
	}
	fields := slices.DeleteFunc(slices.Clone(got.literals), func(field string) bool { return s.resource.Secrets[field] == "" })
	if others := len(got.literals) - len(fields); others > 0 {
		fields = append(fields, fmt.Sprintf("%d not in the config", others))
	}
	return Fail("holds a literal value at %s", strings.Join(fields, ", ")).
		WithHint("%s replaces it with a reference (--adopt, if something else wrote the resource); rotate the secret, because the database has the old value", applyHint)
}

// resourceRefers shows no name from Aidbox that the config does not have: somebody may have
// put a value there.
func resourceRefers(ctx context.Context, r *run, s subject) Result {
	found, err := r.read(ctx, s.resource)
	if err != nil {
		return r.unknown(err)
	}
	var right, wrong []string
	for _, field := range slices.Sorted(maps.Keys(s.resource.Secrets)) {
		name := s.resource.Secrets[field]
		_, known := r.d.Secret(found.refs[field])
		switch got, present := found.refs[field]; {
		case !present:
			wrong = append(wrong, field+" refers to no secret")
		case got == name:
			right = append(right, field+" refers to "+name)
		case known:
			wrong = append(wrong, fmt.Sprintf("%s refers to %s, not to %s", field, got, name))
		default:
			wrong = append(wrong, fmt.Sprintf("%s refers to a secret that is not in the config, not to %s", field, name))
		}
	}
	if len(wrong) > 0 {
		return Fail("%s", strings.Join(wrong, "; ")).WithHint(applyHint)
	}
	return Pass("%s", strings.Join(right, ", "))
}

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

// resource is what Aidbox has for a resource of the config. The first check
// fills it; the others need that check.
type resource struct {
	want     config.Resource
	refs     map[string]string
	literals []string
}

func clientChecks(d *config.Delivery, w Dependencies, vs *values) []check {
	var checks []check
	for _, want := range d.Resources {
		r, exists := &resource{want: want}, []string{"client/exists"}
		checks = append(
			checks,
			check{"client/exists", want.Ref(), nil, func(ctx context.Context) Result { return r.exists(ctx, w, vs) }},
			check{"client/masked", want.Ref(), exists, func(context.Context) Result { return r.masked() }},
			check{"client/reference", want.Ref(), exists, func(context.Context) Result { return r.reference(d) }},
		)
	}
	return checks
}

func noAdmin() Result {
	return Skip("no administrator's access to Aidbox").WithHint("set aidbox.admin in the config")
}

func (r *resource) exists(ctx context.Context, w Dependencies, vs *values) Result {
	if w.Admin == nil {
		return noAdmin()
	}
	var err error
	r.refs, r.literals, err = w.Admin.References(ctx, r.want)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("not in Aidbox").WithHint(applyHint)
	case err != nil:
		return vs.unknown(err)
	}
	return Pass("in Aidbox")
}

// masked names only fields that the config names: nothing that comes from a
// resource with a literal secret in it is worth the risk of showing.
func (r *resource) masked() Result {
	if len(r.literals) == 0 {
		return Pass("no literal value")
	}
	var fields []string
	for _, field := range r.literals {
		if _, ours := r.want.Secrets[field]; ours {
			fields = append(fields, field)
		}
	}
	if others := len(r.literals) - len(fields); others > 0 {
		fields = append(fields, fmt.Sprintf("%d that the config does not name", others))
	}
	return Fail("holds a literal value at %s", strings.Join(fields, ", ")).
		WithHint("%s puts a reference in its place; the value was stored in the database, so rotate it", applyHint)
}

// reference shows no name from Aidbox that the config does not have, because a
// value that was put in the place of a name would come with it.
func (r *resource) reference(d *config.Delivery) Result {
	var right, wrong []string
	for _, field := range slices.Sorted(maps.Keys(r.want.Secrets)) {
		name := r.want.Secrets[field]
		switch got, present := r.refs[field]; {
		case !present:
			wrong = append(wrong, field+" refers to no secret")
		case got != name:
			if _, ours := d.Secret(got); !ours {
				got = "a secret that the config does not name"
			}
			wrong = append(wrong, fmt.Sprintf("%s refers to %s, not to %s", field, got, name))
		default:
			right = append(right, field+" refers to "+name)
		}
	}
	if len(wrong) > 0 {
		return Fail("%s", strings.Join(wrong, "; ")).WithHint(applyHint)
	}
	return Pass("%s", strings.Join(right, ", "))
}

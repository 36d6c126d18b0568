package drift

import (
	"context"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/diff"
	"github.com/secretctl/secretctl/internal/fhirclient"
)

// InAidbox compares the resources of a delivery with those in Aidbox. It shows which fields
// differ, and no values.
func InAidbox(ctx context.Context, aidbox *fhirclient.Client, d *config.Delivery) ([]Object, error) {
	if err := aidbox.Health(ctx); err != nil { // reported once, and not for each resource
		if _, still := aidbox.Version(ctx); still != nil { // Version retries
			return nil, err
		}
	}
	var objects []Object
	for _, r := range d.Resources {
		objects = append(objects, resource(aidbox.Compare(ctx, r)))
		if r.AccessPolicy != nil {
			objects = append(objects, resource(aidbox.ComparePolicy(ctx, d.AccessPolicyID(r), r)))
		}
		if ctx.Err() != nil {
			return objects, ctx.Err()
		}
	}
	return objects, nil
}

func resource(compared fhirclient.Comparison, err error) Object {
	o := Object{Name: compared.Object, State: Equal}
	switch {
	case err != nil:
		return unknown(compared.Object, err)
	case compared.Absent:
		o.State, o.Detail = Absent, "to be created"
	case len(compared.Paths) > 0:
		o.State = Different
		if compared.OtherOwner != nil {
			o.Detail, o.Hint = compared.OtherOwner.Why+", so client apply does not change it", compared.OtherOwner.Hint()
		}
	}
	for _, path := range compared.Paths {
		o.Fields = append(o.Fields, diff.Field{Path: path, Hidden: true})
	}
	return o
}

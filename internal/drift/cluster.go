package drift

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/diff"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/render"
)

// InCluster compares manifests with the objects of a cluster: what the API server says
// that applying them would change.
func InCluster(ctx context.Context, c *cluster.Cluster, manifests []render.Object) ([]Object, error) {
	var objects []Object
	for _, m := range manifests {
		o := manifest(ctx, c, m)
		if ctx.Err() != nil {
			return objects, ctx.Err()
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// manifest compares one object. It is absent if it, its namespace or its kind does not
// exist.
func manifest(ctx context.Context, c *cluster.Cluster, m render.Object) Object {
	name := m.Kind + " " + m.Namespace + "/" + m.Name
	compared, err := c.DryRunApply(ctx, m.JSON)
	if m.Patch != "" && hint.Of(err) == "" {
		err = hint.Wrap(err, "is there a %s %s with a container %s? aidbox.workload says which", m.Kind, m.Name, m.Patch)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && compared.Live == nil:
		return Object{Name: name, State: Absent, Detail: "to be created, which does not work yet: " + err.Error(), Hint: hint.Of(err)}
	case err != nil:
		return unknown(name, err)
	case compared.Live == nil:
		return Object{Name: name, State: Absent, Detail: "to be created"}
	}
	fields, err := diff.Kubernetes(compared.Live, compared.Merged)
	fields = slices.DeleteFunc(fields, byDeployer)
	switch {
	case err != nil:
		return unknown(name, err)
	case len(fields) > 0 && compared.OtherOwner != "" && m.Patch == "":
		return Object{
			Name: name, State: Different, Fields: fields, Detail: compared.OtherOwner + "; applying takes it over",
			Hint: "give the delivery a name or aidbox.serviceAccount of its own, or leave the object out, in render and here: --skip " + m.Kind,
		}
	case len(fields) > 0:
		return Object{Name: name, State: Different, Fields: fields}
	}
	return Object{Name: name, State: Equal}
}

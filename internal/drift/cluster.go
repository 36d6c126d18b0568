package drift

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/diff"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/render"
)

// InCluster compares manifests with the objects of a cluster: what the API server says
// that applying them would change.
func InCluster(ctx context.Context, c *cluster.Cluster, manifests []render.Object) (objects []Object, err error) {
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
	o := Object{Name: m.Kind + " " + m.Namespace + "/" + m.Name, State: Equal}
	compared, err := c.DryRunApply(ctx, m.JSON)
	switch refused := errors.Is(err, fs.ErrInvalid); {
	case errors.Is(err, fs.ErrNotExist) && compared.Live == nil:
		o.State, o.Detail, o.Hint = Absent, "cannot be created yet: "+err.Error(), hint.Of(err)
		return o
	case refused && m.Patch != "":
		return unknown(o.Name, hint.Wrap(err, "is there a %s %s with a container %s? aidbox.workload says which", m.Kind, m.Name, m.Patch))
	case refused && compared.Live == nil:
		o.State, o.Detail = Absent, "cannot be created: "+err.Error()
		return o
	case refused:
		o.State, o.Detail = Different, "cannot be applied: "+err.Error()
		o.Hint = "if a field cannot be changed, delete the object and apply it again; to keep it, leave it out, in render and here: --skip " + m.Kind
		return o
	case err != nil:
		return unknown(o.Name, err)
	case compared.Live == nil:
		o.State, o.Detail = Absent, "to be created"
		return o
	}
	if o.Fields, err = fieldsOf(compared); err != nil {
		return unknown(o.Name, err)
	}
	if len(o.Fields) > 0 {
		o.State = Different
		if compared.OtherOwner != "" && m.Patch == "" {
			o.Detail = compared.OtherOwner + "; applying takes it over"
			o.Hint = "give the delivery a name or aidbox.serviceAccount of its own, or leave the object out, in render and here: --skip " + m.Kind
		}
	}
	return o
}

// lastApplied is kubectl's copy of a whole manifest, with every value in it.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// mayBeSecret are the fields of Kubernetes objects in which people put values.
var mayBeSecret = []string{"env", "args", "command", "httpHeaders", "binaryData", "stringData"}

// fieldsOf returns what applying a manifest would change. Of environment variables and of
// whatever else may hold a secret it has the names and never the values.
func fieldsOf(c cluster.Comparison) ([]diff.Field, error) {
	before, err := decodeObject(c.Live)
	if err != nil {
		return nil, err
	}
	after, err := decodeObject(c.Merged)
	if err != nil {
		return nil, err
	}
	hide := func(path []string) bool {
		last := path[len(path)-1]
		return slices.Contains(mayBeSecret, last) || len(path) == 2 && path[0] == "data" && last != config.VaultConfigKey
	}
	return slices.DeleteFunc(diff.Fields(before, after, hide), byDeployer), nil
}

func decodeObject(text []byte) (map[string]any, error) {
	var o map[string]any
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, errors.New("kubernetes: answered with an object that is not JSON")
	}
	metadata, _ := o["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	delete(annotations, lastApplied)
	if len(annotations) == 0 {
		delete(metadata, "annotations")
	}
	return o, nil
}

// byDeployer reports whether a difference comes from whoever applied the object: Argo CD
// writes the name of its application into the label instance, Helm itself into managed-by.
// What they and Flux add, such as annotations, is no difference anyway.
func byDeployer(f diff.Field) bool {
	return f.Path == `metadata.labels["app.kubernetes.io/instance"]` && f.Before != nil ||
		f.Path == `metadata.labels["app.kubernetes.io/managed-by"]` && string(f.Before) == `"Helm"`
}

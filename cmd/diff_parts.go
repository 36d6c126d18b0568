package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/diff"
	"github.com/secretctl/secretctl/internal/fhirclient"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/render"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// notComparedError is why a part is left out, unless it is asked for by name.
type notComparedError struct{ error }

func (e notComparedError) Unwrap() error { return e.error }

// mistake says whether the comparison is pointless until a setting is changed. A missing
// value or token concerns one part only.
func mistake(err error) bool {
	_, source := errors.AsType[*secret.SourceError](err)
	return isUsage(err) && !source && !errors.Is(err, store.ErrNoToken)
}

// comparison is a part that is ready to be compared.
type comparison func(context.Context) ([]diff.Object, error)

func (a *app) diffOne(ctx context.Context, d *config.Delivery, o diffOptions) (work[diff.Delivery], error) {
	prepare := map[string]func(context.Context, *config.Delivery) (comparison, error){
		"cluster": func(_ context.Context, d *config.Delivery) (comparison, error) { return a.diffCluster(d, o.render) },
		"store":   a.diffStore,
		"aidbox":  a.diffAidbox,
	}
	ready := map[string]comparison{}
	for _, name := range o.parts() {
		compare, err := prepare[name](ctx, d)
		_, left := errors.AsType[notComparedError](err)
		if !left && mistake(err) {
			return nil, err
		}
		if err != nil {
			compare = func(context.Context) ([]diff.Object, error) { return nil, err }
		}
		ready[name] = compare
	}
	return func(ctx context.Context, p *progress) (diff.Delivery, error) {
		result := diff.Delivery{Name: d.Name, Parts: []diff.Part{}}
		for _, name := range o.parts() {
			p.set(name, 0)
			objects, err := ready[name](ctx)
			part := diff.NewPart(name, objects)
			_, left := errors.AsType[notComparedError](err)
			switch {
			case left && len(o.only) == 0:
				part.Status, part.Detail = diff.Skipped, err.Error()
				a.narrate("note: %s of delivery %s is not compared: %s", name, d.Name, part.Detail)
			case !left && mistake(err):
				return result, err
			case err != nil:
				part.Status, part.Detail, part.Hint = diff.Unknown, err.Error(), hint.Of(err)
			}
			result.Parts = append(result.Parts, part)
			if ctx.Err() != nil {
				return result, fmt.Errorf("diff %s: %w", d.Name, ctx.Err())
			}
		}
		return result, nil
	}, nil
}

// unknownObject is one that could not be compared.
func unknownObject(name string, err error) diff.Object {
	return diff.Object{Name: name, State: diff.Unknown, Detail: err.Error(), Hint: hint.Of(err)}
}

func (a *app) diffCluster(d *config.Delivery, o render.Options) (comparison, error) {
	c, err := a.kubernetes(d)
	if err != nil {
		if !cluster.Configured(a.clusterOf(d)) {
			err = notComparedError{err}
		}
		return nil, err
	}
	return func(ctx context.Context) ([]diff.Object, error) {
		if err := a.fillIn(ctx, d); err != nil {
			return nil, err
		}
		manifests, err := render.Objects(d, a.provider(d), o)
		if err != nil {
			return nil, err
		}
		var objects []diff.Object
		for _, m := range manifests {
			o := diffManifest(ctx, c, m)
			if ctx.Err() != nil {
				return objects, ctx.Err()
			}
			objects = append(objects, o)
		}
		return objects, nil
	}, nil
}

// diffManifest compares one object. One that cannot be applied because it, its
// namespace or its kind does not exist is absent.
func diffManifest(ctx context.Context, c *cluster.Cluster, m render.Object) diff.Object {
	name := m.Kind + " " + m.Namespace + "/" + m.Name
	compared, err := c.DryRunApply(ctx, m.JSON)
	if m.Patch != "" && hint.Of(err) == "" {
		err = hint.Wrap(err, "is there a %s %s with a container %s? aidbox.workload says which", m.Kind, m.Name, m.Patch)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && compared.Live == nil:
		return diff.Object{Name: name, State: diff.Absent, Detail: "to be created, which does not work yet: " + err.Error(), Hint: hint.Of(err)}
	case err != nil:
		return unknownObject(name, err)
	case compared.Live == nil:
		return diff.Object{Name: name, State: diff.Absent, Detail: "to be created"}
	}
	fields, err := diff.Kubernetes(compared.Live, compared.Merged)
	switch {
	case err != nil:
		return unknownObject(name, err)
	case len(fields) > 0:
		return diff.Object{Name: name, State: diff.Different, Fields: fields}
	}
	return diff.Object{Name: name, State: diff.Equal}
}

func (a *app) diffStore(ctx context.Context, d *config.Delivery) (comparison, error) {
	s, err := a.store(d, store.Options{Compare: true})
	if err != nil {
		return nil, err
	}
	steps := s.Steps(a.inputs, 0)
	if err := provision.Prepare(ctx, steps, a.provider(d).Phases[:1]); err != nil { // which has the values
		return nil, err
	}
	return func(ctx context.Context) ([]diff.Object, error) { return a.compareStore(ctx, d, steps) }, nil
}

// compareStore goes on after a phase that the token may not look at: those who write
// secrets and those who write policies are often not the same.
func (a *app) compareStore(ctx context.Context, d *config.Delivery, steps []store.Step) ([]diff.Object, error) {
	var objects []diff.Object
	for _, phase := range a.provider(d).Phases {
		changes, err := provision.Run(ctx, steps, []string{phase}, true)
		_, left := errors.AsType[*store.SettingError](err)
		switch {
		case left: // somebody else manages it
			a.narrate("note: store of delivery %s: %s, so it is not compared", d.Name, err)
		case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrInvalid), errors.Is(err, fs.ErrNotExist):
			objects = append(objects, unknownObject("phase "+phase, err))
		case err != nil:
			return objects, err
		}
		for _, c := range changes {
			objects = append(objects, storeObject(c))
		}
	}
	return objects, nil
}

func storeObject(c store.Change) diff.Object {
	o := diff.Object{Name: c.Object, State: diff.Equal, Detail: c.Detail}
	switch c.Action {
	case store.Create:
		o.State = diff.Absent
	case store.Update:
		o.State = diff.Different
		if c.OtherValue {
			o.Detail = "the stored value is not that of " + c.Detail
		}
	case store.Absent:
		o.State, o.Detail = diff.Absent, c.Warning
	}
	return o
}

func (a *app) diffAidbox(ctx context.Context, d *config.Delivery) (comparison, error) {
	aidbox, err := a.aidbox(ctx, d)
	return func(ctx context.Context) ([]diff.Object, error) { return compareAidbox(ctx, aidbox, d) }, err
}

func compareAidbox(ctx context.Context, aidbox *fhirclient.Client, d *config.Delivery) ([]diff.Object, error) {
	if err := aidbox.Health(ctx); err != nil { // reported once, and not for each resource
		if _, still := aidbox.Version(ctx); still != nil { // which retries
			return nil, err
		}
	}
	var objects []diff.Object
	for _, r := range d.Resources {
		objects = append(objects, aidboxObject(aidbox.Compare(ctx, r)))
		if r.AccessPolicy != nil {
			objects = append(objects, aidboxObject(aidbox.ComparePolicy(ctx, d.AccessPolicyID(r), r)))
		}
		if ctx.Err() != nil {
			return objects, ctx.Err()
		}
	}
	return objects, nil
}

func aidboxObject(compared fhirclient.Comparison, err error) diff.Object {
	o := diff.Object{Name: compared.Object, State: diff.Equal}
	switch {
	case err != nil:
		return unknownObject(compared.Object, err)
	case compared.Absent:
		o.State, o.Detail = diff.Absent, "to be created"
	case len(compared.Paths) > 0:
		o.State = diff.Different
	}
	for _, path := range compared.Paths {
		o.Fields = append(o.Fields, diff.Field{Path: path, Hidden: true})
	}
	return o
}

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/drift"
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

// comparison compares one part of a delivery that is ready to be compared.
type comparison func(context.Context) ([]drift.Object, error)

func (a *app) diffOne(ctx context.Context, d *config.Delivery, o diffOptions) (work[drift.Delivery], error) {
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
			compare = func(context.Context) ([]drift.Object, error) { return nil, err }
		}
		ready[name] = compare
	}
	return func(ctx context.Context, p *progress) (drift.Delivery, error) {
		result := drift.Delivery{Name: d.Name, Parts: []drift.Part{}}
		for _, name := range o.parts() {
			p.set(name, 0)
			objects, err := ready[name](ctx)
			part := drift.NewPart(name, drift.Ignore(objects, o.ignore))
			_, left := errors.AsType[notComparedError](err)
			switch {
			case left && len(o.only) == 0:
				part.Status, part.Detail = drift.Skipped, err.Error()
				a.narrate("note: %s of delivery %s is not compared: %s", name, d.Name, part.Detail)
			case !left && mistake(err):
				return result, err
			case err != nil:
				part.Status, part.Detail, part.Hint = drift.Unknown, cmp.Or(withoutEnd(err), "interrupted"), hint.Of(err)
			}
			result.Parts = append(result.Parts, part)
			if ctx.Err() != nil {
				return result, fmt.Errorf("diff %s: %w", d.Name, ctx.Err())
			}
		}
		return result, nil
	}, nil
}

func (a *app) diffCluster(d *config.Delivery, o render.Options) (comparison, error) {
	c, err := a.kubernetes(d)
	if err != nil {
		if !cluster.Configured(a.clusterOf(d)) {
			err = notComparedError{err}
		}
		return nil, err
	}
	return func(ctx context.Context) ([]drift.Object, error) {
		if err := a.fillIn(ctx, d, false); err != nil {
			return nil, err
		}
		o, err := withInitBundle(d, o)
		if err != nil {
			return nil, err
		}
		manifests, err := render.Objects(d, a.provider(d), o)
		if err != nil {
			return nil, err
		}
		return drift.InCluster(ctx, c, manifests)
	}, nil
}

func (a *app) diffStore(ctx context.Context, d *config.Delivery) (comparison, error) {
	s, err := a.store(d, store.Options{Compare: true})
	if err != nil {
		return nil, err
	}
	steps, phases := s.Steps(a.inputs, 0), a.provider(d).Phases
	if err := provision.Prepare(ctx, steps, phases[:1]); err != nil { // the first has the values
		return nil, err
	}
	left := func(err error) { a.narrate("note: store of delivery %s: %s, so it is not compared", d.Name, err) }
	return func(ctx context.Context) ([]drift.Object, error) { return drift.InStore(ctx, steps, phases, left) }, nil
}

func (a *app) diffAidbox(ctx context.Context, d *config.Delivery) (comparison, error) {
	aidbox, err := a.aidbox(ctx, d)
	return func(ctx context.Context) ([]drift.Object, error) {
		found, err := drift.InAidbox(ctx, aidbox, d)
		if slices.ContainsFunc(found, func(o drift.Object) bool { return o.State != drift.Unknown }) && ctx.Err() == nil {
			a.sweep(ctx, aidbox, d)
		}
		return found, err
	}, err
}

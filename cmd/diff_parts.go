package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/drift"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/render"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// notComparedError is why a part is left out, unless --only names it. It is not a usage
// error, although the missing cluster that it wraps is one.
type notComparedError struct{ error }

func (e notComparedError) Unwrap() error { return e.error }
func (notComparedError) Usage() bool     { return false }

// stops reports whether an error ends the comparison, since it is a mistake in the config
// or on the command line. A missing value or token affects one part only.
func stops(err error) bool {
	_, source := errors.AsType[*secret.SourceError](err)
	return isUsage(err) && !source && !errors.Is(err, store.ErrNoToken)
}

// comparison compares one part of a delivery. It is prepared, and was not sent anything.
type comparison func(context.Context) ([]drift.Object, error)

func (a *app) diffOne(ctx context.Context, d *config.Delivery, o diffOptions) (work[drift.Delivery], error) {
	prepared := map[string]comparison{}
	for _, part := range o.parts() {
		compare, err := a.prepareDiff(ctx, d, part, o)
		if stops(err) {
			return nil, err
		}
		if err != nil {
			compare = func(context.Context) ([]drift.Object, error) { return nil, err }
		}
		prepared[part] = compare
	}
	return func(ctx context.Context, p *progress) (drift.Delivery, error) {
		result := drift.Delivery{Name: d.Name, Parts: []drift.Part{}}
		for _, name := range o.parts() {
			p.set(name, 0)
			objects, err := prepared[name](ctx)
			part := drift.NewPart(name, drift.Ignore(objects, o.ignore))
			_, skip := errors.AsType[notComparedError](err)
			switch {
			case stops(err):
				return result, err
			case skip && len(o.only) == 0:
				part.Status, part.Detail = drift.Skipped, err.Error()
				a.narrate("note: %s%s is not compared: %s", a.of(d), name, part.Detail)
			case err != nil:
				part.Status, part.Detail, part.Hint = drift.Unknown, causeOf(ctx, err), hint.Of(err)
			}
			result.Parts = append(result.Parts, part)
			if ctx.Err() != nil {
				return result, ctx.Err()
			}
		}
		return result, nil
	}, nil
}

func (a *app) prepareDiff(ctx context.Context, d *config.Delivery, part string, o diffOptions) (comparison, error) {
	switch part {
	case "cluster":
		return a.diffCluster(d, o.render)
	case "store":
		return a.diffStore(ctx, d)
	default:
		return a.diffAidbox(ctx, d)
	}
}

// causeOf says why a part could not be compared, and that time ran out or somebody
// interrupted it.
func causeOf(ctx context.Context, err error) string {
	if ctx.Err() == nil {
		return err.Error()
	}
	ended, rest := howEnded(ctx.Err()), withoutEnd(err)
	if rest == err.Error() {
		return ended + ": " + rest
	}
	return strings.TrimPrefix(rest+": "+ended, ": ")
}

func (a *app) diffCluster(d *config.Delivery, o render.Options) (comparison, error) {
	c, err := a.kubernetes(d)
	switch {
	case err != nil && !cluster.Configured(a.clusterOf(d)):
		return nil, notComparedError{err}
	case err != nil:
		return nil, err
	}
	return func(ctx context.Context) ([]drift.Object, error) {
		if err := a.fillIn(ctx, d, o.Includes(render.GroupRotateJob)); err != nil {
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
		found, err := drift.InCluster(ctx, c, manifests)
		if err != nil && ctx.Err() != nil {
			err = fmt.Errorf("kubernetes: %s: %w", c.Host(), ctx.Err())
		}
		return found, err
	}, nil
}

func (a *app) diffStore(ctx context.Context, d *config.Delivery) (comparison, error) {
	s, err := a.store(d, store.Options{Compare: true})
	if err != nil {
		return nil, err
	}
	steps, phases := s.Steps(a.inputs, 0), a.provider(d).Phases
	if err := provision.Prepare(ctx, steps, phases[:1]); err != nil { // the first phase reads the values
		return nil, err
	}
	return func(ctx context.Context) ([]drift.Object, error) {
		return drift.InStore(ctx, steps, phases, func(err error) {
			a.narrate("note: %sstore: %s, so it is not compared", a.of(d), err)
		})
	}, nil
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

package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/secretctl/secretctl/internal/config"
)

// atOnce is how many deliveries are worked on at the same time.
const atOnce = 8

// work is what there is to do about a delivery.
type work[T any] func(ctx context.Context, p *progress) (T, error)

// outcome is what came of a delivery: a result, an error, or both.
type outcome[T any] struct {
	delivery *config.Delivery
	result   T
	err      error
}

// errNotBegun is what came of a delivery when time was up before its turn.
var errNotBegun = errors.New("not begun")

// fleet is how a command goes through its deliveries.
type fleet struct {
	*app
	title string // for the progress line
	all   []*config.Delivery
	// taken names what the work on a delivery needs for itself: deliveries that have a
	// name in common are done one after the other. Nil: they need nothing.
	taken func(*config.Delivery) []string
}

// each does the work on every delivery, several at the same time, and returns what
// came of them in the order of the config, beside an error of all their errors. One
// that fails keeps none of the others from being done.
//
// prepare is called for all of them first, one after the other. It asks no server,
// but reads what the work needs and connects. A mistake of usage that it finds in
// any of them ends it all before anything is attempted: then only those are returned
// that have one.
func each[T any](ctx context.Context, f fleet, prepare func(*config.Delivery) (work[T], error)) ([]outcome[T], error) {
	outcomes := make([]outcome[T], len(f.all))
	works := make([]work[T], len(f.all))
	for i, d := range f.all {
		outcomes[i].delivery = d
		works[i], outcomes[i].err = prepare(d)
	}
	if mistakes := slices.DeleteFunc(slices.Clone(outcomes), func(o outcome[T]) bool { return !isUsage(o.err) }); len(mistakes) > 0 {
		return mistakes, failuresOf(ctx, f.app, mistakes)
	}
	var group errgroup.Group
	group.SetLimit(atOnce)
	board := f.startBoard(f.title, len(f.all))
	for _, turn := range f.turns() {
		group.Go(func() error {
			for _, i := range turn {
				outcomes[i].do(ctx, f.app, board, works[i])
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are in the outcomes
	return outcomes, failuresOf(ctx, f.app, outcomes)
}

func (o *outcome[T]) do(ctx context.Context, a *app, b *board, do work[T]) {
	p := b.start(o.delivery.Name)
	defer p.end()
	switch {
	case o.err != nil:
	case ctx.Err() != nil && b.total > 1:
		o.err = fmt.Errorf("%w: %w", errNotBegun, ctx.Err())
	default:
		o.err = a.guard(func() (err error) {
			o.result, err = do(ctx, p)
			return err
		})
	}
}

// turns returns the indexes of the deliveries in the order of the config, those
// together that are to be done one after the other.
func (f fleet) turns() [][]int {
	type turn struct {
		members []int
		taken   []string
	}
	var turns []turn
	for i, d := range f.all {
		next := turn{members: []int{i}}
		if f.taken != nil {
			next.taken = f.taken(d)
		}
		var apart []turn
		for _, t := range turns {
			if slices.ContainsFunc(t.taken, func(name string) bool { return slices.Contains(next.taken, name) }) {
				next.members = append(t.members, next.members...)
				next.taken = append(t.taken, next.taken...)
			} else {
				apart = append(apart, t)
			}
		}
		turns = append(apart, next)
	}
	var out [][]int
	for _, t := range turns {
		slices.Sort(t.members)
		out = append(out, t.members)
	}
	slices.SortFunc(out, func(a, b []int) int { return a[0] - b[0] })
	return out
}

// failuresOf returns an error of all errors, each with the name of its delivery.
func failuresOf[T any](ctx context.Context, a *app, outcomes []outcome[T]) error {
	var all []error
	var left []string
	for _, o := range outcomes {
		switch {
		case errors.Is(o.err, errNotBegun):
			left = append(left, o.delivery.Name)
		case o.err != nil:
			all = append(all, fmt.Errorf("%s%w", a.of(o.delivery), o.err))
		}
	}
	if len(left) > 0 {
		all = append(all, fmt.Errorf("%w: %s: %w", errNotBegun, strings.Join(left, ", "), ctx.Err()))
	}
	return join(all...)
}

// of begins a line about a delivery, where there are several.
func (a *app) of(d *config.Delivery) string {
	if !a.several {
		return ""
	}
	return fmt.Sprintf("delivery %q: ", d.Name)
}

// logOf is where requests about a delivery are logged; nil without -v.
func (a *app) logOf(d *config.Delivery) io.Writer {
	if log := a.log(); log == nil || !a.several {
		return log
	}
	return prefixed{a.Err, d.Name + ": "}
}

// prefixed puts something before each line, which come one at a time.
type prefixed struct {
	out    io.Writer
	prefix string
}

func (w prefixed) Write(line []byte) (int, error) {
	_, err := io.WriteString(w.out, w.prefix+string(line))
	return len(line), err
}

package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
)

// maxParallel is how many deliveries are worked on at the same time.
const maxParallel = 8

// work is what a command does for one delivery.
type work[T any] func(ctx context.Context, p *progress) (T, error)

// outcome is what came of a delivery: a result, an error, or both.
type outcome[T any] struct {
	delivery *config.Delivery
	result   T
	err      error
}

// errNotStarted is the outcome of a delivery that timed out before its work started.
var errNotStarted = errors.New("not started")

// fleet is the deliveries that a command works on.
type fleet struct {
	*app
	title string // for the progress line
	all   []*config.Delivery
	// exclusive names what the work on a delivery must have for itself: deliveries that
	// share a name are worked on one after the other. Nil: nothing.
	exclusive func(*config.Delivery) []string
	dryRun    bool // the work changes nothing
	atOnce    int  // deliveries; default maxParallel
}

// each does the work on every delivery, several at the same time, and returns the
// outcomes in the order of the config, with an error that has all their errors. A
// delivery that fails keeps no other from being worked on.
//
// prepare is called first, for one delivery after the other. It reads what the work
// needs, opens connections and sends nothing. If it finds a usage error in any of them,
// nothing is attempted, and only the outcomes with a usage error are returned.
func each[T any](ctx context.Context, f fleet, prepare func(*config.Delivery) (work[T], error)) ([]outcome[T], error) {
	outcomes := make([]outcome[T], len(f.all))
	works := make([]work[T], len(f.all))
	for i, d := range f.all {
		outcomes[i].delivery = d
		works[i], outcomes[i].err = prepare(d)
	}
	if refused := slices.DeleteFunc(slices.Clone(outcomes), func(o outcome[T]) bool { return !isUsage(o.err) }); len(refused) > 0 {
		return refused, failuresOf(ctx, f.app, refused)
	}
	var group errgroup.Group
	group.SetLimit(cmp.Or(f.atOnce, maxParallel))
	display := f.startDisplay(f.title, len(f.all))
	for _, members := range f.serialGroups() {
		group.Go(func() error {
			for _, i := range members {
				outcomes[i].do(ctx, f.app, display, works[i])
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are in the outcomes
	return outcomes, failuresOf(ctx, f.app, outcomes)
}

func (o *outcome[T]) do(ctx context.Context, a *app, display *display, do work[T]) {
	p := display.start(o.delivery.Name)
	defer p.end()
	defer a.atEnd.run(ctx, o.delivery)
	switch {
	case o.err != nil:
	case ctx.Err() != nil && display.total > 1:
		o.err = fmt.Errorf("%w: %w", errNotStarted, ctx.Err())
	default:
		o.err = a.guard(func() (err error) {
			o.result, err = do(p.hosts.Context(ctx), p)
			return err
		})
	}
}

// serialGroups returns the indexes of the deliveries, in the order of the config. Those
// of a group are worked on one after the other.
func (f fleet) serialGroups() [][]int {
	type group struct {
		members []int
		names   []string
	}
	var groups []group
	for i, d := range f.all {
		next := group{members: []int{i}}
		if f.exclusive != nil {
			next.names = f.exclusive(d)
		}
		var others []group
		for _, g := range groups {
			if slices.ContainsFunc(g.names, func(name string) bool { return slices.Contains(next.names, name) }) {
				next.members = append(g.members, next.members...)
				next.names = append(g.names, next.names...)
			} else {
				others = append(others, g)
			}
		}
		groups = append(others, next)
	}
	var out [][]int
	for _, g := range groups {
		slices.Sort(g.members)
		out = append(out, g.members)
	}
	slices.SortFunc(out, func(a, b []int) int { return a[0] - b[0] })
	return out
}

// failuresOf returns an error that has all errors, each with the name of its delivery.
func failuresOf[T any](ctx context.Context, a *app, outcomes []outcome[T]) error {
	var all []error
	var left []string
	for _, o := range outcomes {
		switch {
		case errors.Is(o.err, errNotStarted):
			left = append(left, o.delivery.Name)
		case o.err != nil:
			all = append(all, fmt.Errorf("%s%w", a.of(o.delivery), a.about(o.delivery, o.err)))
		}
	}
	if len(left) > 0 {
		all = append(all, fmt.Errorf("%w: %s: %w", errNotStarted, strings.Join(left, ", "), ctx.Err()))
	}
	return join(all...)
}

// ofDelivery matches the commands of a hint that act on all deliveries without --delivery.
var ofDelivery = regexp.MustCompile(`\bsecretctl (client (apply|delete|get)|diff|doctor|graph|provision|render|rotate|status|verify)\b`)

// onlyFor has the commands of a hint act on the delivery that it is about, if there
// are others.
func (a *app) onlyFor(d *config.Delivery, hint string) string {
	if !a.several && a.delivery == "" {
		return hint
	}
	return ofDelivery.ReplaceAllString(hint, "$0 --delivery "+d.Name)
}

// about has the hints of an error act on the delivery that it is about.
func (a *app) about(d *config.Delivery, err error) error {
	var all []error
	for _, part := range parts(err) {
		next := hint.Of(part)
		if changed := a.onlyFor(d, next); changed != next {
			part = hint.Wrap(part, "%s", changed)
		}
		all = append(all, part)
	}
	return join(all...)
}

// of starts a line about a delivery, if there are several.
func (a *app) of(d *config.Delivery) string {
	if !a.several {
		return ""
	}
	return fmt.Sprintf("delivery %q: ", d.Name)
}

// logOf returns what hears of the requests for a delivery.
func (a *app) logOf(d *config.Delivery) io.Writer {
	l := requestLog{app: a}
	if a.several {
		l.prefix = d.Name + ": "
	}
	return l
}

// requestLog writes a line for each request with -v. Lines come one at a time.
type requestLog struct {
	*app
	prefix string
}

func (l requestLog) Write(line []byte) (int, error) {
	if !l.verbose {
		return len(line), nil
	}
	_, err := io.WriteString(l.Err, l.prefix+string(line))
	return len(line), err
}

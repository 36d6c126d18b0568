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
	"github.com/secretctl/secretctl/internal/secret"
)

// maxParallel is how many deliveries a command works on at the same time.
const maxParallel = 8

// work is what a command does for one delivery.
type work[T any] func(ctx context.Context, p *progress) (T, error)

// outcome is the result of the work on a delivery, an error, or both.
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
	// exclusive returns the names of what the work must have for itself: deliveries that
	// share a name are worked on one after the other, as the config lists them. May be nil.
	exclusive func(*config.Delivery) []string
	dryRun    bool // the work changes nothing
	atOnce    int  // deliveries; default maxParallel
}

// each works on every delivery, several at the same time, and returns the outcomes in the
// order of the config, and an error with all their errors. The failure of one delivery
// does not stop the others.
//
// prepare is called first, for one delivery after the other. It reads what the work
// needs, opens connections and sends nothing. If it returns a usage error for any
// delivery, nothing is attempted, and only the outcomes with usage errors are returned.
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
	ended := make([]chan struct{}, len(f.all))
	for i := range f.all {
		ended[i] = make(chan struct{})
		group.Go(func() error {
			defer close(ended[i])
			for earlier := range i {
				if f.shareName(earlier, i) {
					<-ended[earlier]
				}
			}
			outcomes[i].do(ctx, f.app, display, works[i])
			return nil
		})
	}
	_ = group.Wait() // the errors are in the outcomes
	return outcomes, failuresOf(ctx, f.app, outcomes)
}

// shareName reports whether the i-th and the j-th delivery share an exclusive name.
func (f fleet) shareName(i, j int) bool {
	if f.exclusive == nil {
		return false
	}
	names := f.exclusive(f.all[j])
	return slices.ContainsFunc(f.exclusive(f.all[i]), func(name string) bool { return slices.Contains(names, name) })
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

// ofDelivery matches the commands of a hint that read the config.
var ofDelivery = regexp.MustCompile(`\bsecretctl (client (apply|delete|get)|diff|doctor|graph|provision|render|rotate|status|verify)\b`)

// onlyFor adds to the commands of a hint the flags with which they act on the delivery that
// it is about, and on no other.
func (a *app) onlyFor(delivery, hint string) string {
	var flags string
	if a.origin["config"] == "--config" {
		flags += " -c " + secret.ShellWord(a.config)
	}
	if a.several || a.delivery != "" {
		flags += " --delivery " + delivery
	}
	return ofDelivery.ReplaceAllStringFunc(hint, func(command string) string { return command + flags })
}

// about is onlyFor for the hints of an error.
func (a *app) about(d *config.Delivery, err error) error {
	var all []error
	for _, part := range parts(err) {
		next := hint.Of(part)
		if changed := a.onlyFor(d.Name, next); changed != next {
			part = hint.Wrap(part, "%s", changed)
		}
		all = append(all, part)
	}
	return join(all...)
}

// of returns the start of a line about one delivery of several.
func (a *app) of(d *config.Delivery) string {
	if !a.several {
		return ""
	}
	return fmt.Sprintf("delivery %q: ", d.Name)
}

// logOf returns where the requests for a delivery are logged: with -v, stderr, else nil.
func (a *app) logOf(d *config.Delivery) io.Writer {
	switch {
	case !a.verbose:
		return nil
	case a.several:
		return prefixed{a.Err, d.Name + ": "}
	}
	return a.Err
}

// prefixed writes lines with a prefix. Each write is one line.
type prefixed struct {
	out    io.Writer
	prefix string
}

func (p prefixed) Write(line []byte) (int, error) {
	_, err := io.WriteString(p.out, p.prefix+string(line))
	return len(line), err
}

package cmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
)

// endWithin is how long a command may take to end after a timeout or an interrupt.
// Most need milliseconds. What cannot be canceled, such as reading a pipe that nobody
// writes to, is abandoned.
const endWithin = time.Second

// endedError is the error of a command that did not finish because --timeout passed or
// it was interrupted.
type endedError struct {
	error
	timeout bool
	goOn    string // how to go on where running it again would be wrong
}

func (e *endedError) Unwrap() error { return e.error }

func (e *endedError) what() string {
	if e.timeout {
		return "--timeout passed"
	}
	return "interrupted"
}

func (e *endedError) next() string {
	if e.goOn != "" {
		return e.goOn
	}
	const again = "run it again: what is done stays done"
	if e.timeout {
		return "give it longer with --timeout, or " + again
	}
	return again
}

// advice is what several deliveries advise, by their names.
type advice struct {
	mu   sync.Mutex
	each map[string]string
}

func (a *advice) set(about, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.each == nil {
		a.each = map[string]string{}
	}
	a.each[about] = text
}

func (a *advice) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []string
	for _, about := range slices.Sorted(maps.Keys(a.each)) {
		all = append(all, a.each[about])
	}
	return strings.Join(all, "; ")
}

// errBug is the error of work that panicked.
var errBug = hint.Wrap(errors.New("internal error"), "please report this, with the lines above")

// run runs the work of a command within --timeout. Any error before that is a usage
// error.
func (a *app) run(work func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		for flag, d := range map[string]time.Duration{"timeout": a.timeout, "request-timeout": a.requestTimeout} {
			if d <= 0 {
				return usagef("write it like 90s or 10m", "--%s must be above zero", flag)
			}
		}
		a.started, a.command = true, strings.Join(append([]string{cmd.CommandPath()}, args...), " ")
		ctx, cancel := context.WithTimeout(cmd.Context(), a.timeout)
		defer cancel()
		defer context.AfterFunc(ctx, a.console.release)()
		ended := make(chan error, 1)
		go func() {
			ended <- a.guard(func() error {
				defer a.atEnd.run(ctx, nil)
				return work(ctx, args)
			})
		}()
		return a.whyEnded(ctx, await(ctx, ended))
	}
}

// await returns the error that arrives, or ctx.Err() if none does within endWithin of
// the end of ctx.
func await(ctx context.Context, ended <-chan error) error {
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(endWithin):
		return ctx.Err()
	}
}

// whyEnded makes an error say that it came from the end of ctx.
func (a *app) whyEnded(ctx context.Context, err error) error {
	if _, known := errors.AsType[*endedError](err); err == nil || known || ctx.Err() == nil {
		return err
	}
	return &endedError{err, errors.Is(ctx.Err(), context.DeadlineExceeded), a.goOn.String()}
}

// guard reports a panic and returns an error. Each goroutine needs its own.
func (a *app) guard(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			a.printPanic(p)
			err = errBug
		}
	}()
	return do()
}

// printPanic reports a bug without its message, which could contain anything.
func (a *app) printPanic(p any) {
	what := fmt.Sprintf("%T", p)
	var rt runtime.Error
	if err, ok := p.(error); ok && errors.As(err, &rt) {
		what = rt.Error()
	}
	_, _ = fmt.Fprintf(a.Err, "internal error (%s) at:\n%s", what, frames(debug.Stack()))
}

// frames returns the file lines of a stack trace, which have no arguments in them.
func frames(stack []byte) []byte {
	var out []byte
	for line := range strings.Lines(string(stack)) {
		if strings.HasPrefix(line, "\t") {
			out = append(out, line...)
		}
	}
	return out
}

// endings are the cleanups of a command, by the delivery that they are for: where there
// are many, none may keep what it has until the last one is done. They run even if the
// context has ended. Several goroutines may use them.
type endings struct {
	mu  sync.Mutex
	all map[*config.Delivery][]func(context.Context)
}

func (e *endings) add(d *config.Delivery, f func(context.Context)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all == nil {
		e.all = map[*config.Delivery][]func(context.Context){}
	}
	e.all[d] = append(e.all[d], f)
}

// run runs those of a delivery, and without one all that are left.
func (e *endings) run(ctx context.Context, d *config.Delivery) {
	e.mu.Lock()
	funcs := e.all[d]
	delete(e.all, d)
	if d == nil {
		funcs = slices.Concat(slices.Collect(maps.Values(e.all))...)
		e.all = nil
	}
	e.mu.Unlock()
	for _, f := range funcs {
		f(ctx)
	}
}

package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// errBug is the error of a command that panicked.
var errBug = hint.Wrap(errors.New("internal error"), "please report this, with the lines above")

// run returns the RunE of a command, which does the work within --timeout. An error
// before that is a usage error.
func (a *app) run(work func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		for flag, d := range map[string]time.Duration{"timeout": a.timeout, "request-timeout": a.requestTimeout} {
			if d <= 0 {
				return hint.Usage("write it like 90s or 10m", "--%s must be above zero", flag)
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
		return a.whyEnded(ctx, await(ctx, ended), slices.Contains(writers, cmd.Name()))
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
func (a *app) whyEnded(ctx context.Context, err error, writes bool) error {
	if _, known := errors.AsType[*endedError](err); err == nil || known || ctx.Err() == nil {
		return err
	}
	var next []string
	a.goOn.Range(func(_, advice any) bool { next = append(next, fmt.Sprint(advice)); return true })
	slices.Sort(next)
	return &endedError{err, errors.Is(ctx.Err(), context.DeadlineExceeded), strings.Join(next, "; "), writes}
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

// printPanic reports a bug without its message, which could contain anything, and the
// files and lines of the stack without the arguments.
func (a *app) printPanic(p any) {
	what := fmt.Sprintf("%T", p)
	if err, ok := p.(runtime.Error); ok {
		what = err.Error()
	}
	text := "internal error (" + what + ") at:\n"
	for line := range strings.Lines(string(debug.Stack())) {
		if strings.HasPrefix(line, "\t") {
			text += line
		}
	}
	_, _ = io.WriteString(a.Err, text)
}

// endings are the cleanups of a command. Those of a delivery run when it is done, so that
// a fleet does not keep all its connections open. They run even if the context has ended.
// Several goroutines may use them.
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

// run runs the cleanups of a delivery; for nil, all that are left.
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

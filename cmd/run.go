package cmd

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/hint"
)

// endWithin is how long a command may take to end after a timeout or an interrupt.
// Most of them need milliseconds. What cannot be told to stop, such as reading a
// pipe that nobody writes to, is left behind.
const endWithin = time.Second

// endedError is what kept a command from being done when --timeout passed or it was
// interrupted.
type endedError struct {
	error
	timeout bool
}

func (e *endedError) Unwrap() error { return e.error }

func (e *endedError) what() string {
	if e.timeout {
		return "--timeout passed"
	}
	return "interrupted"
}

func (e *endedError) next() string {
	const again = "run it again: what is done stays done"
	if e.timeout {
		return "give it longer with --timeout, or " + again
	}
	return again
}

// errBug is what came of work that ended in a panic.
var errBug = hint.Wrap(errors.New("internal error"), "please report this, with the lines above")

// run wraps the work of a command and sets its deadline. Until it is called,
// whatever goes wrong is a usage error.
func (a *app) run(work func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if a.timeout <= 0 {
			return usagef("write it like 90s or 10m", "--timeout must be above zero")
		}
		a.started = true
		ctx, cancel := context.WithTimeout(cmd.Context(), a.timeout)
		defer cancel()
		defer context.AfterFunc(ctx, a.console.release)()
		ended := make(chan error, 1)
		go func() {
			ended <- a.guard(func() error {
				defer a.atEnd.run(ctx)
				return work(ctx, args)
			})
		}()
		return whyEnded(ctx, await(ctx, ended))
	}
}

// await returns what comes, or ctx.Err() where that takes longer than endWithin
// after the end of ctx.
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

// whyEnded says of an error that it came because ctx had ended.
func whyEnded(ctx context.Context, err error) error {
	if _, known := errors.AsType[*endedError](err); err == nil || known || ctx.Err() == nil {
		return err
	}
	return &endedError{err, errors.Is(ctx.Err(), context.DeadlineExceeded)}
}

// guard makes an error of a panic, which it reports. Each goroutine needs its own.
func (a *app) guard(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			a.printPanic(p)
			err = errBug
		}
	}()
	return do()
}

// printPanic reports a bug without its message, which could hold anything.
func (a *app) printPanic(p any) {
	what := fmt.Sprintf("%T", p)
	var rt runtime.Error
	if err, ok := p.(error); ok && errors.As(err, &rt) {
		what = rt.Error()
	}
	_, _ = fmt.Fprintf(a.Err, "internal error (%s) at:\n%s", what, frames(debug.Stack()))
}

// frames leaves of a stack trace its file lines, which hold no arguments.
func frames(stack []byte) []byte {
	var out []byte
	for line := range strings.Lines(string(stack)) {
		if strings.HasPrefix(line, "\t") {
			out = append(out, line...)
		}
	}
	return out
}

// endings are what is left to do when a command is over, also where its context has
// ended. Several goroutines may add to it.
type endings struct {
	mu    sync.Mutex
	funcs []func(context.Context)
}

func (e *endings) add(f func(context.Context)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.funcs = append(e.funcs, f)
}

func (e *endings) run(ctx context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range e.funcs {
		f(ctx)
	}
	e.funcs = nil
}

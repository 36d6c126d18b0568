package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/render"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/transport"
	"github.com/secretctl/secretctl/internal/verify"
)

// The exit codes, which scripts rely on. docs/exit-codes.md explains them.
const (
	exitOK          = 0
	exitNo          = 1
	exitUsage       = 2
	exitUnable      = 3
	exitTimeout     = 124
	exitInterrupted = 130
)

// exitStatus closes every command's help.
const exitStatus = `EXIT STATUS
  0    done; every check passed
  1    the answer is no: a check failed, a literal secret came back
  2    usage or config error; nothing was attempted
  3    could not find out or could not act: unreachable, refused, sealed
  124  --timeout passed
  130  interrupted`

// usageError is a mistake on the command line or in the environment.
type usageError struct {
	error
	hint string
}

func (e *usageError) Unwrap() error { return e.error }
func (e *usageError) Hint() string  { return e.hint }

func usagef(hint, format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...), hint}
}

func asUsage(err error) error {
	if isUsage(err) {
		return err
	}
	return &usageError{err, "run with --help to see what there is"}
}

func isUsage(err error) bool {
	var usage *usageError
	var conf *config.Error
	var source *secret.SourceError
	var address *transport.AddressError
	var phase *provision.PhaseError
	var setting *provision.SettingError
	var group *verify.UsageError
	var manifest *render.Error
	var kubeconfig *cluster.ConfigError
	return errors.As(err, &usage) || errors.As(err, &conf) || errors.As(err, &source) || errors.As(err, &address) ||
		errors.As(err, &phase) || errors.As(err, &setting) || errors.As(err, &group) || errors.As(err, &manifest) ||
		errors.As(err, &kubeconfig) || errors.Is(err, provision.ErrNoToken)
}

// noError says that everything was found out and the answer is no.
type noError struct{ error }

func (e *noError) Unwrap() error { return e.error }

func exitCode(ctx context.Context, err error) int {
	var no *noError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return exitTimeout
	case ctx.Err() != nil:
		return exitInterrupted
	case isUsage(err):
		return exitUsage
	case errors.As(err, &no):
		return exitNo
	}
	return exitUnable
}

// errReported ends a command whose output says already what is wrong.
var errReported = errors.New("reported")

// printError writes an error as lines of "error:", each with its "hint:".
func (a *app) printError(err error) {
	var conf *config.Error
	switch {
	case err == nil || errors.Is(err, errReported):
	case errors.As(err, &conf):
		for _, p := range conf.Problems {
			a.printLine("error", p.String())
			a.printLine("hint", p.Hint)
		}
	case a.ctx != nil && a.ctx.Err() != nil:
		what, next := "interrupted", "run it again: it goes on where it stopped"
		if errors.Is(a.ctx.Err(), context.DeadlineExceeded) {
			what, next = "--timeout passed", "give it longer with --timeout, or run it again: it goes on where it stopped"
		}
		if text := oneLine(err); text != a.ctx.Err().Error() {
			what += ": " + strings.TrimSuffix(text, ": "+a.ctx.Err().Error())
		}
		a.printLine("error", what)
		a.printLine("hint", next)
	default:
		a.printLine("error", oneLine(err))
		a.printLine("hint", hint.Of(err))
	}
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func (a *app) printLine(label, text string) {
	if text != "" {
		a.narrate("%s: %s", label, text)
	}
}

// narrate writes a line to stderr: stdout is for what the command is asked for.
func (a *app) narrate(format string, args ...any) {
	_, _ = fmt.Fprintf(a.Err, format+"\n", args...)
}

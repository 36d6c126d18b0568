package cmd

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/secretctl/secretctl/internal/hint"
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

// exitCodes returns the end of a command's help: what its exit codes mean. Without a
// meaning, the command does not exit with 1.
func exitCodes(ok, no, unable string) string {
	if no != "" {
		no = fmt.Sprintf("\n  %-3d  %s", exitNo, no)
	}
	return fmt.Sprintf(`EXIT STATUS
  %-3d  %s%s
  %-3d  usage or config error; nothing was attempted
  %-3d  %s
  %-3d  --timeout passed
  %-3d  interrupted`, exitOK, ok, no, exitUsage, exitUnable, cmp.Or(unable, "the output could not be written"), exitTimeout, exitInterrupted)
}

// asUsage makes an error of cobra a usage error that points to the help of the command.
func asUsage(err error, command string) error {
	if isUsage(err) {
		return err
	}
	return hint.Usage("run "+command+" --help", "%w", err)
}

// isUsage reports whether err is a usage error. The outermost error with a method Usage
// decides.
func isUsage(err error) bool {
	var u interface{ Usage() bool }
	return errors.As(err, &u) && u.Usage()
}

// noError is the answer no: everything could be found out, and something is wrong.
type noError struct{ error }

func (e *noError) Unwrap() error { return e.error }
func (*noError) Usage() bool     { return false }

// answeredNo returns the errors that an error was joined from, each as the answer no.
func answeredNo(err error) error {
	var all []error
	for _, part := range parts(err) {
		all = append(all, &noError{part})
	}
	return join(all...)
}

// endedError is the error of a command that was interrupted or whose --timeout passed.
type endedError struct {
	error
	timeout bool
	goOn    string // what to do next if running it again would be wrong
	writes  bool   // the command changes something, which it can do in several runs
}

func (e *endedError) Unwrap() error { return e.error }

func (e *endedError) what() string {
	if e.timeout {
		return "--timeout passed"
	}
	return "interrupted"
}

// writers are the commands that change something outside of this machine.
var writers = []string{"provision", "rotate", "apply", "delete", "install", "infra"}

func (e *endedError) next() string {
	if e.goOn != "" {
		return e.goOn
	}
	const again = "run it again: it skips what is already done"
	switch {
	case e.timeout && e.writes:
		return "give it longer with --timeout, or " + again
	case e.timeout:
		return "give it longer with --timeout"
	case e.writes:
		return again
	}
	return ""
}

// failures are several errors, each printed on lines of its own.
type failures []error

func (f failures) Error() string {
	lines := make([]string, len(f))
	for i, err := range f {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "; ")
}

func (f failures) Unwrap() []error { return f }

// join returns the errors that are not nil as one, or nil.
func join(errs ...error) error {
	var all failures
	for _, err := range errs {
		all = append(all, parts(err)...)
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return all
}

// parts returns the errors that an error was joined from.
func parts(err error) []error {
	if all, ok := err.(failures); ok { //nolint:errorlint // wrapped in other words, it is one error
		return all
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// exitCode returns the highest code of all errors, so it is 2 only if nothing was
// attempted.
func exitCode(err error) int {
	if ended, ok := errors.AsType[*endedError](err); ok {
		if ended.timeout {
			return exitTimeout
		}
		return exitInterrupted
	}
	code := exitOK
	for _, part := range parts(err) {
		switch _, no := errors.AsType[*noError](part); {
		case isUsage(part):
			code = max(code, exitUsage)
		case no:
			code = max(code, exitNo)
		default:
			code = exitUnable
		}
	}
	return code
}

// errReported fails a command whose output already says what is wrong.
var errReported = errors.New("reported")

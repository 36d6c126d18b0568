package cmd

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
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

// exitCodes ends a command's help: it says what the exit codes of that command mean.
// Without a meaning, 1 does not occur.
func exitCodes(ok, no, unable string) string {
	var out strings.Builder
	out.WriteString("EXIT STATUS\n")
	for _, line := range []struct {
		code    int
		meaning string
	}{
		{exitOK, ok},
		{exitNo, no},
		{exitUsage, "usage or config error; nothing was attempted"},
		{exitUnable, cmp.Or(unable, "the output could not be written")},
		{exitTimeout, "--timeout passed"},
		{exitInterrupted, "interrupted"},
	} {
		if line.meaning != "" {
			fmt.Fprintf(&out, "  %-3d  %s\n", line.code, line.meaning)
		}
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// usageError is a mistake on the command line or in the environment.
type usageError struct {
	error
	hint string
}

func (e *usageError) Unwrap() error { return e.error }
func (e *usageError) Hint() string  { return e.hint }
func (e *usageError) Usage() bool   { return true }

func usagef(hint, format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...), hint}
}

func asUsage(err error) error {
	if isUsage(err) {
		return err
	}
	return &usageError{err, "run with --help to see what there is"}
}

// isUsage says whether an error reports itself as a usage error. The outermost error
// that reports anything decides.
func isUsage(err error) bool {
	var said interface{ Usage() bool }
	return errors.As(err, &said) && said.Usage()
}

// noError says that everything was found out, and that the answer is no.
type noError struct{ error }

func (e *noError) Unwrap() error { return e.error }

// failures is several errors, each of which is printed on lines of its own.
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
	if all, ok := err.(failures); ok { //nolint:errorlint // one with words around it is one error
		return all
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// exitCode returns the highest code of all errors, so that 2 is never returned where
// something was attempted and failed.
func exitCode(err error) int {
	if ended, ok := errors.AsType[*endedError](err); ok {
		if ended.timeout {
			return exitTimeout
		}
		return exitInterrupted
	}
	code := exitOK
	for _, part := range parts(err) {
		code = max(code, codeOf(part))
	}
	return code
}

func codeOf(err error) int {
	_, no := errors.AsType[*noError](err)
	switch {
	case isUsage(err):
		return exitUsage
	case no:
		return exitNo
	}
	return exitUnable
}

// errReported fails a command whose output already says what is wrong.
var errReported = errors.New("reported")

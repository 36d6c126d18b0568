// Package hint attaches to an error what the user can do about it. An error
// says what happened; its hint says what to type next. The command line prints
// the two as an "error:" line and a "hint:" line.
package hint

import (
	"errors"
	"fmt"
	"strings"
)

type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }
func (h hinted) Hint() string  { return h.hint }

// Wrap returns err with a hint. A nil err stays nil, and an empty hint adds
// nothing.
func Wrap(err error, format string, args ...any) error {
	if err == nil || format == "" {
		return err
	}
	return hinted{error: err, hint: fmt.Sprintf(format, args...)}
}

// Of returns the outermost hint in err's chain, or "".
func Of(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// OneLine returns text as one line, with one blank where it has white space: an error and
// its hint are a line each.
func OneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

type usageError struct{ hinted }

func (usageError) Usage() bool { return true }

// Usage returns an error with a hint about a mistake on the command line, in the config
// or in the environment: nothing was attempted.
func Usage(hint, format string, args ...any) error {
	return usageError{hinted{fmt.Errorf(format, args...), hint}}
}

// Problem is an error and its hint in JSON.
type Problem struct {
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

package cmd

// How secretctl speaks to people, which the files ui_*.go keep to:
//
// Stdout is for what the command was asked for, and for nothing else. Everything
// that accompanies it goes to stderr, in lines of their own.
//
// An error is a line "error: what failed, where, why". What to type about it is a
// line "hint:" below it. What works but deserves a look is a "warning:", and what a
// reader may want to know a "note:". Errors come last, where they are seen.
//
// Colour and redrawn lines are for terminals alone, and NO_COLOR or --no-color turns
// colour off. What a program may read, or a log may keep, looks the same everywhere.
//
// Progress is one line that is drawn again on a terminal; elsewhere it is a plain
// line every 15 seconds, so that a pipeline's log shows that work goes on.
//
// Only a person is asked, which is somebody at a terminal; what is typed is not
// shown where it is secret. No question has an answer of its own that writes or
// deletes: it has to be given. Elsewhere a flag says it.
//
// Text that came from outside is cleaned before it is shown: it breaks no line,
// steers no terminal, starts no command of a CI system, and repeats no secret.

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
)

// color says whether stdout may have colour.
func (a *app) color() bool {
	_, noColor := a.LookupEnv("NO_COLOR")
	return a.OutTerminal && !noColor && !a.noColor
}

// narrate writes a line to stderr.
func (a *app) narrate(format string, args ...any) {
	_, _ = fmt.Fprintln(a.Err, strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " "))
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func (a *app) printLine(label, text string) {
	if text != "" {
		a.narrate("%s: %s", label, text)
	}
}

// printError writes an error as lines of "error:", each with its "hint:".
func (a *app) printError(err error) {
	if ended, ok := errors.AsType[*endedError](err); ok {
		a.printEnded(ended)
		return
	}
	for _, part := range parts(err) {
		if !errors.Is(part, errReported) {
			a.printPart(part)
		}
	}
}

func (a *app) printPart(err error) {
	if invalid, ok := errors.AsType[*config.Error](err); ok {
		a.printProblems(invalid)
		return
	}
	a.printLine("error", err.Error())
	a.printLine("hint", hint.Of(err))
}

func (a *app) printProblems(invalid *config.Error) {
	for _, p := range invalid.Problems {
		a.printLine("error", p.String())
		if p.Excerpt != "" {
			_, _ = fmt.Fprintln(a.Err, p.Excerpt)
		}
		a.printLine("hint", p.Hint)
	}
}

// printEnded says what was not done when time was up, and what to do.
func (a *app) printEnded(ended *endedError) {
	what, next := "interrupted", "run it again: what is done stays done"
	if ended.timeout {
		what, next = "--timeout passed", "give it longer with --timeout, or run it again: what is done stays done"
	}
	for _, part := range parts(ended.error) {
		if _, ok := errors.AsType[*config.Error](part); ok {
			a.printPart(part)
		} else if !errors.Is(part, errReported) {
			a.printLine("error", strings.TrimSuffix(what+": "+withoutEnd(part), ": "))
		}
	}
	a.printLine("hint", next)
}

// withoutEnd leaves out that a context ended, which is Go's way to say it.
func withoutEnd(err error) string {
	text := err.Error()
	for _, end := range []error{context.DeadlineExceeded, context.Canceled} {
		text = strings.TrimSuffix(strings.TrimSuffix(text, end.Error()), ": ")
	}
	return text
}

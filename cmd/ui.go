package cmd

// How secretctl speaks to people. The files ui_*.go follow these rules:
//
// Stdout has what the command was asked for, and nothing else. Everything that
// accompanies it goes to stderr.
//
// Tables come first, then errors, and last a line that sums up what was done. An
// error is a line "error: what failed, where, why", followed by a line "hint:" that
// says what to type. A "warning:" is about something that works but deserves a look,
// a "note:" about something good to know.
//
// Only terminals get colour, wrapped text and redrawn lines; NO_COLOR and --no-color
// turn colour off. Whatever a program may read looks the same everywhere.
//
// Progress is one line that is redrawn on a terminal. Elsewhere it is a plain line
// every 15 seconds, so that the log of a pipeline shows that work goes on.
//
// Questions are for terminals; elsewhere a flag is the answer. Secrets are typed
// without echo. No question deletes or writes by default: the answer has to be typed.
//
// Text from outside is cleaned before it is shown: it breaks no line, controls no
// terminal, runs no command of a CI system, and repeats no secret.

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

// narrate writes a line to stderr, wrapped on a terminal. With --quiet it writes errors,
// hints and warnings only.
func (a *app) narrate(format string, args ...any) {
	line := hint.OneLine(fmt.Sprintf(format, args...))
	label, _, _ := strings.Cut(line, ":")
	if a.quiet && label != "error" && label != "hint" && label != "warning" {
		return
	}
	_, _ = fmt.Fprintln(a.Err, wrap(line, a.width(a.ErrTerminal), "  "))
}

// summarize sets the last line of the output: what was done.
func (a *app) summarize(format string, args ...any) { a.summary = fmt.Sprintf(format, args...) }

// conclude prints what went wrong, and the summary.
func (a *app) conclude(err error) {
	for _, m := range messages(err) {
		a.printLine("error", m.text)
		if m.excerpt != "" {
			_, _ = fmt.Fprintln(a.Err, m.excerpt)
		}
		a.printLine("hint", m.hint)
	}
	if a.summary != "" {
		a.narrate("%s", a.summary)
	}
}

func (a *app) printLine(label, text string) {
	if text != "" {
		a.narrate("%s: %s", label, text)
	}
}

// message is an error as it is printed.
type message struct{ text, excerpt, hint string }

// messages returns what to print about an error: nothing if the output already says it,
// and several messages for several errors.
func messages(err error) []message {
	var all []message
	ended, early := errors.AsType[*endedError](err)
	if early {
		err = ended.error
	}
	for _, part := range parts(err) {
		invalid, ok := errors.AsType[*config.Error](part)
		switch {
		case errors.Is(part, errReported):
		case ok:
			for _, p := range invalid.Problems {
				all = append(all, message{p.String(), p.Excerpt, p.Hint})
			}
		case early:
			all = append(all, message{text: strings.TrimSuffix(ended.what()+": "+withoutEnd(part), ": ")})
		default:
			all = append(all, message{text: inOwnWords(part), hint: hint.Of(part)})
		}
	}
	if early && !errors.Is(err, errAborted) {
		all = append(all, message{hint: ended.next()})
	}
	return all
}

// inOwnWords returns the text of an error without Go's words for the end of a context.
func inOwnWords(err error) string {
	switch text := withoutEnd(err); text {
	case "":
		return howEnded(err)
	case err.Error():
		return text
	default:
		return text + ": " + howEnded(err)
	}
}

// howEnded says how work ended whose context has ended.
func howEnded(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "timed out"
	}
	return "interrupted"
}

// withoutEnd removes the words for the end of a context, Go's and our own.
func withoutEnd(err error) string {
	text := err.Error()
	for _, end := range []string{context.DeadlineExceeded.Error(), context.Canceled.Error(), "timed out", "interrupted"} {
		text = strings.TrimSuffix(strings.TrimSuffix(text, end), ": ")
	}
	return text
}

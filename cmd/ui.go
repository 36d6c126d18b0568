package cmd

// How secretctl speaks to people, which the files ui_*.go keep to:
//
// Stdout is for what the command was asked for, and for nothing else. Everything
// that accompanies it goes to stderr, in lines of their own.
//
// Tables come first, then errors, and last one line that sums up what was done. An
// error is a line "error: what failed, where, why"; what to type about it is a line
// "hint:" below it. What works but deserves a look is a "warning:", and what a reader
// may want to know a "note:".
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

// narrate writes a line to stderr, which a terminal shows in as many as it needs. With
// --quiet there are only errors, hints and warnings.
func (a *app) narrate(format string, args ...any) {
	line := oneSpace(fmt.Sprintf(format, args...))
	label, _, _ := strings.Cut(line, ":")
	if a.quiet && label != "error" && label != "hint" && label != "warning" {
		return
	}
	_, _ = fmt.Fprintln(a.Err, wrap(line, a.width(a.ErrTerminal), "  "))
}

// summarize sums up what was done, when all else is said.
func (a *app) summarize(format string, args ...any) { a.summary = fmt.Sprintf(format, args...) }

// conclude says what went wrong, and sums up what was done.
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

// message is an error as it is told.
type message struct{ text, excerpt, hint string }

// messages returns what is to say about an error: nothing where the output says it
// already, and several messages where it is several errors.
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
			all = append(all, message{text: withoutEnd(part), hint: hint.Of(part)})
		}
	}
	if early {
		all = append(all, message{hint: ended.next()})
	}
	return all
}

// withoutEnd leaves out that a context ended, which is Go's way to say it.
func withoutEnd(err error) string {
	text := err.Error()
	for _, end := range []error{context.DeadlineExceeded, context.Canceled} {
		text = strings.TrimSuffix(strings.TrimSuffix(text, end.Error()), ": ")
	}
	return text
}

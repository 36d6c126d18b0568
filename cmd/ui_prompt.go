package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"golang.org/x/term"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
)

// keyboard is a terminal at which a person types a secret.
type keyboard struct {
	in     int // its file descriptor
	out    io.Writer
	before *term.State // the state of the terminal, with echo
	asking atomic.Bool
}

// ask reads a line without echo.
func (k *keyboard) ask(label string) ([]byte, error) {
	k.asking.Store(true)
	defer k.asking.Store(false)
	_, _ = fmt.Fprintf(k.out, "Value of %s (not shown): ", label)
	defer func() { _, _ = fmt.Fprintln(k.out) }()
	return term.ReadPassword(k.in)
}

// restore turns echo back on if the process ends during a question.
func (k *keyboard) restore() {
	if k.asking.Load() {
		_ = term.Restore(k.in, k.before)
	}
}

// confirm asks a question. Only y and yes confirm.
func (a *app) confirm(ctx context.Context, question string) error {
	if a.Prompt == nil || !a.ErrTerminal {
		return hint.Usage("give --yes, or --dry-run to see what would be done", "cannot ask for confirmation: this is not a terminal")
	}
	_, _ = io.WriteString(a.Err, wrap(a.clean(question), a.width(true), "  ")+" [y/N] ")
	answer, err := readLine(ctx, bufio.NewReader(a.In))
	if err != nil { // no line was ended
		_, _ = io.WriteString(a.Err, "\n")
	}
	switch {
	case ctx.Err() != nil:
		return err
	case err == nil && (strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes")):
		return nil
	}
	return &noError{errors.New("not confirmed: nothing was done")}
}

// readLine returns when ctx ends, as the line may never come.
func readLine(ctx context.Context, in *bufio.Reader) (string, error) {
	line, err := secret.Await(ctx, func() (string, error) { return in.ReadString('\n') })
	return strings.TrimSpace(line), err
}

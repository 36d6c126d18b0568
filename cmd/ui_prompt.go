package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/secretctl/secretctl/internal/secret"
)

// keyboard is a terminal at which a person types a secret.
type keyboard struct {
	in  int // its file descriptor
	out io.Writer

	mu    sync.Mutex
	shown *term.State // the terminal's state with echo; nil unless somebody is asked
}

// ask reads a line without echo.
func (k *keyboard) ask(label string) ([]byte, error) {
	before, err := term.GetState(k.in)
	if err != nil {
		return nil, err
	}
	k.asking(before)
	defer k.asking(nil)
	_, _ = fmt.Fprintf(k.out, "Value of %s (not shown): ", label)
	defer func() { _, _ = fmt.Fprintln(k.out) }()
	return term.ReadPassword(k.in)
}

func (k *keyboard) asking(shown *term.State) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shown = shown
}

// restore turns echo back on if the process ends before a question was answered.
func (k *keyboard) restore() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.shown != nil {
		_ = term.Restore(k.in, k.shown)
	}
}

// confirm asks a person a question. Only yes is a yes.
func (a *app) confirm(ctx context.Context, question string) error {
	if a.Prompt == nil || !a.ErrTerminal {
		return usagef("give --yes, or --dry-run to see what would be done", "cannot ask for confirmation: this is not a terminal")
	}
	_, _ = io.WriteString(a.Err, wrap(a.clean(question), a.width(true), "  ")+" [y/N] ")
	answer, err := readLine(ctx, bufio.NewReader(a.In))
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

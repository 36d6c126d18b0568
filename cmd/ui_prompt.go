package cmd

import (
	"fmt"
	"io"
	"sync"

	"golang.org/x/term"
)

// keyboard is the terminal at which a person types what nobody may see.
type keyboard struct {
	in  int // its file descriptor
	out io.Writer

	mu    sync.Mutex
	shown *term.State // how the terminal is while it shows what is typed; nil unless somebody is asked
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

// restore has the terminal show again what is typed, where nobody waits any more for
// the answer to a question.
func (k *keyboard) restore() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.shown != nil {
		_ = term.Restore(k.in, k.shown)
	}
}

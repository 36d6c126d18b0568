package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"

	"github.com/secretctl/secretctl/internal/secret"
)

// console is stderr. Each write is one or more whole lines. On a terminal, a status line may
// stand below them, which other output replaces. During a question, writers wait.
type console struct {
	out       io.Writer
	sanitizer *secret.Sanitizer // cleans each line

	mu       sync.Mutex
	free     *sync.Cond // signals that no question is open
	asking   bool
	released bool // writers no longer wait for questions
	drawn    bool // a status line is shown
}

func newConsole(out io.Writer, sanitizer *secret.Sanitizer) *console {
	c := &console{out: out, sanitizer: sanitizer}
	c.free = sync.NewCond(&c.mu)
	return c
}

func (c *console) Write(lines []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draw("")
	text := c.sanitizer.Text(string(lines))
	if bytes.HasSuffix(lines, []byte("\n")) && !strings.HasSuffix(text, "\n") { // it was withheld
		text += "\n"
	}
	if _, err := io.WriteString(c.out, text); err != nil {
		return 0, err
	}
	return len(lines), nil
}

// writeCommands writes commands of a CI system, which Write would defuse.
func (c *console) writeCommands(lines []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draw("")
	if _, err := c.out.Write(lines); !errors.Is(err, syscall.EPIPE) { // as for stdout
		return err
	}
	return nil
}

// status replaces the status line; "" removes it.
func (c *console) status(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draw(text)
}

// draw replaces the status line once no question is open. c.mu is held.
func (c *console) draw(text string) {
	for c.asking {
		c.free.Wait()
	}
	if c.drawn {
		_, _ = io.WriteString(c.out, "\r\x1b[K")
	}
	if c.drawn = text != ""; c.drawn {
		_, _ = fmt.Fprintf(c.out, "\x1b[?7l%s\x1b[?7h", text) // cut at the edge of the terminal, not wrapped
	}
}

// alone returns a prompt during which writers wait.
func (c *console) alone(prompt func(string) ([]byte, error)) func(string) ([]byte, error) {
	if prompt == nil {
		return nil
	}
	return func(label string) ([]byte, error) {
		c.mu.Lock()
		c.draw("")
		c.asking = !c.released
		c.mu.Unlock()
		defer c.answered()
		return prompt(label)
	}
}

func (c *console) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking = false
	c.free.Broadcast()
}

// release lets writers go on without the answer, which may never come.
func (c *console) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asking {
		_, _ = io.WriteString(c.out, "\n")
	}
	c.asking, c.released = false, true
	c.free.Broadcast()
}

package cmd

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/secretctl/secretctl/internal/secret"
)

// console is stderr. Each write is one or more whole lines. On a terminal there may be a
// status line below them, which other output replaces. While a person is asked, writers
// wait.
type console struct {
	out       io.Writer
	sanitizer *secret.Sanitizer // cleans each line

	mu       sync.Mutex
	free     *sync.Cond // signals that nobody is being asked
	asking   bool
	released bool // nobody will be asked any more
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

// commands returns where secretctl writes commands of a CI system, which Write would
// defuse.
func (c *console) commands() io.Writer { return consoleCommands{c} }

type consoleCommands struct{ *console }

func (c consoleCommands) Write(lines []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draw("")
	return c.out.Write(lines)
}

// status replaces the status line; "" removes it.
func (c *console) status(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draw(text)
}

// draw waits until nobody is being asked. c.mu is held.
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

// alone returns prompt, during which other writers wait.
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

// release lets writers go on although the answer has not come: it may never come.
func (c *console) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asking {
		_, _ = io.WriteString(c.out, "\n")
	}
	c.asking, c.released = false, true
	c.free.Broadcast()
}

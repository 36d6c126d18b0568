package cmd

import (
	"fmt"
	"io"
	"sync"

	"github.com/secretctl/secretctl/internal/secret"
)

// console is stderr. Whoever writes to it writes whole lines, one at a time; on a
// terminal a status line is below them, which goes when something else is written.
// Nobody else writes while a person is asked.
type console struct {
	out       io.Writer
	sanitizer *secret.Sanitizer // cleans the lines

	mu       sync.Mutex
	free     *sync.Cond // nobody is being asked
	asking   bool
	released bool // nobody is asked any more
	drawn    bool // there is a status line
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
	if _, err := io.WriteString(c.out, c.sanitizer.Text(string(lines))); err != nil {
		return 0, err
	}
	return len(lines), nil
}

// commands is where secretctl itself writes commands of a CI system, which Write
// would take apart.
func (c *console) commands() io.Writer { return consoleCommands{c} }

type consoleCommands struct{ *console }

func (c consoleCommands) Write(lines []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draw("")
	return c.out.Write(lines)
}

// status puts a status line in place of the last one; "" takes it away.
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
		_, _ = fmt.Fprintf(c.out, "\x1b[?7l%s\x1b[?7h", text) // cut where the terminal ends, not wrapped
	}
}

// alone returns prompt, during which nobody else writes.
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

// release ends the asking: the answer may never come, and what is left to say is
// said all the same, on a line of its own.
func (c *console) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asking {
		_, _ = io.WriteString(c.out, "\n")
	}
	c.asking, c.released = false, true
	c.free.Broadcast()
}

package cmd

import (
	"bytes"
	"io"
	"os"
	"sync"
	"time"
)

// promptAfter is when the start of a line is taken for a question.
const promptAfter = 100 * time.Millisecond

// pipe replaces the process's stderr: client-go has login programs write to os.Stderr, and
// so do libraries that log. Closing it ends reading from it.
type pipe struct{ r, w *os.File }

func (p pipe) Read(b []byte) (int, error) { return p.r.Read(b) }
func (p pipe) Close() error               { return p.w.Close() }

// relay shows what libraries and their child processes write to stderr, cleaned like
// everything else. The func that is returned shows what was written until then, and ends
// it.
func (c *console) relay(libraryErr io.ReadCloser, terminal bool) (end func()) {
	if libraryErr == nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := &lineWriter{out: c, terminal: terminal}
		_, _ = io.Copy(lines, libraryErr)
		lines.end()
	}()
	return func() {
		_ = libraryErr.Close()
		select {
		case <-done:
		case <-time.After(2 * promptAfter): // a child that still runs holds the other end
		}
	}
}

// lineWriter passes on whole lines, so that a command of a CI system in two halves does not
// become one. A terminal gets the start of a line too if no more follows: it is a question.
type lineWriter struct {
	out      io.Writer
	terminal bool

	mu   sync.Mutex
	line []byte
	asks *time.Timer
}

func (l *lineWriter) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line = append(l.line, text...)
	l.show(bytes.LastIndexByte(l.line, '\n') + 1)
	if l.asks != nil {
		l.asks.Stop()
	}
	if l.terminal {
		l.asks = time.AfterFunc(promptAfter, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.show(len(l.line))
		})
	}
	return len(text), nil
}

// end writes a line that was not ended.
func (l *lineWriter) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.line) > 0 {
		l.line = append(l.line, '\n')
	}
	l.show(len(l.line))
}

// show writes the first n bytes. l.mu is held.
func (l *lineWriter) show(n int) {
	if n > 0 {
		_, _ = l.out.Write(l.line[:n])
		l.line = l.line[n:]
	}
}

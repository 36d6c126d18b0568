package cmd

import (
	"bytes"
	"io"
	"os"
	"time"
)

const (
	promptAfter = 100 * time.Millisecond // a line that is not ended by then asks something
	longestLine = 64 << 10
)

// pipe takes the place of the process's stderr: client-go has login programs write to
// os.Stderr, and so do libraries that log. To close it ends what is read from it.
type pipe struct{ r, w *os.File }

func (p pipe) Read(b []byte) (int, error) { return p.r.Read(b) }
func (p pipe) Close() error               { return p.w.Close() }

// relay shows what libraries and their child processes write to stderr, cleaned like
// everything else, in whole lines: a command of a CI system in two halves must not
// become one. On a terminal a question is shown before its line ends. The func that is
// returned ends it, after what was written until then.
func (c *console) relay(strays io.ReadCloser, terminal bool) (end func()) {
	if strays == nil {
		return func() {}
	}
	chunks, done := make(chan []byte), make(chan struct{})
	go func() {
		defer close(chunks)
		for {
			chunk := make([]byte, 4096)
			n, err := strays.Read(chunk)
			if chunks <- chunk[:n]; err != nil {
				return
			}
		}
	}()
	go func() {
		defer close(done)
		c.relayLines(chunks, terminal)
	}()
	return func() {
		_ = strays.Close()
		select {
		case <-done:
		case <-time.After(2 * promptAfter): // a child that stays on holds the other end
		}
	}
}

func (c *console) relayLines(chunks <-chan []byte, terminal bool) {
	var line []byte
	show := func(n int) {
		if n > 0 {
			_, _ = c.Write(line[:n])
			line = line[n:]
		}
	}
	for {
		var asks <-chan time.Time
		if terminal && len(line) > 0 {
			asks = time.After(promptAfter)
		}
		select {
		case chunk, more := <-chunks:
			line = append(line, chunk...)
			show(bytes.LastIndexByte(line, '\n') + 1)
			if len(line) > longestLine || !more && len(line) > 0 {
				line = append(line, '\n')
				show(len(line))
			}
			if !more {
				return
			}
		case <-asks:
			show(len(line))
		}
	}
}

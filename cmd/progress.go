package cmd

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	redrawEvery = 100 * time.Millisecond
	tellEvery   = 15 * time.Second
)

// progress tells on stderr that work goes on: on a terminal by one line that is
// drawn again and again, elsewhere by a plain line every 15 seconds.
type progress struct {
	out      io.Writer
	terminal bool
	done     chan struct{}
	ended    sync.WaitGroup

	mu       sync.Mutex
	label    string
	since    time.Time
	deadline time.Duration
	drawn    bool
}

func (a *app) startProgress(label string) *progress {
	p := &progress{out: a.Err, terminal: a.ErrTerminal, done: make(chan struct{}), label: label, since: time.Now()}
	p.ended.Go(p.loop)
	return p
}

// set says what is being waited for from now on, and for how long at most;
// 0 where there is no deadline.
func (p *progress) set(label string, deadline time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if label != p.label {
		p.label, p.since = label, time.Now()
	}
	p.deadline = deadline
}

// end clears the line; it waits until nothing more is written.
func (p *progress) end() {
	close(p.done)
	p.ended.Wait()
	if p.drawn {
		_, _ = io.WriteString(p.out, "\r\x1b[K")
	}
}

func (p *progress) loop() {
	every := tellEvery
	if p.terminal {
		every = redrawEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-tick.C:
			p.show()
		}
	}
}

func (p *progress) show() {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := time.Since(p.since)
	text := fmt.Sprintf("%s: %s", p.label, elapsed.Round(time.Second))
	if p.deadline > 0 {
		text += fmt.Sprintf(" of at most %s", p.deadline.Round(time.Second))
	}
	if !p.terminal {
		_, _ = fmt.Fprintln(p.out, text)
		return
	}
	frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	p.drawn = true
	_, _ = fmt.Fprintf(p.out, "\r\x1b[K%c %s", frames[int(elapsed/redrawEvery)%len(frames)], text)
}

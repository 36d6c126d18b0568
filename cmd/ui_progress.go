package cmd

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	redrawEvery = 100 * time.Millisecond
	tellEvery   = 15 * time.Second
)

// board tells on stderr that work goes on: on a terminal by one line that is drawn
// again and again, elsewhere by plain lines every 15 seconds, one for each piece of
// work that is under way.
type board struct {
	out      *console
	terminal bool
	title    string
	total    int // pieces of work; the board ends with the last one
	since    time.Time
	stop     chan struct{}
	ended    sync.WaitGroup

	mu      sync.Mutex
	done    int
	running []*progress // in the order in which they began
}

// progress is one piece of work.
type progress struct {
	board    *board
	name     string
	what     string // is being waited for; "" where that is not known
	since    time.Time
	deadline time.Duration // 0 where there is none
}

// startBoard begins to tell of total pieces of work.
func (a *app) startBoard(title string, total int) *board {
	b := &board{out: a.console, terminal: a.ErrTerminal, title: title, total: total, since: time.Now(), stop: make(chan struct{})}
	if !a.quiet {
		b.ended.Go(b.loop)
	}
	return b
}

// startProgress begins to tell of one piece of work.
func (a *app) startProgress(title string) *progress { return a.startBoard(title, 1).start("") }

func (b *board) start(name string) *progress {
	p := &progress{board: b, name: name, since: time.Now()}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running = append(b.running, p)
	return p
}

// set says what is being waited for from now on, and for how long at most;
// 0 where there is no deadline.
func (p *progress) set(what string, deadline time.Duration) {
	p.board.mu.Lock()
	defer p.board.mu.Unlock()
	if what != p.what {
		p.what, p.since = what, time.Now()
	}
	p.deadline = deadline
}

// end ends the piece of work. After the last one it clears the line, and waits until
// nothing more is written.
func (p *progress) end() {
	b := p.board
	b.mu.Lock()
	b.running = slices.DeleteFunc(b.running, func(other *progress) bool { return other == p })
	b.done++
	last := b.done == b.total
	b.mu.Unlock()
	if last {
		close(b.stop)
		b.ended.Wait()
		b.out.status("")
	}
}

func (b *board) loop() {
	every := tellEvery
	if b.terminal {
		every = redrawEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-tick.C:
			b.show()
		}
	}
}

func (b *board) show() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.running) == 0 {
		return
	}
	longest := b.running[0]
	names := []string{strings.TrimSpace(b.title+" "+longest.name) + longest.waiting()}
	if b.total > 1 {
		names = []string{fmt.Sprintf("%s: %d of %d done, %d under way", b.title, b.done, b.total, len(b.running)), longest.name + longest.waiting()}
	}
	if b.terminal { // the time comes first, as a narrow one cuts off the rest
		spinner := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
		turn := int(time.Since(b.since) / redrawEvery)
		b.out.status(fmt.Sprintf("%c %s %s", spinner[turn%len(spinner)], longest.elapsed(), strings.Join(names, "; ")))
		return
	}
	names[len(names)-1] += ": " + longest.elapsed()
	for _, p := range b.running[1:] {
		names = append(names, p.name+p.waiting()+": "+p.elapsed())
	}
	_, _ = io.WriteString(b.out, strings.Join(names, "\n")+"\n")
}

func (p *progress) waiting() string {
	if p.what == "" {
		return ""
	}
	return ": " + p.what
}

func (p *progress) elapsed() string {
	text := time.Since(p.since).Round(time.Second).String()
	if p.deadline > 0 {
		text += fmt.Sprintf(" of at most %s", p.deadline.Round(time.Second))
	}
	return text
}

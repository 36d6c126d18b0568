package cmd

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/secretctl/secretctl/internal/transport"
)

const (
	redrawEvery = 100 * time.Millisecond
	reportEvery = 15 * time.Second
)

// display shows on stderr that work goes on: on a terminal by one line that is redrawn,
// elsewhere by plain lines every 15 seconds, one for each running task.
type display struct {
	*app
	title string
	total int // tasks; the display ends with the last one
	since time.Time
	stop  chan struct{}
	ended sync.WaitGroup

	mu      sync.Mutex
	done    int
	running []*progress // in the order in which they started
}

// progress is that of one task.
type progress struct {
	display  *display
	name     string
	what     string // it waits for; "" if unknown
	hosts    transport.Waiting
	since    time.Time
	deadline time.Duration // 0 without one
}

// startDisplay shows the progress of a number of tasks.
func (a *app) startDisplay(title string, total int) *display {
	d := &display{app: a, title: title, total: total, since: time.Now(), stop: make(chan struct{})}
	if !a.quiet {
		d.ended.Go(d.loop)
	}
	return d
}

func (d *display) start(name string) *progress {
	p := &progress{display: d, name: name, since: time.Now()}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = append(d.running, p)
	return p
}

// set says what the task waits for from now on, and for how long at most; 0 without a
// deadline.
func (p *progress) set(what string, deadline time.Duration) {
	p.display.mu.Lock()
	defer p.display.mu.Unlock()
	if what != p.what {
		p.what, p.since = what, time.Now()
	}
	p.deadline = deadline
}

// end ends the task. After the last one nothing more is written, and the line is gone.
func (p *progress) end() {
	d := p.display
	d.mu.Lock()
	d.running = slices.DeleteFunc(d.running, func(other *progress) bool { return other == p })
	d.done++
	last := d.done == d.total
	d.mu.Unlock()
	if last {
		close(d.stop)
		d.ended.Wait()
		d.console.status("")
	}
}

func (d *display) loop() {
	every := reportEvery
	if d.ErrTerminal {
		every = redrawEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-tick.C:
			d.show()
		}
	}
}

func (d *display) show() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.running) == 0 {
		return
	}
	longest := d.running[0]
	names := []string{strings.TrimSpace(d.title+" "+longest.name) + longest.waiting()}
	if d.total > 1 {
		names = []string{fmt.Sprintf("%s: %d of %d done, %d running", d.title, d.done, d.total, len(d.running)), longest.name + longest.waiting()}
	}
	if why := longest.hosts.Trouble(); why != "" {
		names[len(names)-1] += ": " + why
	}
	if d.ErrTerminal { // the time comes first, since a narrow terminal cuts off the end
		spinner := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
		turn := int(time.Since(d.since) / redrawEvery)
		d.console.status(d.clean(fmt.Sprintf("%c %s %s", spinner[turn%len(spinner)], longest.elapsed(), strings.Join(names, "; "))))
		return
	}
	names[len(names)-1] += ": " + longest.elapsed()
	for _, p := range d.running[1:] {
		names = append(names, p.name+p.waiting()+": "+p.elapsed())
	}
	for i, name := range names {
		names[i] = d.clean(name)
	}
	_, _ = io.WriteString(d.console, strings.Join(names, "\n")+"\n")
}

func (p *progress) waiting() string {
	text := ""
	if p.what != "" {
		text = ": " + p.what
	}
	if host := p.hosts.Host(); host != "" {
		text += " (" + host + ")"
	}
	return text
}

func (p *progress) elapsed() string {
	text := time.Since(p.since).Round(time.Second).String()
	if p.deadline > 0 {
		text += fmt.Sprintf(" of at most %s", p.deadline.Round(time.Second))
	}
	return text
}

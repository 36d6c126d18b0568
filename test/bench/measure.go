package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// launch is the first argument when this program only starts another and reports
// what it used. A child's peak memory is at least its parent's at the fork, so the
// parent has to be small.
const launch = "-launch"

// sample is what one run took.
type sample struct {
	Wall, CPU time.Duration // user and system; less noisy than wall time
	Peak      int64         // resident memory, in KiB
}

func launchMain(args []string, out, narration io.Writer) error {
	c := exec.Command(args[0], args[1:]...)
	c.Stderr = narration
	start := time.Now()
	err := c.Run()
	s := sample{Wall: time.Since(start), CPU: c.ProcessState.UserTime() + c.ProcessState.SystemTime()}
	if err != nil {
		return fmt.Errorf("%s: %w", args, err)
	}
	if usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.Peak = usage.Maxrss
	}
	return json.NewEncoder(out).Encode(s)
}

// command is something to measure. Its output is discarded.
type command struct {
	name string
	args []string
}

func (b *bench) measure(c command) (sample, error) {
	launcher := exec.Command(b.self, append([]string{launch}, c.args...)...)
	launcher.Env = append(os.Environ(), "VAULT_TOKEN="+b.token, "HOME="+b.dir, "KUBECONFIG=/dev/null")
	out, err := launcher.Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return sample{}, fmt.Errorf("%s: %s", c.name, failed.Stderr)
	}
	var s sample
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	return s, err
}

// measured holds the samples of a command.
type measured struct {
	name string
	all  []sample
}

// inTurns runs the commands alternately, n times each, so that other load on the
// machine affects all of them alike. A first round warms up.
func (b *bench) inTurns(n int, commands ...command) ([]measured, error) {
	m := make([]measured, len(commands))
	for round := range n + 1 {
		for i, c := range commands {
			s, err := b.measure(c)
			if err != nil {
				return nil, err
			}
			if m[i].name = c.name; round > 0 {
				m[i].all = append(m[i].all, s)
			}
		}
	}
	return m, nil
}

// quantile returns the q-quantile of a measure.
func quantile[T int64 | time.Duration](m measured, q float64, of func(sample) T) T {
	var all []T
	for _, s := range m.all {
		all = append(all, of(s))
	}
	slices.Sort(all)
	return all[int(q*float64(len(all)-1)+0.5)]
}

func (m measured) wall(q float64) time.Duration {
	return quantile(m, q, func(s sample) time.Duration { return s.Wall })
}

func (m measured) median() time.Duration { return m.wall(0.5) }

func (m measured) cpu() time.Duration {
	return quantile(m, 0.5, func(s sample) time.Duration { return s.CPU })
}

// peak returns the median of the peaks, in MiB.
func (m measured) peak() float64 {
	return float64(quantile(m, 0.5, func(s sample) int64 { return s.Peak })) / 1024
}

// String returns the median and the quartiles.
func (m measured) String() string {
	return fmt.Sprintf("%s (%s to %s)", short(m.median()), short(m.wall(0.25)), short(m.wall(0.75)))
}

// short formats a duration with two or three digits.
func short(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	case d < 10*time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

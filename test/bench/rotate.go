package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

const (
	somePods = 80
	quiet    = 10 * time.Second // from the write until the files change
)

// rotateMany measures a rotation that many pods get at the same moment.
func (b *bench) rotateMany() error {
	for _, pods := range []int{somePods, manyPods} {
		if err := b.rotate(pods); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) rotate(pods int) error {
	written := make(chan []byte, 1)
	s, global, err := b.simulate(fmt.Sprintf("rotate-%d", pods), pods, func(body []byte) { written <- body })
	if err != nil {
		return err
	}
	defer s.close()
	var wrote, swapped time.Time
	var execs, requests, streams int
	failed := make(chan error, 1)
	go func() {
		body := <-written
		wrote = time.Now()
		before, asked, _ := s.counts()
		<-time.After(quiet)
		execs, requests, streams = s.counts()
		execs, requests = execs-before, requests-asked
		var data struct{ Data map[string]string }
		if err := json.Unmarshal(body, &data); err != nil {
			failed <- err
			return
		}
		swapped = time.Now()
		failed <- s.publish(data.Data)
	}()
	report := filepath.Join(b.dir, "rotate.json")
	took, err := b.measure(command{"rotate", append(global, "rotate", "s0", "--generate", "-q", "--json-file", report)})
	if err != nil {
		out, _ := os.ReadFile(report)
		return fmt.Errorf("%w: %s", err, out)
	}
	if err := <-failed; err != nil {
		return err
	}
	out, err := os.ReadFile(report)
	if err != nil {
		return err
	}
	after := seen(out)
	if len(after) != pods {
		return fmt.Errorf("rotate saw the change in %d of %d pods: %s", len(after), pods, out)
	}
	late := slices.Max(after) - swapped.Sub(wrote)
	what := fmt.Sprintf("rotate, %d simulated pods", pods)
	peak := float64(took.Peak) / 1024
	b.table.add(what+", the last change is noticed", short(late)+" after", "the change", "", "", "at most 1 s", late <= time.Second)
	b.table.add(what+", streams while it waits", strconv.Itoa(streams), "", "", "", fmt.Sprintf("at most %d", pods), streams <= pods)
	b.table.add(what+", commands at once in a pod", strconv.Itoa(s.mostInPod), "", "", "", "at most 1", s.mostInPod == 1)
	b.table.add(what+", requests a second while it waits", fmt.Sprintf("%.1f", float64(execs+requests)/quiet.Seconds()), "", "", "", "", true)
	b.table.add(what+", commands", strconv.Itoa(s.execs), "", "", "", fmt.Sprintf("at most %d", 2*pods), s.execs <= 2*pods)
	b.table.add(what+", memory", fmt.Sprintf("%.0f MiB", peak), "", "", "", "at most 300 MiB", peak <= 300)
	return nil
}

// counts returns how many commands and other requests there were, and how many commands
// are under way.
func (s *simulation) counts() (execs, requests, running int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.execs, s.requests, s.running
}

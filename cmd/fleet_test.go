package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
)

// fleetOf is deliveries named d0, d1, ..., and what is written to stderr.
func fleetOf(n int) (fleet, *bytes.Buffer) {
	var stderr bytes.Buffer
	c := newConsole(&stderr, nil)
	a := &app{IO: IO{Err: c}, console: c, several: n > 1}
	var all []*config.Delivery
	for i := range n {
		all = append(all, &config.Delivery{Name: fmt.Sprintf("d%d", i)})
	}
	return fleet{app: a, title: "test", all: all}, &stderr
}

// doing makes a work of a func.
func doing(do func(context.Context, *config.Delivery) error) func(*config.Delivery) (work[string], error) {
	return func(d *config.Delivery) (work[string], error) {
		return func(ctx context.Context, _ *progress) (string, error) { return "done " + d.Name, do(ctx, d) }, nil
	}
}

func results(done []outcome[string]) (out []string) {
	for _, o := range done {
		out = append(out, fmt.Sprintf("%s %q %v", o.delivery.Name, o.result, o.err))
	}
	return out
}

func TestDeliveriesAreWorkedOnAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := fleetOf(20)
		var now, most atomic.Int32
		started := time.Now()
		done, err := each(t.Context(), f, doing(func(context.Context, *config.Delivery) error {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			<-time.After(time.Second)
			now.Add(-1)
			return nil
		}))
		if err != nil || len(done) != 20 {
			t.Fatalf("%d done, %v", len(done), err)
		}
		if took := time.Since(started); most.Load() != maxParallel || took != 3*time.Second {
			t.Errorf("%d at once, in %v", most.Load(), took)
		}
	})
}

func TestOneFailureStopsNoOtherDelivery(t *testing.T) {
	f, _ := fleetOf(4)
	failed := hint.Wrap(errors.New("sealed"), "unseal it")
	done, err := each(t.Context(), f, doing(func(_ context.Context, d *config.Delivery) error {
		switch d.Name {
		case "d1":
			return failed
		case "d3":
			return &noError{errors.New("a literal")}
		}
		return nil
	}))
	want := []string{`d0 "done d0" <nil>`, `d1 "done d1" sealed`, `d2 "done d2" <nil>`, `d3 "done d3" a literal`}
	if diff := cmp.Diff(want, results(done)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err.Error() != `delivery "d1": sealed; delivery "d3": a literal` || exitCode(err) != exitUnable {
		t.Errorf("%v, exit code %d", err, exitCode(err))
	}
	f2, stderr := fleetOf(1)
	f2.conclude(err)
	if diff := cmp.Diff("error: delivery \"d1\": sealed\nhint: unseal it\nerror: delivery \"d3\": a literal\n", stderr.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestUsageErrorInOneDeliveryStartsNone(t *testing.T) {
	f, _ := fleetOf(3)
	done, err := each(t.Context(), f, func(d *config.Delivery) (work[string], error) {
		switch d.Name {
		case "d0":
			return nil, errors.New("not a mistake of usage")
		case "d2":
			return nil, hint.Usage("", "no token")
		}
		return func(context.Context, *progress) (string, error) { t.Error("the work began"); return "", nil }, nil
	})
	if got := results(done); len(got) != 1 || err.Error() != `delivery "d2": no token` || exitCode(err) != exitUsage {
		t.Errorf("%v, %v", got, err)
	}
}

func TestDeliveriesThatShareANameAreWorkedOnInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := fleetOf(6)
		takes := map[string][]string{"d0": {"a"}, "d1": {"b"}, "d2": {"x"}, "d3": {"a", "c"}, "d4": {"c", "b"}}
		f.exclusive = func(d *config.Delivery) []string { return takes[d.Name] }
		var mu sync.Mutex
		var ends []string
		_, _ = each(t.Context(), f, doing(func(_ context.Context, d *config.Delivery) error {
			<-time.After(time.Second)
			mu.Lock()
			defer mu.Unlock()
			ends = append(ends, fmt.Sprintf("%s after %s", d.Name, time.Since(bubbleStart)))
			return nil
		}))
		slices.Sort(ends)
		want := []string{"d0 after 1s", "d1 after 1s", "d2 after 1s", "d3 after 2s", "d4 after 3s", "d5 after 1s"}
		if diff := cmp.Diff(want, ends); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// bubbleStart is when every bubble of synctest starts.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func TestBugInOneDeliveryIsReportedWithoutItsMessage(t *testing.T) {
	f, stderr := fleetOf(2)
	done, err := each(t.Context(), f, doing(func(_ context.Context, d *config.Delivery) error {
		if d.Name == "d0" {
			panic("writing hunter2")
		}
		return nil
	}))
	if err == nil || exitCode(err) != exitUnable || done[1].result != "done d1" {
		t.Errorf("%v, %v", results(done), err)
	}
	if got := stderr.String(); !strings.Contains(got, "internal error (string)") || !strings.Contains(got, "fleet_test.go") || strings.Contains(got, "hunter2") {
		t.Errorf("told %s", got)
	}
}

func TestWhatWasNotStartedInTimeIsReportedInOneLine(t *testing.T) {
	f, stderr := fleetOf(30)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Add(maxParallel)
	_, err := each(ctx, f, doing(func(ctx context.Context, _ *config.Delivery) error {
		all.Done()
		all.Wait()
		cancel()
		return fmt.Errorf("vault: %w", ctx.Err())
	}))
	err = (&app{}).whyEnded(ctx, err, true)
	f.conclude(err)
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	if len(lines) != maxParallel+2 || lines[0] != `error: interrupted: delivery "d0": vault` ||
		!strings.HasPrefix(lines[maxParallel], "error: interrupted: not started: d8, d9, ") || !strings.HasPrefix(lines[maxParallel+1], "hint: run it again") {
		t.Errorf("told\n%s", stderr)
	}
	if code := exitCode(err); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
}

func TestHighestExitCodeWins(t *testing.T) {
	no, usage, unable := &noError{errors.New("no")}, hint.Usage("", "usage"), errors.New("unable")
	for _, tt := range []struct {
		want int
		errs []error
	}{
		{exitOK, []error{nil, nil}},
		{exitNo, []error{nil, no}},
		{exitUsage, []error{no, usage}},
		{exitUnable, []error{no, unable, usage}},
		{exitUnable, []error{join(usage, no), join(nil, unable)}},
		{exitNo, []error{fmt.Errorf("around: %w", no)}},
	} {
		if got := exitCode(join(tt.errs...)); got != tt.want {
			t.Errorf("%v: %d", tt.errs, got)
		}
	}
}

package verify

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// A change is seen within a second, with few commands, also if the connection has broken and
// if a container cannot be watched.
func TestAChangedFileIsSeenSoon(t *testing.T) {
	cutBoth := func(w *fakeCluster) { w.cutShort("a"); w.cutShort("b") }
	for name, tt := range map[string]struct {
		setup        func(*fakeCluster)
		written      func(*fakeCluster)
		mountedAfter time.Duration // default 1.5 s
		fewest, all  int           // commands in each pod
	}{
		"watched":  {fewest: 2, all: 2}, // the look before, and the watch
		"broken":   {written: cutBoth, fewest: 3, all: 3},
		"no sleep": {setup: func(w *fakeCluster) { w.noWatch = true }, fewest: 1 + 2*maxSilent, all: 20},
		"broken for good": {written: func(w *fakeCluster) {
			w.mu.Lock()
			w.noWatch = true
			w.mu.Unlock()
			cutBoth(w)
		}, mountedAfter: 3 * time.Second, fewest: 2 + 2*maxSilent, all: 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mounted, written time.Time
			w, s := rotationInPods(t, func(w *fakeCluster, s *fixture) {
				if tt.setup != nil {
					tt.setup(w)
				}
				s.o.Parallel, s.o.Rotation.Deadline = 4, 20*time.Second
				s.w.Put = func(ctx context.Context, c config.Secret, v secret.Value) (string, error) {
					s.valid = rotated
					time.AfterFunc(cmp.Or(tt.mountedAfter, 1500*time.Millisecond), func() {
						w.mu.Lock()
						mounted = time.Now()
						w.mu.Unlock()
						w.mount(t, "a")
						w.mount(t, "b")
					})
					if written = time.Now(); tt.written != nil {
						tt.written(w)
					}
					return s.put(ctx, c, v)
				}
			})
			_, report, err := s.run(t.Context())
			must(t, err)
			expect(t, report, StatusPass, StatusPass, StatusPass, StatusPass, StatusPass)
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, pod := range slices.Sorted(maps.Keys(w.roots)) {
				i := slices.IndexFunc(report.Timeline, func(m Moment) bool { return m.Replica == "pod/"+pod && m.What == momentFile })
				if i < 0 {
					t.Fatalf("%+v", report.Timeline)
				}
				if after := report.Timeline[i].After() - mounted.Sub(written); after > 2*time.Second { // on a loaded machine
					t.Errorf("pod %s: seen %s after the change", pod, after)
				}
				if n := w.commands[pod]; n < tt.fewest || n > tt.all {
					t.Errorf("pod %s: %d commands, want %d to %d", pod, n, tt.fewest, tt.all)
				}
				if w.most[pod] > 1 {
					t.Errorf("pod %s: %d commands at the same time", pod, w.most[pod])
				}
			}
			secretless(t, s, report)
		})
	}
}

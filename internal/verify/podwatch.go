package verify

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/secret"
)

// statusDelay is how much later than a file its status may change.
const statusDelay = 3 * time.Second

// podWatch is what is known of a rotation from the cluster, besides the files.
type podWatch struct {
	c         *cluster.Cluster
	namespace string
	clean     *secret.Sanitizer

	before []cluster.Pod // as they were before the write
	driver cluster.Rotation
	age    time.Duration // of the mounted files
	why    string        // of the deadline

	class, id string            // of the secret, in the driver's status
	versions  map[string]string // that the status had before the write, by the pod's UID
	seen      chan struct{}     // closed when each has another one

	notNudged atomic.Pointer[error] // that no pod may be annotated
}

// follow notes when the driver reports for a pod that it mounted another version, which it
// does after the file has changed. It ends when every pod was seen.
func (w *podWatch) follow(ctx context.Context, every time.Duration, followers []*follower, times *timeline) {
	defer close(w.seen)
	changed := map[string]bool{}
	for len(w.versions) > len(changed) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
		if !slices.ContainsFunc(followers, func(f *follower) bool {
			if f.mount == nil {
				return false
			}
			_, ours := w.versions[f.mount.pod.UID]
			return ours && !changed[f.mount.pod.UID] && f.file.over()
		}) {
			continue
		}
		all, _ := w.c.PodStatuses(ctx, w.namespace)
		for _, s := range all {
			if was, ours := w.versions[s.PodUID]; ours && s.SecretProviderClass == w.class && !changed[s.PodUID] && s.Versions[w.id] != was {
				changed[s.PodUID] = true
				times.add("pod/"+s.Pod, momentStatus)
			}
		}
	}
}

// await gives the driver a moment to report what it has done: it writes the status
// after the files.
func (w *podWatch) await(ctx context.Context) {
	select {
	case <-w.seen:
	case <-ctx.Done():
	case <-time.After(statusDelay):
	}
}

// nudge has kubelet sync the pods whose file has not changed yet: at once, and where
// the driver would skip that because of its poll interval, when the interval is over.
func (w *podWatch) nudge(ctx context.Context, followers []*follower, parallel int, times *timeline) {
	w.nudgeAll(ctx, followers, parallel, times)
	gate := w.driver.Interval - w.age
	if gate <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(gate + time.Second):
		w.nudgeAll(ctx, followers, parallel, times)
	}
}

// nudgeAll annotates several pods at the same time: the sooner all are synced, the shorter
// they disagree.
func (w *podWatch) nudgeAll(ctx context.Context, followers []*follower, parallel int, times *timeline) {
	var group errgroup.Group
	group.SetLimit(parallel)
	for _, f := range followers {
		if f.mount == nil || f.file.over() {
			continue
		}
		group.Go(func() error {
			what := momentNudged
			if err := w.c.Nudge(ctx, *f.mount.pod); err != nil {
				what = "not annotated: " + w.clean.Line(err.Error())
				if _, forbidden := errors.AsType[*cluster.ForbiddenError](err); forbidden { // or the pod is gone
					w.notNudged.Store(&err)
				}
			}
			times.add(f.replica, what)
			return nil
		})
	}
	_ = group.Wait()
}

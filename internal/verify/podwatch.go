package verify

import (
	"context"
	"errors"
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

	pods   []cluster.Pod // that are followed, as they were before the write
	driver cluster.Rotation
	age    time.Duration // of the mounted files
	why    string        // of the deadline

	class, id string            // of the secret, in the driver's status
	versions  map[string]string // of each pod whose status has not changed since the write, by UID
	seen      chan struct{}     // closed when there is none left

	notNudged atomic.Pointer[error] // that no pod may be annotated
}

// watch notes the pods of these mounts, and the versions that the driver reports for them.
func (w *podWatch) watch(ctx context.Context, mounts []*mount) {
	all, _ := w.c.PodStatuses(ctx, w.namespace) // evidence for the timeline, and no more
	for _, m := range mounts {
		w.pods = append(w.pods, *m.pod)
		for _, status := range all {
			if status.PodUID == m.pod.UID && status.SecretProviderClass == w.class {
				w.versions[status.PodUID] = status.Versions[w.id]
			}
		}
	}
}

// follow notes when the driver reports for a pod that it mounted another version, which it
// does after the file has changed. It ends when no pod is left to wait for.
func (w *podWatch) follow(ctx context.Context, every time.Duration, followers []*follower, times *timeline) {
	defer close(w.seen)
	for len(w.versions) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
		fileChanged := false
		for _, f := range followers {
			if f.mount == nil || !f.file.over() {
				continue
			}
			if f.gone() {
				delete(w.versions, f.mount.pod.UID)
			}
			_, waiting := w.versions[f.mount.pod.UID]
			fileChanged = fileChanged || waiting
		}
		if !fileChanged {
			continue
		}
		all, _ := w.c.PodStatuses(ctx, w.namespace)
		for _, s := range all {
			if was, waiting := w.versions[s.PodUID]; waiting && s.SecretProviderClass == w.class && s.Versions[w.id] != was {
				delete(w.versions, s.PodUID)
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

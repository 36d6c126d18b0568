package verify

import (
	"context"
	"time"

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
}

// follow notes when the driver reports for a pod that it mounted another version. It
// ends when every pod was seen.
func (w *podWatch) follow(ctx context.Context, every time.Duration, times *timeline) {
	defer close(w.seen)
	changed := map[string]bool{}
	for len(w.versions) > len(changed) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
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
func (w *podWatch) nudge(ctx context.Context, followers []*follower, times *timeline) {
	w.nudgeAll(ctx, followers, times)
	gate := w.driver.Interval - w.age
	if gate <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(gate + time.Second):
		w.nudgeAll(ctx, followers, times)
	}
}

func (w *podWatch) nudgeAll(ctx context.Context, followers []*follower, times *timeline) {
	for _, f := range followers {
		if f.mount == nil {
			continue
		}
		select {
		case <-f.file.done:
			continue
		default:
		}
		if err := w.c.Nudge(ctx, *f.mount.pod); err != nil {
			times.add(f.replica, "not annotated: "+w.clean.Line(err.Error()))
			continue
		}
		times.add(f.replica, momentNudged)
	}
}

package verify

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/store"
)

// statusDelay is how long after a file the driver may write its status.
const statusDelay = 3 * time.Second

// podWatch is what the cluster knows about a rotation, apart from the files.
type podWatch struct {
	*run

	followed  []cluster.Pod    // as they were before the write
	mechanism cluster.Rotation // of the driver
	age       time.Duration    // of the mounted files
	why       string           // of the deadline

	versions map[string]string // of each pod whose status has not changed since the write, by UID
	seen     chan struct{}     // closed when there is none left

	notNudged atomic.Pointer[error] // that the pods may not be annotated
}

// statusVersions returns the version of the secret in the driver's status, by the pod's UID.
func (w *podWatch) statusVersions(ctx context.Context) map[string]string {
	class, id := w.classes[w.rotation.secret.Name], w.Provider.StatusID(w.rotation.secret)
	versions := map[string]string{}
	all, _ := w.Cluster.PodStatuses(ctx, w.d.Namespace) // only the timeline has them
	for _, status := range all {
		if status.SecretProviderClass == class {
			versions[status.PodUID] = status.Versions[id]
		}
	}
	return versions
}

// watch notes the pods of these mounts, and the versions that the driver reports for them.
func (w *podWatch) watch(ctx context.Context, mounts []*mount) {
	versions := w.statusVersions(ctx)
	for _, m := range mounts {
		w.followed = append(w.followed, *m.pod)
		if version, ok := versions[m.pod.UID]; ok {
			w.versions[m.pod.UID] = version
		}
	}
}

// follow adds to the timeline when the driver reports another version for a pod, which it
// does after the file has changed. It ends when no pod is left to wait for.
func (w *podWatch) follow(ctx context.Context) {
	defer close(w.seen)
	for start := time.Now(); len(w.versions) > 0 && sleep(ctx, pause(start)); {
		var changed []*follower // whose file has changed, and the status has not
		for _, f := range w.rotation.followers {
			if f.mount == nil || !f.file.over() {
				continue
			}
			if f.gone() {
				delete(w.versions, f.mount.pod.UID)
			}
			if _, waiting := w.versions[f.mount.pod.UID]; waiting {
				changed = append(changed, f)
			}
		}
		if len(changed) == 0 {
			continue
		}
		versions := w.statusVersions(ctx)
		for _, f := range changed {
			uid := f.mount.pod.UID
			if version, ok := versions[uid]; ok && version != w.versions[uid] {
				delete(w.versions, uid)
				w.rotation.times.add(f.replica, momentStatus)
			}
		}
	}
}

// await gives the driver time to write its status, which it does after the files.
func (w *podWatch) await(ctx context.Context) {
	select {
	case <-w.seen:
	case <-ctx.Done():
	case <-time.After(statusDelay):
	}
}

// nudge has the kubelet sync the pods whose file has not changed: at once, and again after the
// driver's poll interval, within which it skips them.
func (w *podWatch) nudge(ctx context.Context) {
	w.annotate(ctx)
	if left := w.mechanism.Interval - w.age; left > 0 && sleep(ctx, left+time.Second) {
		w.annotate(ctx)
	}
}

// annotate annotates several pods at the same time: the sooner all are synced, the shorter
// they disagree.
func (w *podWatch) annotate(ctx context.Context) {
	followers := w.rotation.followers
	_ = store.Parallel(len(followers), w.o.Parallel, func(i int) error {
		f := followers[i]
		if f.mount == nil || f.file.over() {
			return nil
		}
		what := momentNudged
		if err := w.Cluster.Nudge(ctx, *f.mount.pod); err != nil {
			what = "not annotated: " + w.line(err.Error())
			if _, forbidden := errors.AsType[*cluster.ForbiddenError](err); forbidden { // or the pod is gone
				w.notNudged.Store(&err)
			}
		}
		w.rotation.times.add(f.replica, what)
		return nil
	})
}

package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/secret"
)

func noRestart(ctx context.Context, r *run, s subject) Result {
	switch {
	case s.secret.Name == "":
		return noRotation()
	case r.rotation.written.IsZero():
		return Skip("nothing was written")
	case r.podWatch != nil:
		return r.podsStayed(ctx, r.podWatch.followed)
	}
	return r.health.result(ctx, r.rotation.written, r.Sanitizer)
}

// podsStayed checks that no pod was replaced or restarted since before the write.
func (r *run) podsStayed(ctx context.Context, before []cluster.Pod) Result {
	now, err := r.Cluster.Workload(ctx, r.d.Namespace, r.d.Aidbox.Workload.Kind, r.d.Aidbox.Workload.Name)
	const hint = "a rotation needs no restart: check what %s: %s"
	events := secret.Shellf("kubectl get events -n %s", r.d.Namespace)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("%s was deleted meanwhile", r.d.Aidbox.Workload).WithHint(hint, "deleted it", events)
	case err != nil:
		return r.unknown(err)
	}
	changed := changes(before, now.Pods)
	if removed := int(r.pods.workload.Desired - now.Desired); removed > 0 && len(changed) <= removed && !slices.ContainsFunc(changed, restarted) {
		return Pass("the other pods are as before %s; %s was scaled down: %s", r.rotation.origin(), deployment(r.d), r.line(list("; ", changed)))
	}
	if len(changed) > 0 {
		return Fail("%s", r.line(list("; ", changed))).WithHint(hint, "replaced them", events)
	}
	return Pass("UID, restart count and start time of %s are as before %s", Count(len(before), "pod"), r.rotation.origin())
}

func restarted(change string) bool { return strings.HasPrefix(change, "container ") }

// changes returns which pods are gone, terminating or restarted.
func changes(before, now []cluster.Pod) (changed []string) {
	for _, was := range before {
		i := slices.IndexFunc(now, func(p cluster.Pod) bool { return p.UID == was.UID })
		switch {
		case i < 0:
			changed = append(changed, "pod/"+was.Name+" is gone")
			continue
		case now[i].Terminating:
			changed = append(changed, "pod/"+was.Name+" is terminating")
			continue
		case now[i].Ended():
			changed = append(changed, "pod/"+was.Name+" has ended")
			continue
		}
		sidecars := slices.DeleteFunc(slices.Clone(was.Inits), func(s cluster.ContainerStatus) bool { return !s.Running })
		for _, old := range slices.Concat(was.Statuses, sidecars) {
			status := now[i].Status(old.Name)
			if status.Restarts != old.Restarts || !status.StartedAt.Equal(old.StartedAt) {
				changed = append(changed, fmt.Sprintf("container %s of pod/%s was restarted: %d restarts, before %d", old.Name, was.Name, status.Restarts, old.Restarts))
			}
		}
	}
	return changed
}

const (
	healthPoll    = time.Second
	healthTimeout = 5 * time.Second
)

// healthWatch asks Aidbox every second whether it is healthy, in the background. It does not
// see a restart between two requests.
type healthWatch struct {
	aidbox  Aidbox
	cancel  context.CancelFunc // nil until it has started
	running sync.WaitGroup

	asked, healthy int
	failedAt       time.Time // of the first request that failed
	err            error
}

func (h *healthWatch) start(ctx context.Context) {
	ctx, h.cancel = context.WithCancel(ctx)
	h.running.Go(func() {
		for more := true; more; more = sleep(ctx, healthPoll) {
			h.ask(ctx)
		}
	})
}

// stop ends the watch, if it has started, and waits until it has ended.
func (h *healthWatch) stop() {
	if h.cancel != nil {
		h.cancel()
		h.running.Wait()
	}
}

func (h *healthWatch) ask(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	at, err := time.Now(), h.aidbox.Health(limited)
	if ctx.Err() != nil {
		return // interrupted, which says nothing about Aidbox
	}
	h.asked++
	switch {
	case err == nil:
		h.healthy++
	case h.err == nil:
		h.failedAt, h.err = at, err
	}
}

// result ends the watch with a last request.
func (h *healthWatch) result(ctx context.Context, written time.Time, clean *secret.Sanitizer) Result {
	h.stop()
	h.ask(ctx)
	switch {
	case h.asked == 0:
		return Unknown("no health check was made")
	case h.healthy == h.asked:
		return Pass("answered %d of %d health checks, no restart seen", h.healthy, h.asked)
	}
	return Fail("answered %d of %d health checks; the first without an answer at %s UTC, %s after the write: %s",
		h.healthy, h.asked, h.failedAt.UTC().Format(time.TimeOnly), tenths(h.failedAt.Sub(written)), clean.Line(h.err.Error())).
		WithHint("a rotation needs no restart: check whether something else restarted Aidbox, or the connection broke")
}

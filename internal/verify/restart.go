package verify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/secret"
)

const (
	healthEvery   = time.Second
	healthTimeout = 5 * time.Second // an Aidbox that takes longer is as good as down
)

// healthWatch asks Aidbox every second whether it is up, beside the checks. A
// restart that fits between two requests stays unseen.
type healthWatch struct {
	aidbox Aidbox
	cancel context.CancelFunc // nil until it has started
	done   chan struct{}

	asked, answered int
	missed          time.Time // the first request without an answer
	why             error
}

func (h *healthWatch) start(ctx context.Context) {
	ctx, h.cancel = context.WithCancel(ctx)
	h.done = make(chan struct{})
	go func() {
		defer close(h.done)
		tick := time.NewTicker(healthEvery)
		defer tick.Stop()
		for ctx.Err() == nil {
			h.ask(ctx)
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	}()
}

// stop ends the watch, if it has started, and waits until it has ended.
func (h *healthWatch) stop() {
	if h.cancel != nil {
		h.cancel()
		<-h.done
	}
}

func (h *healthWatch) ask(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	at, err := time.Now(), h.aidbox.Health(asking)
	if ctx.Err() != nil {
		return // cut short, which says nothing about Aidbox
	}
	h.asked++
	switch {
	case err == nil:
		h.answered++
	case h.missed.IsZero():
		h.missed, h.why = at, err
	}
}

// result ends the watch with a last request, and says how it went.
func (h *healthWatch) result(ctx context.Context, written time.Time, clean *secret.Sanitizer) Result {
	h.stop()
	h.ask(ctx)
	switch {
	case h.asked == 0:
		return Unknown("no health check was made")
	case h.answered == h.asked:
		return Pass("answered %d of %d health checks, no restart seen", h.answered, h.asked)
	}
	when := h.missed.UTC().Format(time.TimeOnly) + " UTC"
	if !written.IsZero() {
		when += fmt.Sprintf(", %s after the write", tenths(h.missed.Sub(written)))
	}
	return Fail("answered %d of %d health checks; the first without an answer at %s: %s", h.answered, h.asked, when, clean.Line(h.why.Error())).
		WithHint("a rotation needs no restart: check whether something else restarted Aidbox, or the connection broke")
}

// samePods says what became of pods since, besides that they run on; no word is proof
// that none was restarted or replaced.
func samePods(before, now []cluster.Pod) (wrong []string) {
	for _, was := range before {
		i := slices.IndexFunc(now, func(p cluster.Pod) bool { return p.UID == was.UID })
		switch {
		case i < 0:
			wrong = append(wrong, "pod/"+was.Name+" is gone")
		case now[i].Terminating:
			wrong = append(wrong, "pod/"+was.Name+" is terminating")
		default:
			wrong = append(wrong, restarts(was, now[i])...)
		}
	}
	return wrong
}

func restarts(was, is cluster.Pod) (found []string) {
	for _, before := range was.Statuses {
		after := is.Status(before.Name)
		if after.Restarts != before.Restarts || !after.StartedAt.Equal(before.StartedAt) {
			found = append(found, fmt.Sprintf("container %s of pod/%s was restarted: %d restarts, before %d", before.Name, was.Name, after.Restarts, before.Restarts))
		}
	}
	return found
}

package verify

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/secret"
)

// trail is what happens after the write at one replica, or at whatever answers at
// aidbox.url. Each part of it is followed from the moment in which the one before
// has happened, beside the checks, so that the times are right for each replica.
type trail struct {
	name                    string  // of the replica; "" for aidbox.url
	mount                   *mount  // nil for aidbox.url, which is tried when every file has changed
	client                  *client // how to ask it; nil where nobody asks
	file, accepted, refused step
}

// step is one part. What it has is fit to be read when done is closed.
type step struct {
	done  chan struct{}
	ok    bool
	after time.Duration
	last  attempt
	err   error // why a file could not be read
}

func newTrail(name string, m *mount, c *client) *trail {
	made := func() step { return step{done: make(chan struct{})} }
	return &trail{name: name, mount: m, client: c, file: made(), accepted: made(), refused: made()}
}

// prefix names the replica before what it said.
func (t *trail) prefix() string {
	if t.name == "" {
		return ""
	}
	return t.name + ": "
}

// blind says that nobody can look at the file. Then what Aidbox accepts tells.
func (t *trail) blind() bool { return errors.Is(t.file.err, cluster.ErrNoTool) }

// following is the work beside the checks.
type following struct {
	cancel context.CancelFunc // nil until it has started
	ended  sync.WaitGroup
}

func (f *following) stop() {
	if f.cancel != nil {
		f.cancel()
		f.ended.Wait()
	}
}

// speaking returns the trails that tell whether Aidbox accepts a value. A pod that
// went away has nothing to say.
func (r *rotation) speaking() []*trail {
	var trails []*trail
	for _, t := range r.trails {
		if t.client != nil && !errors.Is(t.file.err, errGone) {
			trails = append(trails, t)
		}
	}
	return trails
}

// layTrails decides what is followed: every mount, and who is asked: each replica
// where that can be done, or else what aidbox.url leads to.
func (r *rotation) layTrails(ctx context.Context) {
	each := r.eachReplica(ctx)
	for _, m := range r.mounts {
		var asked *client
		if each && m.pod != nil {
			if aidbox, err := r.AidboxAt(*m.pod); err == nil {
				asked = r.client.at(aidbox)
			}
		}
		r.trails = append(r.trails, newTrail(m.replica, m, asked))
	}
	if !each && r.client != nil {
		r.trails = append(r.trails, newTrail("", nil, r.client))
	}
}

// followTrails starts when the store is written.
func (r *rotation) followTrails(ctx context.Context) {
	ctx, r.follow.cancel = context.WithCancel(ctx)
	for _, t := range r.trails {
		r.follow.ended.Go(func() { r.followOne(ctx, t) })
	}
	if r.pods != nil {
		r.follow.ended.Go(func() { r.followStatus(ctx) })
		if r.Nudge {
			r.follow.ended.Go(func() { r.nudge(ctx) })
		}
	}
}

func (r *rotation) followOne(ctx context.Context, t *trail) {
	defer close(t.refused.done)
	if !r.followFile(ctx, t) || t.client == nil {
		close(t.accepted.done)
		return
	}
	r.try(ctx, t, &t.accepted, r.New, momentAccepted, func(o outcome) bool { return o == accepted || o == forbidden || o == odd })
	close(t.accepted.done)
	if t.accepted.ok && !r.old.Empty() {
		r.try(ctx, t, &t.refused, r.old, momentRefused, func(o outcome) bool { return o == refused })
	}
}

// followFile waits until the file has the new value, or every one where the trail
// has none of its own.
func (r *rotation) followFile(ctx context.Context, t *trail) bool {
	defer close(t.file.done)
	if t.mount == nil {
		for _, other := range r.trails {
			if other.mount == nil {
				continue
			}
			select {
			case <-ctx.Done():
				return false
			case <-other.file.done:
			}
			if !other.file.ok && !errors.Is(other.file.err, errGone) && !other.blind() {
				return false
			}
		}
		return true
	}
	want := digest(r.New)
	t.file.ok = r.poll(ctx, r.Poll, r.Deadline, func() (done bool) {
		var got string
		got, t.file.err = t.mount.digestNow(ctx, r.secret)
		return errors.Is(t.file.err, errGone) || t.blind() || t.file.err == nil && got == want
	}) && t.file.err == nil
	switch {
	case t.file.ok:
		t.file.after = r.times.add(t.name, momentFile)
	case ctx.Err() == nil && !errors.Is(t.file.err, errGone) && !t.blind():
		r.times.add(t.name, momentLate+momentFile)
	}
	return t.file.ok || t.blind()
}

// try authenticates with a value until the outcome is settled, or until Aidbox
// should have seen the file.
func (r *rotation) try(ctx context.Context, t *trail, s *step, v secret.Value, what string, settled func(outcome) bool) {
	way := t.client.token
	if t.client.grants(grantBasic) {
		way = t.client.probe
	}
	s.ok = r.poll(ctx, aidboxPoll, r.patience(), func() bool {
		s.last = way(ctx, v)
		return settled(s.last.outcome)
	})
	if !s.ok && ctx.Err() == nil {
		r.times.add(t.name, momentLate+what)
	}
	if s.ok = s.ok && s.last.outcome != odd; s.ok {
		s.after = r.times.add(t.name, what)
	}
}

// patience is how long after the write Aidbox may take to see the file.
func (r *rotation) patience() time.Duration { return r.Deadline + min(r.Deadline, aidboxCache) }

// poll asks at once and then again and again, for the last time when the deadline
// after the write has come. It asks more often in the beginning, so that times that
// are short are told well. It says whether the answer was yes.
func (r *rotation) poll(ctx context.Context, every, deadline time.Duration, done func() bool) bool {
	for !done() {
		left := time.Until(r.written.Add(deadline))
		if left <= 0 {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(min(every, left, max(defaultPoll, time.Since(r.written)/10))):
		}
	}
	return true
}

// wait waits for a step, and says how long at most.
func (r *rotation) wait(ctx context.Context, id string, deadline time.Duration, done <-chan struct{}) {
	r.progress(id+" "+r.secret.Name, deadline)
	select {
	case <-done:
	case <-ctx.Done():
		<-done // which comes at once
	}
}

// at says which replica an answer came from.
func (r *rotation) at(t *trail, a attempt) attempt {
	a.asked = t.prefix() + a.asked
	return a
}

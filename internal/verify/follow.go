package verify

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

const (
	defaultDeadline = 4 * time.Minute // of a driver with its default poll interval
	defaultPoll     = 200 * time.Millisecond
	podPoll         = time.Second // of files in pods, which takes a command in each
	aidboxPoll      = time.Second
	aidboxCache     = 30 * time.Second // how long Aidbox may take to look at the file again; at most the deadline
)

// Rotation is a new value for a secret, which the rotation checks write to the
// store and follow to Aidbox.
type Rotation struct {
	Secret    string
	New       secret.Value  // as the store has it
	Deadline  time.Duration // from the write to the changed file; default: what the driver takes, or 4 minutes
	Poll      time.Duration // how often files are read; default 200 ms, in pods 1 s
	Nudge     bool          // annotate the pods after the write, so that kubelet syncs them at once
	WriteOnly bool          // nothing is followed, so rotation/store-updated is the only check that makes sense
}

// rotation is one under way: what was written, and who follows it.
type rotation struct {
	Rotation
	secret     config.Secret
	value, old secret.Value // as files have them
	written    time.Time    // zero where nothing was
	times      timeline
	followers  []*follower

	cancel context.CancelFunc // nil before start
	done   sync.WaitGroup
}

// newRotation returns the rotation that was asked for. Without one its secret is none.
func newRotation(d *config.Delivery, asked *Rotation) *rotation {
	r := &rotation{}
	if asked != nil {
		r.Rotation = *asked
		r.secret, _ = d.Secret(asked.Secret)
	}
	return r
}

// follower follows the new value to one replica, or to whatever answers at
// aidbox.url. Each step begins when the one before it has happened, beside the
// checks, so that the times are right for each replica.
type follower struct {
	replica string  // "" for aidbox.url
	mount   *mount  // nil for aidbox.url, which is asked once every file has changed
	client  *client // how to ask Aidbox; nil where nobody asks

	file, accepted, refused step
}

// step is what a follower waits for. What it has may be read once done is closed.
type step struct {
	done  chan struct{}
	ok    bool
	after time.Duration
	last  attempt // to authenticate
	err   error   // why a file could not be read
}

func newFollower(replica string, m *mount, c *client) *follower {
	f := &follower{replica: replica, mount: m, client: c}
	for _, s := range []*step{&f.file, &f.accepted, &f.refused} {
		s.done = make(chan struct{})
	}
	return f
}

// prefix names the replica before what it said.
func (f *follower) prefix() string {
	if f.replica == "" {
		return ""
	}
	return f.replica + ": "
}

// unseen says that nobody can look at the file. Then what Aidbox accepts tells.
func (f *follower) unseen() bool { return errors.Is(f.file.err, cluster.ErrNoTool) }

func (f *follower) gone() bool { return errors.Is(f.file.err, errGone) }

// start begins to follow. It is called once the value is written.
func (r *rotation) start(ctx context.Context, besides ...func(context.Context)) {
	ctx, r.cancel = context.WithCancel(ctx)
	for _, f := range r.followers {
		r.done.Go(func() { r.follow(ctx, f) })
	}
	for _, do := range besides {
		r.done.Go(func() { do(ctx) })
	}
}

// stop ends whatever is under way.
func (r *rotation) stop() {
	if r.cancel != nil {
		r.cancel()
		r.done.Wait()
	}
}

func (r *rotation) follow(ctx context.Context, f *follower) {
	defer close(f.refused.done)
	if !r.followFile(ctx, f) || f.client == nil {
		close(f.accepted.done)
		return
	}
	r.try(ctx, f, &f.accepted, r.value, momentAccepted, func(o outcome) bool { return o == accepted || o == forbidden || o == odd })
	close(f.accepted.done)
	if f.accepted.ok && !r.old.Empty() {
		r.try(ctx, f, &f.refused, r.old, momentRefused, func(o outcome) bool { return o == refused })
	}
}

// followFile waits until the file has the new value, and says whether Aidbox is worth
// asking. A follower without a file waits for all others.
func (r *rotation) followFile(ctx context.Context, f *follower) bool {
	defer close(f.file.done)
	if f.mount == nil {
		return r.everyFile(ctx)
	}
	want := digest(r.value)
	f.file.ok = r.poll(ctx, r.Poll, r.Deadline, func() (done bool) {
		got := f.mount.lookNow(ctx, r.secret)
		f.file.err = got.Err
		return f.gone() || f.unseen() || got.Err == nil && got.Digest == want
	}) && f.file.err == nil
	switch {
	case f.file.ok:
		f.file.after = r.times.add(f.replica, momentFile)
	case ctx.Err() == nil && !f.gone() && !f.unseen():
		r.times.add(f.replica, momentLate+momentFile)
	}
	return f.file.ok || f.unseen()
}

// everyFile waits until every replica has the new value, as far as that can be seen.
func (r *rotation) everyFile(ctx context.Context) bool {
	for _, other := range r.followers {
		if other.mount == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return false
		case <-other.file.done:
		}
		if !other.file.ok && !other.gone() && !other.unseen() {
			return false
		}
	}
	return true
}

// try authenticates with a value until the outcome is settled, or until Aidbox
// should have seen the file.
func (r *rotation) try(ctx context.Context, f *follower, s *step, v secret.Value, what string, settled func(outcome) bool) {
	authenticate := f.client.token
	if f.client.grants(grantBasic) {
		authenticate = f.client.probe
	}
	s.ok = r.poll(ctx, aidboxPoll, r.aidboxDeadline(), func() bool {
		s.last = authenticate(ctx, v)
		return settled(s.last.outcome)
	})
	if !s.ok && ctx.Err() == nil {
		r.times.add(f.replica, momentLate+what)
	}
	if s.ok = s.ok && s.last.outcome != odd; s.ok {
		s.after = r.times.add(f.replica, what)
	}
}

// aidboxDeadline is how long after the write Aidbox may take to see the file.
func (r *rotation) aidboxDeadline() time.Duration { return r.Deadline + min(r.Deadline, aidboxCache) }

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

func (r *rotation) sinceWrite() string { return tenths(time.Since(r.written)) + " after the write" }

func tenths(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }

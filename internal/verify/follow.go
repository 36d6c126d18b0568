package verify

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

const (
	defaultDeadline = 4 * time.Minute // of a driver with its default poll interval
	defaultPoll     = 200 * time.Millisecond
	podPoll         = time.Second // of files in pods that cannot be watched, which takes a command in each
	aidboxPoll      = time.Second
	aidboxCache     = 30 * time.Second // how long Aidbox may take to look at the file again; at most the deadline
)

// Rotation is a new value for a secret, which the rotation checks write to the
// store and follow to Aidbox.
type Rotation struct {
	Secret   string
	New      secret.Value  // as the store has it
	Deadline time.Duration // from the write to the changed file; default: what the driver takes, or 4 minutes
	Poll     time.Duration // how often files are read that cannot be watched; default 200 ms, in pods 1 s
	Nudge    bool          // annotate the pods after the write, so that kubelet syncs them at once

	// With one of these, rotation/store-updated is the only check that makes sense.
	WriteOnly bool // nothing is followed
	DryRun    bool // nothing is written
	// Follow writes nothing either: New is what the store has, and is followed.
	Follow bool
	// Due writes only where the last rotation has arrived, which is followed otherwise,
	// and the value is older than MaxAge. Then Renew returns New.
	Due    bool
	MaxAge time.Duration // 0: whatever its age
	Renew  func(ctx context.Context) (secret.Value, error)

	// Again is the command that follows what was written, and writes nothing; default:
	// secretctl rotate NAME --follow.
	Again string

	// Noted is called with what somebody should know before the write, Written when the
	// write begins and again with the version that it made. Both may be nil.
	Noted   func(note string)
	Written func(version string)
}

// rotation is one under way: what was written, and who follows it.
type rotation struct {
	Rotation
	secret     config.Secret
	value, old secret.Value // as files have them
	before     string       // the version that the store had
	version    string       // the one that is followed
	written    time.Time    // or when following began; zero where there is nothing to follow
	leftOut    []string     // pods that do not serve, and why
	unarrived  string       // why one that is due is followed instead
	times      timeline
	followers  []*follower
	opening    chan struct{} // has a place for each replica that may be connected to at the same time

	cancel   context.CancelFunc // nil before open
	done     sync.WaitGroup
	conflict atomic.Pointer[string] // the version that somebody wrote meanwhile
}

// plannedRotation returns the rotation that was asked for. Without one its secret is none.
func plannedRotation(d *config.Delivery, asked *Rotation, parallel int) *rotation {
	r := &rotation{opening: make(chan struct{}, parallel)}
	if asked != nil {
		r.Rotation = *asked
		r.Again = cmp.Or(r.Again, "secretctl rotate "+r.Secret+" --follow")
		r.secret, _ = d.Secret(asked.Secret)
	}
	if r.Written == nil {
		r.Written = func(string) {}
	}
	return r
}

// follower follows the new value to one replica, or to whatever answers at
// aidbox.url. Each step begins when the one before it has happened, beside the
// checks, so that the times are right for each replica.
type follower struct {
	replica string   // "" for aidbox.url
	mount   *mount   // nil for aidbox.url, which is asked once every file has changed
	watch   *watcher // of the file in the mount
	client  *client  // how to ask Aidbox; nil where nobody asks
	// elsewhere is whom to ask where the replica's own Aidbox cannot be; may be nil.
	elsewhere *client

	file, accepted, refused step
}

// step is what a follower waits for. What it has may be read once it is over.
type step struct {
	done  chan struct{}
	ok    bool
	after time.Duration
	last  attempt // to authenticate
	where string  // it was made; "" for aidbox.url where no replica is asked
	err   error   // why a file could not be read
}

func (s *step) prefix() string { return prefixed(s.where) }

func (s *step) over() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func prefixed(where string) string {
	if where == "" {
		return ""
	}
	return where + ": "
}

func newFollower(replica string, m *mount, c *client) *follower {
	f := &follower{replica: replica, mount: m, client: c}
	for _, s := range []*step{&f.file, &f.accepted, &f.refused} {
		s.done = make(chan struct{})
	}
	return f
}

// prefix names the replica before what it said.
func (f *follower) prefix() string { return prefixed(f.replica) }

// unreadable says that the last look at the file did not work, which proves nothing.
func (f *follower) unreadable() bool {
	return cannotLook(f.file.err) || f.file.err != nil && !f.gone() && !aboutFile(f.file.err)
}

func (f *follower) gone() bool { return errors.Is(f.file.err, errGone) }

// start begins to follow. It is called once the value is written.
func (r *rotation) start(ctx context.Context, besides ...func(context.Context)) {
	for _, f := range r.followers {
		r.done.Go(func() { r.follow(ctx, f) })
	}
	for _, do := range besides {
		r.done.Go(func() { do(ctx) })
	}
}

// stop ends whatever is under way.
func (r *rotation) stop() {
	if r.cancel == nil {
		return
	}
	r.cancel()
	r.done.Wait()
	for _, f := range r.followers {
		if f.watch != nil {
			f.watch.stop()
		}
	}
}

func (r *rotation) follow(ctx context.Context, f *follower) {
	defer close(f.refused.done)
	if !r.followFile(ctx, f) || f.client == nil {
		close(f.accepted.done)
		return
	}
	c := r.try(ctx, f, f.client, &f.accepted, r.value, momentAccepted, func(o outcome) bool { return o == accepted || o == forbidden || o == odd })
	close(f.accepted.done)
	if f.accepted.ok && !r.old.Empty() {
		r.try(ctx, f, c, &f.refused, r.old, momentRefused, func(o outcome) bool { return o == refused })
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
	done := func(got cluster.File) bool {
		f.file.err = got.Err
		return f.gone() || cannotLook(f.file.err) || got.Err == nil && got.Digest == want
	}
	over := r.poll(ctx, r.Poll, r.Deadline, f.watch.changed, func() bool { return done(f.watch.now(ctx)) })
	f.watch.stop()
	over = over || ctx.Err() == nil && done(f.mount.lookNow(ctx, r.secret)) // a stream is a moment late
	f.file.ok = over && f.file.err == nil
	switch {
	case f.file.ok:
		f.file.after = r.times.add(f.replica, momentFile)
	case ctx.Err() == nil && !f.gone() && !cannotLook(f.file.err):
		r.times.add(f.replica, momentLate+momentFile)
	}
	return f.file.ok || f.unreadable()
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
		if !other.file.ok && !other.gone() && !other.unreadable() {
			return false
		}
	}
	return true
}

// try authenticates with a value until the outcome is settled, or until Aidbox
// should have seen the file. Where the way to the pod is broken, whatever answers at
// aidbox.url may still say it: try returns whom it asked last.
func (r *rotation) try(ctx context.Context, f *follower, c *client, s *step, v secret.Value, what string, settled func(outcome) bool) *client {
	ask := func() {
		s.ok = r.poll(ctx, aidboxPoll, r.aidboxDeadline(), nil, func() bool {
			s.last = c.authenticate(ctx, v)
			return settled(s.last.outcome)
		})
	}
	s.where = f.replica
	if ask(); !s.ok && s.last.silent && f.elsewhere != nil && ctx.Err() == nil {
		s.where, c = "aidbox.url", f.elsewhere
		ask()
	}
	if !s.ok && ctx.Err() == nil {
		r.times.add(f.replica, momentLate+what)
	}
	if s.ok = s.ok && s.last.outcome != odd; s.ok {
		s.after = r.times.add(f.replica, what)
	}
	return c
}

// aidboxDeadline is how long after the write Aidbox may take to see the file.
func (r *rotation) aidboxDeadline() time.Duration { return r.Deadline + min(r.Deadline, aidboxCache) }

// poll asks at once and then again and again, and whenever it is woken, for the last time
// when the deadline after the write has come. It asks more often in the beginning, so that
// times that are short are told well. It says whether the answer was yes.
func (r *rotation) poll(ctx context.Context, every, deadline time.Duration, wake <-chan struct{}, done func() bool) bool {
	for begun := time.Now(); !done(); {
		left := time.Until(r.written.Add(deadline))
		if left <= 0 {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-wake:
		case <-time.After(min(every, left, max(defaultPoll, time.Since(begun)/10))):
		}
	}
	return true
}

// sinceWrite says how long ago it began, and after says it of a moment.
func (r *rotation) sinceWrite() string { return r.after(time.Since(r.written)) }

func (r *rotation) after(d time.Duration) string { return tenths(d) + " after " + r.origin() }

// origin is what times count from.
func (r *rotation) origin() string {
	if r.Follow {
		return originFollow
	}
	return originWrite
}

// followHint is the way on from a rotation that is not over: another one would make
// another version, and not this one arrive.
func (r *rotation) followHint() string {
	return "watch it arrive, without writing: " + r.Again
}

func tenths(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }

package verify

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

const (
	defaultDeadline = 4 * time.Minute  // of a driver with its default poll interval
	aidboxCache     = 30 * time.Second // how long Aidbox may take to read the file again; at most the deadline
)

// Rotation is a new value for a secret, which the rotation checks write to the
// store and follow to Aidbox.
type Rotation struct {
	Secret   string
	New      secret.Value  // as the store has it
	Deadline time.Duration // from the write to the changed file; default: what the driver takes, or 4 minutes
	Nudge    bool          // annotate the pods after the write, so that the kubelet syncs them at once

	// With one of these, rotation/store-updated is the only check that makes sense.
	WriteOnly bool // nothing is followed
	DryRun    bool // nothing is written
	// Follow writes nothing either: New is what the store has, and is followed.
	Follow bool
	// Due writes only if the last rotation has arrived and the value is older than MaxAge. Then
	// Renew returns New. A rotation that has not arrived is followed instead.
	Due    bool
	MaxAge time.Duration // 0: whatever its age
	Renew  func(ctx context.Context) (secret.Value, error)
	Err    error // why there is no new value; nothing is written then

	// Again is the command that follows what was written, and writes nothing.
	Again string

	// Noted is called with what the operator should know before the write. Written is called
	// when the write begins, and again with the version that it made.
	Noted   func(note string)
	Written func(version string)
}

// rotation is a rotation under way.
type rotation struct {
	Rotation
	secret     config.Secret
	value, old secret.Value // as files have them
	before     string       // the version that the store had
	version    string       // the version that is followed
	written    time.Time    // or when following began; zero if there is nothing to follow
	leftOut    []string     // pods that do not run, and why
	notArrived string       // why a rotation that is due is followed instead, as the end of a sentence
	times      timeline
	followers  []*follower
	connecting chan struct{} // limits how many look, or connect to watch, at the same time

	cancel   context.CancelFunc // nil before open
	running  sync.WaitGroup
	conflict atomic.Pointer[string] // the version that somebody else wrote
}

// plannedRotation returns the requested rotation. Without one, it has no secret.
func plannedRotation(d *config.Delivery, requested *Rotation, parallel int) *rotation {
	r := &rotation{connecting: make(chan struct{}, parallel)}
	if requested != nil {
		r.Rotation = *requested
		r.secret, _ = d.Secret(requested.Secret)
	}
	return r
}

// stop ends everything that runs in the background.
func (r *rotation) stop() {
	if r.cancel != nil {
		r.cancel()
		r.running.Wait()
	}
}

// follower follows the new value to one replica, or to aidbox.url. It takes one step after
// the other, in the background, so that the times are right for each replica.
type follower struct {
	replica  string  // "" for aidbox.url
	mount    *mount  // nil for aidbox.url, which is asked once every file has changed
	client   *client // for asking Aidbox; may be nil
	fallback *client // at aidbox.url, if the replica's own Aidbox does not respond; may be nil

	before  cluster.File      // the file, as the watch saw it before the write
	seen    chan cluster.File // as it saw the file last
	unwatch func()            // ends the watch
	silent  int               // streams in a row without a report

	file, accepted, refused step
}

// step is what a follower waits for. Its result may be read once it is over.
type step struct {
	done  chan struct{}
	ok    bool
	after time.Duration
	last  attempt // to authenticate
	where string  // the replica or aidbox.url; "" if no replica is asked
	err   error   // why a file could not be read
}

func (s *step) prefix() string { return prefix(s.where) }

func (s *step) over() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func prefix(where string) string {
	if where == "" {
		return ""
	}
	return where + ": "
}

func newFollower(replica string, m *mount, c *client) *follower {
	f := &follower{replica: replica, mount: m, client: c, seen: make(chan cluster.File, 1)}
	for _, s := range []*step{&f.file, &f.accepted, &f.refused} {
		s.done = make(chan struct{})
	}
	return f
}

// unreadable reports whether the last look at the file failed, which proves nothing.
func (f *follower) unreadable() bool {
	return cannotLook(f.file.err) || f.file.err != nil && !f.gone() && !aboutFile(f.file.err)
}

func (f *follower) gone() bool { return errors.Is(f.file.err, errGone) }

func (r *rotation) follow(ctx context.Context, f *follower) {
	defer close(f.refused.done)
	if !r.followFile(ctx, f) || f.client == nil {
		close(f.accepted.done)
		return
	}
	c := r.try(ctx, f, f.client, &f.accepted, r.value, momentAccepted, accepted, forbidden)
	close(f.accepted.done)
	if f.accepted.ok && !r.old.Empty() {
		r.try(ctx, f, c, &f.refused, r.old, momentRefused, refused)
	}
}

// followFile waits until the file has the new value, and reports whether to ask Aidbox. A
// follower without a file waits for all others.
func (r *rotation) followFile(ctx context.Context, f *follower) bool {
	defer close(f.file.done)
	if f.mount == nil {
		return r.everyFile()
	}
	want, timeout := digest(r.value), time.After(time.Until(r.written.Add(r.Deadline)))
	over := func(got cluster.File) bool {
		f.file.err, f.file.ok = got.Err, got.Err == nil && got.Digest == want
		return f.file.ok || f.gone() || cannotLook(got.Err)
	}
	got := f.before
	if f.mount.pod == nil { // it may have changed during the write
		got = f.mount.lookAgain(ctx, r.secret)
	}
	for !over(got) {
		select {
		case got = <-f.seen:
			continue
		case <-timeout:
			f.unwatch()
			select { // all that are late come at the same time
			case r.connecting <- struct{}{}:
				defer func() { <-r.connecting }()
			case <-ctx.Done():
			}
			over(f.mount.lookAgain(ctx, r.secret)) // a stream is a moment late
		case <-ctx.Done():
		}
		break
	}
	f.unwatch()
	switch {
	case f.file.ok:
		f.file.after = r.times.add(f.replica, momentFile)
	case ctx.Err() == nil && !f.gone() && !cannotLook(f.file.err):
		r.times.add(f.replica, momentLate+momentFile)
	}
	return f.file.ok || f.unreadable()
}

// everyFile waits until every replica has the new value, as far as its file can be read.
func (r *rotation) everyFile() bool {
	for _, other := range r.followers {
		if other.mount == nil {
			continue
		}
		<-other.file.done // at once if ctx ends
		if !other.file.ok && !other.gone() && !other.unreadable() {
			return false
		}
	}
	return true
}

// try authenticates with a value until one of the outcomes, or until Aidbox should have read
// the file. If the pod does not respond, it asks the fallback. It returns the client that it
// asked last.
func (r *rotation) try(ctx context.Context, f *follower, c *client, s *step, v secret.Value, what string, wanted ...outcome) *client {
	ask := func() {
		for start := time.Now(); ; {
			s.last = c.authenticate(ctx, v)
			s.ok = slices.Contains(wanted, s.last.outcome)
			left := time.Until(r.written.Add(r.aidboxDeadline()))
			if s.ok || left <= 0 || !sleep(ctx, min(left, pause(start))) {
				return
			}
		}
	}
	s.where = f.replica
	if ask(); !s.ok && s.last.noResponse && f.fallback != nil && ctx.Err() == nil {
		s.where, c = "aidbox.url", f.fallback
		ask()
	}
	switch {
	case s.ok:
		s.after = r.times.add(f.replica, what)
	case ctx.Err() == nil:
		r.times.add(f.replica, momentLate+what)
	}
	return c
}

// aidboxDeadline is how long after the write Aidbox may take to read the file.
func (r *rotation) aidboxDeadline() time.Duration { return r.Deadline + min(r.Deadline, aidboxCache) }

// sinceWrite returns the time since the write with its origin, as after does for any time.
func (r *rotation) sinceWrite() string { return r.after(time.Since(r.written)) }

func (r *rotation) after(d time.Duration) string { return tenths(d) + " after " + r.origin() }

// origin is what times count from.
func (r *rotation) origin() string {
	if r.Follow {
		return originFollow
	}
	return originWrite
}

// followHint is what to do about a rotation that has not arrived: another rotation would
// write another version.
func (r *rotation) followHint() string {
	return "watch it arrive, without writing: " + r.Again
}

// notFollowed names the pods that were left out.
func (r *rotation) notFollowed() string {
	if len(r.leftOut) == 0 {
		return ""
	}
	return "; not followed: " + list(", ", r.leftOut)
}

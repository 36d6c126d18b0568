package verify

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
)

const (
	localPoll = 200 * time.Millisecond // of a file on this machine

	// maxSilent is how many streams in a row may end without a report although a look works.
	// Then the container, or something on the way to it, cannot be watched.
	maxSilent = 3
	// connectTimeout is how long the write waits for the watches. Those that have not begun by
	// then begin after the write.
	connectTimeout = 15 * time.Second
)

// open begins to watch the files before the write, so that each change is seen when it
// happens. What it starts ends with the context that it returns.
func (r *rotation) open(ctx context.Context) context.Context {
	ctx, r.cancel = context.WithCancel(ctx)
	timeout := time.After(connectTimeout)
	for _, f := range r.followers {
		if f.mount != nil {
			r.watch(ctx, f)
		}
	}
	for _, f := range r.followers {
		if f.mount == nil {
			continue
		}
		select {
		case f.before = <-f.seen:
		case <-timeout:
			return ctx
		case <-ctx.Done():
			return ctx
		}
	}
	return ctx
}

// watch has a follower see its file, until ctx ends or the follower calls unwatch.
func (r *rotation) watch(ctx context.Context, f *follower) {
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	f.unwatch = func() { cancel(); <-over }
	r.running.Go(func() {
		defer close(over)
		every := localPoll
		for start := time.Now(); ctx.Err() == nil; sleep(ctx, every) {
			r.watchOnce(ctx, f)
			if f.mount.pod != nil { // where each look runs a command
				every = pause(start)
			}
		}
	})
}

// watchOnce has the follower see what a stream reports, until that ends. If it reports nothing,
// the follower sees what a look finds.
func (r *rotation) watchOnce(ctx context.Context, f *follower) {
	select {
	case r.connecting <- struct{}{}:
	case <-ctx.Done():
		return
	}
	connected := sync.OnceFunc(func() { <-r.connecting })
	defer connected()
	if f.mount.watch != nil && f.silent < maxSilent {
		f.silent++
		f.mount.watch(ctx, f.mount.file(r.secret), func(got cluster.File) {
			connected()
			f.silent = 0
			f.see(got)
		})
		if f.silent == 0 {
			return
		}
	}
	got := f.mount.lookAgain(ctx, r.secret)
	if got.Err != nil {
		f.silent = 0
	}
	f.see(got)
}

// see replaces what was seen before, if the follower has not received it yet.
func (f *follower) see(got cluster.File) {
	select {
	case <-f.seen:
	default:
	}
	f.seen <- got
}

// cannotLook reports whether an error is permanent: no tool in the container, or no
// right to look.
func cannotLook(err error) bool {
	_, forbidden := errors.AsType[*cluster.ForbiddenError](err)
	return forbidden || errors.Is(err, cluster.ErrNoTool)
}

// aboutFile reports whether an error is about the file, and not about looking at it.
func aboutFile(err error) bool {
	for _, known := range []error{fs.ErrNotExist, fs.ErrPermission, cluster.ErrNotFile, cluster.ErrTooLong, cluster.ErrNotRunning} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

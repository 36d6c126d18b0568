package verify

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
)

// maxSilent is how many streams in a row may end without a report although a look works.
// Then the container, or something on the way to it, cannot be watched.
const maxSilent = 3

// connectTimeout is how long before the write streams are opened. One that hangs ends by its
// own limits, and those that were not opened are opened after the write.
const connectTimeout = 15 * time.Second

// watcher knows a secret's file in one replica: from a stream that reports each change, or
// from a look each time that it is asked. It has at most one of them at a time.
type watcher struct {
	mount      *mount
	secret     config.Secret
	connecting chan struct{} // limits how many connect at the same time
	changed    chan struct{} // is sent to when the stream reports again
	silent     int           // streams in a row without a report
	close      context.CancelFunc
	running    sync.WaitGroup

	mu   sync.Mutex
	live bool // the stream is open
	last cluster.File
}

func newWatcher(m *mount, s config.Secret, connecting chan struct{}) *watcher {
	return &watcher{mount: m, secret: s, connecting: connecting, changed: make(chan struct{}, 1), close: func() {}}
}

// now returns the file. If there is no stream, it opens one, which ctx ends.
func (w *watcher) now(ctx context.Context) cluster.File {
	w.mu.Lock()
	last, live := w.last, w.live
	w.mu.Unlock()
	if live {
		return last
	}
	select {
	case w.connecting <- struct{}{}:
		defer func() { <-w.connecting }()
	case <-ctx.Done():
		return cluster.File{Err: ctx.Err()}
	}
	if w.mount.watch != nil && w.silent < maxSilent {
		if f, reported := w.open(ctx); reported {
			w.silent = 0
			return f
		}
	}
	f := w.mount.lookAgain(ctx, w.secret)
	if f.Err == nil {
		w.silent++
	}
	return f
}

// open opens a stream, and returns its first report.
func (w *watcher) open(ctx context.Context) (first cluster.File, reported bool) {
	ctx, w.close = context.WithCancel(ctx)
	reports := make(chan cluster.File, 1)
	w.running.Go(func() {
		defer close(reports)
		w.mount.watch(ctx, w.mount.file(w.secret), func(f cluster.File) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.last = f; !w.live {
				w.live = true
				reports <- f
				return
			}
			select {
			case w.changed <- struct{}{}:
			default:
			}
		})
		w.mu.Lock()
		defer w.mu.Unlock()
		w.live = false
	})
	first, reported = <-reports
	return first, reported
}

// stop ends the stream.
func (w *watcher) stop() {
	w.close()
	w.running.Wait()
}

// open begins to watch the files before the write, so that each change is seen when it
// happens. Followers try again what did not open. They end with the context that it returns.
func (r *rotation) open(ctx context.Context) context.Context {
	ctx, r.cancel = context.WithCancel(ctx)
	limited, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(cap(r.connecting))
	for _, f := range r.followers {
		if f.mount == nil || f.mount.watch == nil {
			continue
		}
		group.Go(func() error {
			if limited.Err() == nil {
				f.watch.now(ctx)
			}
			return nil
		})
	}
	_ = group.Wait()
	return ctx
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

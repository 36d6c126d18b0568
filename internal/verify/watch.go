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

// maxSilent is how often in a row a stream may end without a word where a look works.
// Then it is the container, or what is in between, that cannot be watched.
const maxSilent = 3

// openAtMost is how long before the write streams are begun. One that hangs by then ends
// with its own limits, and what was not begun is begun after the write.
const openAtMost = 15 * time.Second

// watcher knows a secret's file in one replica: by a stream from the container that reports
// each change, or else by a look whenever it is asked. It has at most one of them at a time.
type watcher struct {
	mount   *mount
	secret  config.Secret
	opening chan struct{} // has a place for each that may connect at the same time
	changed chan struct{} // gets a word when the stream reports again
	silent  int           // streams in a row without a word
	close   context.CancelFunc
	running sync.WaitGroup

	mu   sync.Mutex
	live bool // the stream is open
	last cluster.File
}

func newWatcher(m *mount, s config.Secret, opening chan struct{}) *watcher {
	return &watcher{mount: m, secret: s, opening: opening, changed: make(chan struct{}, 1), close: func() {}}
}

// now returns what is known of the file. It begins a stream, which ctx ends, if there is none.
func (w *watcher) now(ctx context.Context) cluster.File {
	if f, live := w.reported(); live {
		return f
	}
	select {
	case w.opening <- struct{}{}:
		defer func() { <-w.opening }()
	case <-ctx.Done():
		return cluster.File{Err: ctx.Err()}
	}
	if w.mount.watch != nil && w.silent < maxSilent {
		if f, said := w.open(ctx); said {
			w.silent = 0
			return f
		}
	}
	f := w.mount.lookNow(ctx, w.secret)
	if f.Err == nil {
		w.silent++
	}
	return f
}

func (w *watcher) reported() (f cluster.File, live bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last, w.live
}

// open begins a stream, and returns the first that it reports.
func (w *watcher) open(ctx context.Context) (first cluster.File, said bool) {
	ctx, w.close = context.WithCancel(ctx)
	word := make(chan cluster.File, 1)
	w.running.Go(func() {
		defer close(word)
		w.mount.watch(ctx, w.mount.file(w.secret), func(f cluster.File) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.last = f; !w.live {
				w.live = true
				word <- f
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
	first, said = <-word
	return first, said
}

// stop ends the stream.
func (w *watcher) stop() {
	w.close()
	w.running.Wait()
}

// open begins to watch the files, before the write, so that each change is seen when it
// happens. A follower tries again what did not open. The context is for start.
func (r *rotation) open(ctx context.Context) context.Context {
	ctx, r.cancel = context.WithCancel(ctx)
	inTime, cancel := context.WithTimeout(ctx, openAtMost)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(cap(r.opening))
	for _, f := range r.followers {
		if f.mount == nil || f.mount.watch == nil {
			continue
		}
		group.Go(func() error {
			if inTime.Err() == nil {
				f.watch.now(ctx)
			}
			return nil
		})
	}
	_ = group.Wait()
	return ctx
}

// cannotLook says whether an error is there to stay: no tool in the container, or no
// right to look.
func cannotLook(err error) bool {
	_, forbidden := errors.AsType[*cluster.ForbiddenError](err)
	return forbidden || errors.Is(err, cluster.ErrNoTool)
}

// aboutFile says whether an error is about the file, and not about looking at it.
func aboutFile(err error) bool {
	for _, known := range []error{fs.ErrNotExist, fs.ErrPermission, cluster.ErrNotFile, cluster.ErrTooLong, cluster.ErrNotRunning} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

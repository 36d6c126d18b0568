package transport

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
)

// Waiting is which hosts requests wait for, and why one is retried, for progress.
type Waiting struct {
	mu      sync.Mutex
	hosts   []string // of the requests in progress, the oldest first
	trouble string
}

type waitingKey struct{}

// Context returns a context whose requests w observes.
func (w *Waiting) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, waitingKey{}, w)
}

// Trouble returns why the last request is retried, or "".
func (w *Waiting) Trouble() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trouble
}

// Host returns the host of the oldest request in progress, or "".
func (w *Waiting) Host() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.hosts) == 0 {
		return ""
	}
	return w.hosts[0]
}

// WaitFor notes that a request waits for a host, until done is called.
func WaitFor(ctx context.Context, host string) (done func()) {
	w, ok := ctx.Value(waitingKey{}).(*Waiting)
	if !ok {
		return func() {}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts = append(w.hosts, host)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		i := slices.Index(w.hosts, host)
		w.hosts = slices.Delete(w.hosts, i, i+1)
	}
}

// noteRetry notes why a request will be retried, if it will.
func noteRetry(req *http.Request, resp *http.Response, err error) {
	w, ok := req.Context().Value(waitingKey{}).(*Waiting)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trouble = ""
	if req.Context().Err() != nil || !Transient(resp, err) {
		return
	}
	var why string
	if err != nil {
		why, _ = words(err)
	} else {
		why = fmt.Sprintf("answered %d", resp.StatusCode)
	}
	w.trouble = fmt.Sprintf("trying again: %s (%s)", why, req.URL.Host)
}

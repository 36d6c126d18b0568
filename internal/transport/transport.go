// Package transport owns what every HTTP client of secretctl has in common: which
// addresses may be spoken to, what is worth another try, what -v shows, how much of
// an answer is read, and what is said of one that did not come. It never shows a
// header, a body or a query, and repeats nothing that a server or a setting said.
package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// RequestTimeout is for one request, with the reading of its answer.
const RequestTimeout = 15 * time.Second

const maxBody = 32 << 20 // the longest answer that is read, in bytes

// silence keeps net/http from logging what a server sends without being asked.
func silence() { log.SetOutput(io.Discard) }

// Wrap returns a RoundTripper that reads at most 32 MiB of an answer and, where
// log is not nil, writes a line for each request: method, address, status, duration.
// Where a server has led to is not shown. It writes one line at a time, whatever is
// under way at once. Go's own log is silenced from then on.
func Wrap(next http.RoundTripper, log io.Writer) http.RoundTripper {
	silence()
	return &roundTripper{next: next, log: log}
}

// note tells whoever waits how a request went.
func note(req *http.Request, resp *http.Response, err error) {
	w, ok := req.Context().Value(waitingKey{}).(*Waiting)
	if !ok {
		return
	}
	why := ""
	switch {
	case req.Context().Err() != nil || !Transient(resp, err):
	case err != nil:
		why, _ = words(err)
	default:
		why = fmt.Sprintf("answered %d", resp.StatusCode)
	}
	if why != "" {
		why = fmt.Sprintf("trying again: %s (%s)", why, req.URL.Host)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trouble = why
}

type roundTripper struct {
	next http.RoundTripper
	mu   sync.Mutex
	log  io.Writer
}

// CloseIdle closes the connections that no request uses, where a transport has a way to.
func CloseIdle(t http.RoundTripper) {
	if has, ok := t.(interface{ CloseIdleConnections() }); ok {
		has.CloseIdleConnections()
	}
}

// CloseIdleConnections is what [http.Client] calls.
func (t *roundTripper) CloseIdleConnections() { CloseIdle(t.next) }

func (t *roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	start := time.Now()
	resp, err := t.roundTrip(req)
	note(req, resp, err)
	status := "no answer"
	if redirect, ok := errors.AsType[*RedirectError](err); ok && redirect.Status > 0 {
		status = fmt.Sprint(redirect.Status)
	} else if err == nil {
		status = fmt.Sprint(resp.StatusCode)
		resp.Body = cappedBody{io.LimitReader(resp.Body, maxBody), resp.Body}
	}
	if t.log != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		_, _ = fmt.Fprintf(t.log, "%s %s %s %s\n", req.Method, shown(req), status, time.Since(start).Round(time.Millisecond))
	}
	return resp, err
}

// Waiting is which hosts are waited for, and why, for whoever shows progress.
type Waiting struct {
	mu      sync.Mutex
	hosts   []string // of requests under way, the oldest first
	trouble string
}

// Trouble returns why the last request is tried again, or "".
func (w *Waiting) Trouble() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trouble
}

type waitingKey struct{}

// Context returns a context whose requests w knows of.
func (w *Waiting) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, waitingKey{}, w)
}

// Host returns the host that has been waited for longest, or "".
func (w *Waiting) Host() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.hosts) == 0 {
		return ""
	}
	return w.hosts[0]
}

// WaitFor notes that a host is waited for, until done is called.
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
		if i := slices.Index(w.hosts, host); i >= 0 {
			w.hosts = slices.Delete(w.hosts, i, i+1)
		}
	}
}

func (t *roundTripper) roundTrip(req *http.Request) (*http.Response, error) {
	for _, values := range req.Header {
		for _, value := range values {
			if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				return nil, errHeader
			}
		}
	}
	defer WaitFor(req.Context(), req.URL.Host)()
	asked := upgrades(req) // client-go takes its headers out of the request on the way
	var by *url.URL
	resp, err := t.next.RoundTrip(req.WithContext(context.WithValue(req.Context(), proxyKey{}, &by)))
	if refused := byProxy(by, resp, err); refused != nil {
		return nil, refused
	}
	// The connection of such an answer is nobody's any more, and reading it knows no timeout.
	if err == nil && resp.StatusCode == http.StatusSwitchingProtocols && !asked {
		_ = resp.Body.Close()
		return nil, errMalformed
	}
	return resp, err
}

// upgrades says whether a request asks for another protocol: as client-go does with
// headers of its own.
func upgrades(req *http.Request) bool {
	for _, name := range []string{"Upgrade", "Sec-Websocket-Protocol", "X-Stream-Protocol-Version"} {
		if len(req.Header.Values(name)) > 0 {
			return true
		}
	}
	return false
}

// shown returns an address without what may be private.
func shown(req *http.Request) string {
	u := url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path, RawPath: req.URL.RawPath}
	if req.Response != nil {
		u.Path, u.RawPath = "/...", "" // the path is the server's, of a redirect
	}
	return u.String()
}

type cappedBody struct {
	io.Reader
	io.Closer
}

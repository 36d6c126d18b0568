// Package transport owns what every HTTP client of secretctl has in common: which
// addresses it may connect to, what it retries, what -v shows, how much of a response it
// reads, and how it explains a missing one. It never shows a header, a body or a query,
// and quotes nothing that a server or a setting said.
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

// RequestTimeout is for one request, with the reading of its response.
const RequestTimeout = 15 * time.Second

const maxBody = 32 << 20 // the longest response that is read, in bytes

// Wrap returns a RoundTripper that reads at most 32 MiB of a response and, unless
// lines is nil, writes a line there for each request: method, address, status, duration.
// It does not show where a redirect leads. Concurrent requests write one line at a time.
// Wrap silences Go's own log, in which net/http quotes what servers send unasked.
func Wrap(next http.RoundTripper, lines io.Writer) http.RoundTripper {
	log.SetOutput(io.Discard)
	return &roundTripper{next: next, lines: lines}
}

type roundTripper struct {
	next  http.RoundTripper
	mu    sync.Mutex
	lines io.Writer
}

// CloseIdle closes the connections that no request uses, if the transport can.
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
	noteRetry(req, resp, err)
	if err == nil {
		resp.Body = cappedBody{io.LimitReader(resp.Body, maxBody), resp.Body}
	}
	if t.lines != nil {
		t.log(req, resp, err, time.Since(start))
	}
	return resp, err
}

func (t *roundTripper) log(req *http.Request, resp *http.Response, err error, took time.Duration) {
	status := "no answer"
	if redirect, ok := errors.AsType[*RedirectError](err); ok && redirect.Status > 0 {
		status = fmt.Sprint(redirect.Status)
	} else if err == nil {
		status = fmt.Sprint(resp.StatusCode)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = fmt.Fprintf(t.lines, "%s %s %s %s\n", req.Method, shown(req), status, took.Round(time.Millisecond))
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
	requested := upgrades(req) // before client-go removes its headers from the request
	var by *url.URL
	resp, err := t.next.RoundTrip(req.WithContext(context.WithValue(req.Context(), proxyKey{}, &by)))
	if failed := proxyFailure(by, resp, err); failed != nil {
		return nil, failed
	}
	// No timeout bounds reading the connection of such a response.
	if err == nil && resp.StatusCode == http.StatusSwitchingProtocols && !requested {
		_ = resp.Body.Close()
		return nil, errMalformed
	}
	return resp, err
}

// upgrades reports whether a request asks for another protocol, perhaps with the headers
// of client-go.
func upgrades(req *http.Request) bool {
	return slices.ContainsFunc([]string{"Upgrade", "Sec-Websocket-Protocol", "X-Stream-Protocol-Version"}, func(name string) bool {
		return req.Header.Get(name) != ""
	})
}

// shown returns an address without the parts that may be private.
func shown(req *http.Request) string {
	u := url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path, RawPath: req.URL.RawPath}
	if req.Response != nil {
		u.Path, u.RawPath = "/...", "" // the server chose the path, in a redirect
	}
	return u.String()
}

type cappedBody struct {
	io.Reader
	io.Closer
}

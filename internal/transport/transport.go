// Package transport owns what every HTTP client of secretctl has in common:
// which addresses may be spoken to, what is worth another try, what -v shows,
// and how much of an answer is read. It never shows a header or a body.
package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/secretctl/secretctl/internal/hint"
)

// How often and how fast a transient failure is tried again: about four seconds
// in all, with the jitter that [Backoff] adds.
const (
	MaxRetries   = 4
	MinRetryWait = 250 * time.Millisecond
	MaxRetryWait = 2 * time.Second
)

const (
	maxBody        = 32 << 20 // the longest answer that is read, in bytes
	maxLoggedQuery = 200      // what is shown of a query: that of an exec has a script in it
)

// AddressError says that an address is not one that secretctl speaks to.
type AddressError struct {
	What, Reason string
	hint         string
}

func (e *AddressError) Error() string { return e.What + ": " + e.Reason }

// Hint says what to do.
func (e *AddressError) Hint() string { return e.hint }

// Usage says that it is a mistake of usage: nothing was attempted.
func (*AddressError) Usage() bool { return true }

// CheckAddress refuses an address to which no secret may be sent: one that is no
// http or https URL, one with credentials, a query or a fragment in it, and plain
// http to a host other than this one unless allowHTTP. what names the setting
// that it came from. The error is an [*AddressError] and never quotes credentials.
func CheckAddress(what, address string, allowHTTP bool) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return &AddressError{what, "is no http or https address", "write it as https://host:port"}
	case u.User != nil:
		return &AddressError{what, "has credentials in the address", "leave them out: credentials have settings of their own"}
	case strings.ContainsAny(address, "?#"): // also an empty one, which would swallow the path that is added
		return &AddressError{what, "has a query or fragment in the address", "write it as https://host:port"}
	case u.Scheme == "http" && !allowHTTP && !loopback(u.Hostname()):
		return &AddressError{
			what, fmt.Sprintf("%s would carry secrets over plain http to another host", address),
			"use https, or --allow-http where the network in between is trusted",
		}
	}
	return nil
}

// Loopback says whether an address is one of the machine that asks it.
func Loopback(address string) bool {
	u, err := url.Parse(address)
	return err == nil && loopback(u.Hostname())
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// CheckRetry says whether a request is worth another try: the connection was
// refused or broke, or the server is overloaded or failing for the moment. It has
// the signature that go-retryablehttp wants.
func CheckRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return Transient(resp, err), nil
}

// Transient is CheckRetry for who looks at the context itself. It has the signature
// that the Azure SDK wants.
func Transient(resp *http.Response, err error) bool {
	if err != nil {
		return transient(err)
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// Backoff says how long to wait before the next try: what the server asks for in
// Retry-After, else twice as long each time, and up to a quarter more, so that
// clients do not come back all at once. It has the signature that go-retryablehttp
// wants.
func Backoff(least, most time.Duration, attempt int, resp *http.Response) time.Duration {
	wait := retryablehttp.DefaultBackoff(least, most, attempt, resp)
	if wait <= 0 {
		return 0
	}
	return wait + rand.N(wait/4+1) //nolint:gosec // jitter
}

// Sleep waits for so long, or returns ctx.Err() where that ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func transient(err error) bool {
	return refused(runtime.GOOS, err) || broken(runtime.GOOS, err) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// The numbers of Windows Sockets: syscall's constants are not what Windows answers.
const (
	errAborted = syscall.Errno(10053)
	errReset   = syscall.Errno(10054)
	errRefused = syscall.Errno(10061)
)

func refused(goos string, err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || goos == "windows" && errors.Is(err, errRefused)
}

func broken(goos string, err error) bool {
	return errors.Is(err, syscall.ECONNRESET) ||
		goos == "windows" && (errors.Is(err, errReset) || errors.Is(err, errAborted))
}

// Explain restates why a request got no answer, in a few words and with a hint:
// net/http's own error is several layers long and repeats the URL. Where ctx has
// ended, that is the reason.
func Explain(ctx context.Context, err error) error {
	var dns *net.DNSError
	var netErr net.Error
	var certErr *tls.CertificateVerificationError
	var hostErr x509.HostnameError
	var opErr *net.OpError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case refused(runtime.GOOS, err):
		return hint.Wrap(errors.New("connection refused"), "is it running, and is the address right?")
	case errors.As(err, &dns) && dns.IsNotFound:
		return hint.Wrap(fmt.Errorf("host %s is not known", dns.Name), "check the address, or run where the name resolves")
	case errors.As(err, &dns):
		return hint.Wrap(fmt.Errorf("host %s could not be looked up", dns.Name), "does the name server answer?")
	case errors.As(err, &netErr) && netErr.Timeout():
		return hint.Wrap(errors.New("no answer in time"), "is a firewall in between?")
	case transient(err):
		return hint.Wrap(errors.New("the connection broke"), "is it the right port, and does it want https?")
	case errors.As(err, &hostErr):
		return hint.Wrap(fmt.Errorf("TLS: %w", hostErr), "use a name that the server's certificate has")
	case errors.As(err, &certErr):
		return hint.Wrap(fmt.Errorf("TLS: %w", innermost(err)), "give the CA that signed the server's certificate (VAULT_CACERT for Vault, SSL_CERT_FILE for Aidbox)")
	case errors.As(err, &opErr) && opErr.Op == "remote error": // how crypto/tls hands on an alert
		return hint.Wrap(innermost(err), "does the server want a client certificate, or another version of TLS?")
	case errors.Is(err, http.ErrSchemeMismatch):
		return hint.Wrap(errors.New("answered plain http"), "write the address as http://, or give the port that speaks https")
	}
	return innermost(err)
}

func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// Wrap returns a RoundTripper that reads at most 32 MiB of an answer and, where
// log is not nil, writes a line for each request: method, URL, status, duration.
// It writes one line at a time, whatever is under way at once.
func Wrap(next http.RoundTripper, log io.Writer) http.RoundTripper {
	return &roundTripper{next: next, log: log}
}

type roundTripper struct {
	next http.RoundTripper
	mu   sync.Mutex
	log  io.Writer
}

func (t *roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	start := time.Now()
	resp, err := t.next.RoundTrip(req)
	status := "no answer"
	if err == nil {
		status = fmt.Sprint(resp.StatusCode)
		resp.Body = cappedBody{io.LimitReader(resp.Body, maxBody), resp.Body}
	}
	if t.log != nil {
		u := *req.URL
		u.User = nil
		if len(u.RawQuery) > maxLoggedQuery {
			u.RawQuery = u.RawQuery[:maxLoggedQuery] + "..."
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		_, _ = fmt.Fprintf(t.log, "%s %s %s %s\n", req.Method, u.String(), status, time.Since(start).Round(time.Millisecond))
	}
	return resp, err
}

type cappedBody struct {
	io.Reader
	io.Closer
}

// Answered is the error of an answer that a server gives only when something is
// wrong with it or with the way to it, with a hint about which. detail follows the
// status, and may be "".
func Answered(status int, detail string) error {
	err := fmt.Errorf("answered %d%s", status, detail)
	switch {
	case status >= http.StatusInternalServerError:
		return hint.Wrap(err, "the fault is the server's own: its log says more, and it may pass; what was done stays done")
	case status >= http.StatusMultipleChoices && status < http.StatusBadRequest:
		return hint.Wrap(err, "it leads elsewhere: is the address right, and is a proxy in between?")
	}
	return err
}

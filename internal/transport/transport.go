// Package transport owns what every HTTP client of secretctl has in common:
// which addresses may be spoken to, what is worth another try, what -v shows,
// and how much of an answer is read. It never looks at a header or a body.
package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/secretctl/secretctl/internal/hint"
)

// How often and how fast a transient failure is tried again: about four seconds
// in all, with the jitter that go-retryablehttp adds.
const (
	MaxRetries   = 4
	MinRetryWait = 250 * time.Millisecond
	MaxRetryWait = 2 * time.Second
)

// maxBody is the longest answer that is read, in bytes.
const maxBody = 32 << 20

// AddressError says that an address is not one that secretctl speaks to.
type AddressError struct {
	What, Reason string
	hint         string
}

func (e *AddressError) Error() string { return e.What + ": " + e.Reason }

// Hint says what to do.
func (e *AddressError) Hint() string { return e.hint }

// CheckAddress refuses an address to which no secret may be sent: one that is no
// http or https URL, one with credentials, a query or a fragment in it, and plain
// http to a host other than this one unless allowHTTP. what names the setting
// that it came from. The error is an [*AddressError] and never quotes credentials.
func CheckAddress(what, address string, allowHTTP bool) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return &AddressError{what, "is no http or https address", "write it as https://host:port"}
	case u.User != nil:
		return &AddressError{what, "has credentials in the address", "leave them out: credentials have settings of their own"}
	case u.RawQuery != "" || u.Fragment != "":
		return &AddressError{what, "has a query or fragment in the address", "write it as https://host:port"}
	case u.Scheme == "http" && !allowHTTP && !loopback(u.Hostname()):
		return &AddressError{
			what, fmt.Sprintf("%s would carry secrets over plain http to another host", address),
			"use https, or --allow-http where the network in between is trusted",
		}
	}
	return nil
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
	if err != nil {
		return transient(err), nil
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true, nil
	}
	return false, nil
}

func transient(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// Explain restates why a request got no answer, in a few words and with a hint:
// net/http's own error is several layers long and repeats the URL. Errors of the
// context pass through it unchanged.
func Explain(err error) error {
	var dns *net.DNSError
	var netErr net.Error
	var urlErr *url.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &netErr):
		return err
	case errors.Is(err, syscall.ECONNREFUSED):
		return hint.Wrap(errors.New("connection refused"), "is it running, and is the address right?")
	case errors.As(err, &dns):
		return hint.Wrap(fmt.Errorf("host %s is not known", dns.Name), "check the address, or run where the name resolves")
	case errors.As(err, &netErr) && netErr.Timeout():
		return hint.Wrap(errors.New("no answer in time"), "is a firewall in between?")
	case errors.As(err, &urlErr):
		if s := urlErr.Err.Error(); strings.Contains(s, "x509:") || strings.Contains(s, "tls:") {
			return hint.Wrap(fmt.Errorf("TLS: %w", innermost(urlErr.Err)), "give the CA that signed the server's certificate (VAULT_CACERT for Vault, SSL_CERT_FILE for Aidbox)")
		}
		return innermost(urlErr.Err)
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
func Wrap(next http.RoundTripper, log io.Writer) http.RoundTripper {
	return roundTripper{next, log}
}

type roundTripper struct {
	next http.RoundTripper
	log  io.Writer
}

func (t roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
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
		_, _ = fmt.Fprintf(t.log, "%s %s %s %s\n", req.Method, u.String(), status, time.Since(start).Round(time.Millisecond))
	}
	return resp, err
}

type cappedBody struct {
	io.Reader
	io.Closer
}

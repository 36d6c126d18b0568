package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
)

// Error explains in its own words why a request got no response, or not the right one.
// Its cause, which may quote a server or a setting, can be tested for but not read.
type Error struct {
	text, hint string
	cause      error
	byProxy    bool
}

// ByProxy reports whether the request got no further than a proxy.
func (e *Error) ByProxy() bool { return e.byProxy }

func (e *Error) Error() string { return e.text }

// Hint says what to do.
func (e *Error) Hint() string { return e.hint }

// Is reports whether the cause is target. The caller's deadline is no cause.
func (e *Error) Is(target error) bool {
	return e.cause != nil && target != context.DeadlineExceeded && target != context.Canceled && errors.Is(e.cause, target)
}

var (
	errMalformed = &Error{text: "malformed response", hint: "check the address and port, and any proxy in between"}
	errHeader    = &Error{text: "a credential has a character that no header can carry, such as a line break", hint: "write it again without one: printf %s instead of echo"}
)

// RedirectError is the error of a redirect that is not followed.
type RedirectError struct {
	Status int    // 0 if it was followed until it led to another host
	Target string // the address that it leads to, not sanitized
}

func (e *RedirectError) Error() string {
	if e.Status == 0 {
		return "answered a redirect to another host, which is not followed"
	}
	return fmt.Sprintf("answered %d, a redirect", e.Status)
}

// Hint says what to do.
func (e *RedirectError) Hint() string {
	return "put the final address into the config; proxies and login pages also answer with redirects"
}

// Ended returns ctx.Err() as "timed out" or "interrupted".
func Ended(ctx context.Context) error { return endedError{ctx.Err()} }

type endedError struct{ error }

func (e endedError) Unwrap() error { return e.error }

func (e endedError) Error() string {
	if errors.Is(e.error, context.DeadlineExceeded) {
		return "timed out"
	}
	return "interrupted"
}

// Explained marks an error as safe to show, such as one of a tunnel. [Explain] returns
// it unchanged.
func Explained(err error) error { return explained{err} }

type explained struct{ error }

func (e explained) Unwrap() error { return e.error }

// Explain restates why a request got no response, with a hint: the errors of net/http are
// several layers long, and repeat the URL, headers, certificates and settings. If ctx
// has ended, that is the reason.
func Explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return Ended(ctx)
	}
	if safe, ok := errors.AsType[explained](err); ok {
		return safe.error
	}
	if redirect, ok := errors.AsType[*RedirectError](err); ok {
		return redirect
	}
	if explained, ok := errors.AsType[*Error](err); ok {
		return explained
	}
	text, hint := words(err)
	return &Error{text: text, hint: hint, cause: err}
}

func words(err error) (text, hint string) {
	var dns *net.DNSError
	var netErr net.Error
	switch {
	case isAny(err, refused):
		return "connection refused", "is it running, and is the address right?"
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("host %s is not known", dns.Name), "check the address, or run where the name resolves"
	case errors.As(err, &dns):
		return fmt.Sprintf("host %s could not be looked up", dns.Name), "does the name server answer?"
	case errors.As(err, &netErr) && netErr.Timeout():
		return "no answer in time", "is a firewall in between?"
	case transient(err):
		return "the connection broke", "is it the right port, and does it want https?"
	}
	if text, hint, ok := tlsWords(err); ok {
		return text, hint
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error(), ""
	}
	return errMalformed.text, errMalformed.hint
}

// tlsWords quotes nothing of a certificate, since the server wrote it.
func tlsWords(err error) (text, hint string, ok bool) {
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var authority x509.UnknownAuthorityError
	var certificate *tls.CertificateVerificationError
	var op *net.OpError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &host):
		return fmt.Sprintf("TLS: the server's certificate is not for %s", host.Host), "use a name that the certificate has", true
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "TLS: the server's certificate has expired or is not valid yet", "renew it, and check the clocks of both machines", true
	case errors.As(err, &authority):
		return "TLS: the server's certificate is signed by an unknown authority", "give the CA that signed it (VAULT_CACERT for Vault, SSL_CERT_FILE for Aidbox)", true
	case errors.As(err, &certificate), errors.As(err, &invalid):
		return "TLS: the server's certificate is not valid", "give the CA that signed it (VAULT_CACERT for Vault, SSL_CERT_FILE for Aidbox)", true
	case errors.As(err, &op) && op.Op == "remote error": // an alert of the server, which is a number
		return op.Err.Error(), "does the server want a client certificate, or another version of TLS?", true
	case errors.Is(err, http.ErrSchemeMismatch):
		return "answered plain http", "write the address as http://, or give the port that speaks https", true
	case errors.As(err, &record):
		return "answered something that is not TLS", "is it the port that speaks https?", true
	}
	return "", "", false
}

// Answered is the error of a status that means that something is wrong with the server or
// with the way to it, with a hint about which. detail follows the status and may be "";
// the caller sanitizes what it quotes.
func Answered(status int, detail string) error {
	e := &Error{text: fmt.Sprintf("answered %d%s", status, detail)}
	switch {
	case status >= http.StatusInternalServerError:
		e.hint = "the server failed: look at its log, or run it again later"
	case status >= http.StatusMultipleChoices && status < http.StatusBadRequest:
		e.hint = "it redirects: is the address right, and is a proxy in between?"
	}
	return e
}

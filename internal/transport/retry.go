package transport

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"syscall"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// How often and how fast a transient failure is tried again: about four seconds
// in all, with the jitter that [Backoff] adds.
const (
	MaxRetries   = 4
	MinRetryWait = 250 * time.Millisecond
	MaxRetryWait = 2 * time.Second
)

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

// Sleep waits for so long, or returns [Ended] where that ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 && ctx.Err() == nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return Ended(ctx)
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

package transport

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// How often and how fast to retry after a transient failure: for about four seconds,
// plus the jitter of [Backoff].
const (
	MaxRetries   = 4
	MinRetryWait = 250 * time.Millisecond
	MaxRetryWait = 2 * time.Second
)

// CheckRetry reports whether to retry a request: the connection was refused or broke, or
// the server is overloaded or temporarily failing. go-retryablehttp prescribes the
// signature.
func CheckRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return Transient(resp, err), nil
}

// Transient is CheckRetry for callers that check the context themselves. The Azure SDK
// prescribes the signature.
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

// Backoff returns how long to wait before the next try: Retry-After, else twice as long
// each time, plus up to a quarter of jitter. go-retryablehttp prescribes the signature.
func Backoff(least, most time.Duration, attempt int, resp *http.Response) time.Duration {
	wait := retryablehttp.DefaultBackoff(least, most, attempt, resp)
	if wait <= 0 {
		return 0
	}
	return wait + rand.N(wait/4+1) //nolint:gosec // jitter
}

// Sleep waits for d, or returns [Ended] if ctx ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return Ended(ctx)
	case <-time.After(d):
		return nil
	}
}

// refused and broken have the errors of Windows Sockets too: they are not syscall's.
var (
	refused = []error{syscall.ECONNREFUSED, syscall.Errno(10061)}
	broken  = []error{syscall.ECONNRESET, syscall.Errno(10054), syscall.Errno(10053), syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF}
)

func transient(err error) bool { return isAny(err, refused) || isAny(err, broken) }

func isAny(err error, targets []error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}

// Package pushgateway hands metrics to a Prometheus Pushgateway. It refuses an
// address that has credentials in it, and sends nothing but what it is given.
package pushgateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/transport"
)

// The path of a group of metrics, and the one for an address that names none.
const (
	groupPath    = "/metrics/job/"
	defaultGroup = groupPath + "secretctl"
)

// textFormat is Prometheus's text exposition.
const textFormat = "text/plain; version=0.0.4; charset=utf-8"

// Options says which Pushgateway.
type Options struct {
	URL       string // its address, or that of a group: https://HOST/metrics/job/NAME/LABEL/VALUE
	AllowHTTP bool   // plain http to another host is fine
	Log       io.Writer
}

// Check refuses an address that nothing would be sent to. The error is a
// [*transport.AddressError].
func (o Options) Check() error { return transport.CheckAddress("push URL", o.URL, o.AllowHTTP) }

// Group returns the address of the group that the metrics go to.
func (o Options) Group() string {
	address := strings.TrimRight(o.URL, "/")
	if strings.Contains(address, groupPath) {
		return address
	}
	return address + defaultGroup
}

// Put puts metrics in the place of all that their group had.
func Put(ctx context.Context, o Options, metrics []byte) error {
	if err := o.Check(); err != nil {
		return err
	}
	h := retryablehttp.NewClient()
	h.Logger = nil
	h.RetryMax, h.RetryWaitMin, h.RetryWaitMax = transport.MaxRetries, transport.MinRetryWait, transport.MaxRetryWait
	h.CheckRetry, h.Backoff = transport.CheckRetry, transport.Backoff
	h.ErrorHandler = retryablehttp.PassthroughErrorHandler
	h.HTTPClient.Transport = transport.Wrap(h.HTTPClient.Transport, o.Log)
	h.HTTPClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer h.HTTPClient.CloseIdleConnections()
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPut, o.Group(), metrics)
	if err != nil {
		return fmt.Errorf("push: %s is no URL", o.URL)
	}
	req.Header.Set("Content-Type", textFormat)
	resp, err := h.Do(req)
	if err != nil {
		return fmt.Errorf("push: %s: %w", o.URL, transport.Explain(ctx, err))
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		return hint.Wrap(fmt.Errorf("push: %s: answered %d", o.Group(), resp.StatusCode), "is it a Pushgateway, and does it let this in?")
	}
	return nil
}

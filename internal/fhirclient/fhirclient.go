// Package fhirclient is the client of Aidbox: it puts resources that refer to secrets by
// masked extensions, reads them back, and tests whether Aidbox accepts a credential. It
// does not send a literal where a reference belongs, does not call a resource applied if a
// literal came back, follows no redirect, and shows no value that Aidbox returned.
package fhirclient

import (
	"cmp"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/transport"
)

const quickTimeout = 5 * time.Second

// Options are the Aidbox to connect to, and the credentials for it.
type Options struct {
	URL       string // may have a base path
	From      string // where the URL was set, for errors; may be ""
	ClientID  string // the admin Client
	Owner     string // of the resources that are written: a delivery
	Secret    secret.Value
	AllowHTTP bool      // plain http to another host
	Log       io.Writer // a line for each request; nil for none
	// Timeout is for one try, with its response; 0 means [transport.RequestTimeout].
	Timeout time.Duration
	// Sanitizer learns the secrets that are sent, and cleans what Aidbox says.
	Sanitizer *secret.Sanitizer
	// Tunnel, if set, carries the requests to Aidbox, whatever host the URL names. It
	// encrypts them itself, so that the URL may be plain http.
	Tunnel http.RoundTripper
}

// Client is for one Aidbox. Several goroutines may use it if they may use the log.
type Client struct {
	Adopt     bool // also change resources with another owner
	http      *retryablehttp.Client
	tunnelled bool
	base      string
	name      string // for errors
	clientID  string
	owner     string
	secret    secret.Value
	sanitizer *secret.Sanitizer

	identifying sync.Mutex
	identified  atomic.Bool // as Aidbox
	failed      struct {    // the last error of identifying it
		err error
		at  time.Time
	}
}

// Close closes the connections that no request uses. The Client still works afterwards.
func (c *Client) Close() { c.http.HTTPClient.CloseIdleConnections() }

// New returns a Client and connects to nothing. The error is a
// [*transport.AddressError].
func New(o Options) (*Client, error) {
	if err := transport.CheckAddress("aidbox.url", o.URL, o.AllowHTTP || o.Tunnel != nil, "/fhir"); err != nil {
		return nil, err
	}
	base := transport.Base()
	if err := transport.CheckProxy("aidbox.url", o.URL, base.Proxy, o.AllowHTTP || o.Tunnel != nil); err != nil {
		return nil, err
	}
	h := retryablehttp.NewClient()
	h.Logger = nil
	h.RetryMax, h.RetryWaitMin, h.RetryWaitMax = transport.MaxRetries, transport.MinRetryWait, transport.MaxRetryWait
	h.CheckRetry = transport.CheckRetry
	h.Backoff = transport.Backoff
	h.ErrorHandler = retryablehttp.PassthroughErrorHandler
	h.HTTPClient.Timeout = cmp.Or(o.Timeout, transport.RequestTimeout)
	h.HTTPClient.Transport = transport.Wrap(cmp.Or[http.RoundTripper](o.Tunnel, base), o.Log)
	// The address of a redirect would receive the credentials.
	h.HTTPClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{
		http:      h,
		tunnelled: o.Tunnel != nil,
		base:      strings.TrimRight(o.URL, "/"),
		name:      transport.Named("aidbox", o.URL, o.From),
		clientID:  o.ClientID,
		owner:     o.Owner,
		secret:    o.Secret,
		sanitizer: cmp.Or(o.Sanitizer, &secret.Sanitizer{}),
	}, nil
}

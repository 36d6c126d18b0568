// Package fhirclient speaks to Aidbox over HTTP: it puts resources that refer to
// secrets by masked extensions, reads them back, and tries whether a credential
// is accepted. It refuses to send a literal where a reference belongs, to call a
// resource applied when a literal came back, to follow a redirect, and to show a
// value that Aidbox returned.
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

// Options says which Aidbox to speak to, and as whom.
type Options struct {
	URL       string // a base path in it is kept
	From      string // where the URL was set, for errors; may be ""
	ClientID  string // the admin Client
	Owner     string // the delivery that resources are written for
	Secret    secret.Value
	AllowHTTP bool      // plain http to another host
	Log       io.Writer // a line for each request; nil for none
	// Timeout is for one try, with its answer; [transport.RequestTimeout] where it is 0.
	Timeout time.Duration
	// Sanitizer learns the secrets that are sent, and cleans what Aidbox says.
	Sanitizer *secret.Sanitizer
	// Tunnel, where it is set, takes the requests to Aidbox whatever host the URL
	// names. It keeps them secret itself, so that the URL may be plain http.
	Tunnel http.RoundTripper
}

// Client speaks to one Aidbox. It may be used by several goroutines where the
// log may.
type Client struct {
	Adopt     bool // change resources that have another owner, too
	http      *retryablehttp.Client
	tunnelled bool
	base      string
	name      string // for errors
	clientID  string
	owner     string
	secret    secret.Value
	sanitizer *secret.Sanitizer

	identifying sync.Mutex
	identified  atomic.Bool // that it is Aidbox
	failed      struct {    // why it was not known to be, the last time
		err error
		at  time.Time
	}
}

// Close closes the connections that no request uses. It may be used afterwards.
func (c *Client) Close() { c.http.HTTPClient.CloseIdleConnections() }

// New returns a Client and connects to nothing. The error is a
// [*transport.AddressError].
func New(o Options) (*Client, error) {
	if err := transport.CheckAddress("aidbox.url", o.URL, o.AllowHTTP || o.Tunnel != nil, "/fhir"); err != nil {
		return nil, err
	}
	h := retryablehttp.NewClient()
	h.Logger = nil
	h.RetryMax, h.RetryWaitMin, h.RetryWaitMax = transport.MaxRetries, transport.MinRetryWait, transport.MaxRetryWait
	h.CheckRetry = transport.CheckRetry
	h.Backoff = transport.Backoff
	h.ErrorHandler = retryablehttp.PassthroughErrorHandler
	h.HTTPClient.Timeout = cmp.Or(o.Timeout, transport.RequestTimeout)
	var over http.RoundTripper = transport.Base()
	if o.Tunnel != nil {
		over = o.Tunnel
	}
	h.HTTPClient.Transport = transport.Wrap(over, o.Log)
	// Whatever address a redirect names would be given the credentials.
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

package fhirclient

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/transport"
)

// maxAnswer is the longest response that is read, in bytes: resources with secrets are
// small.
const maxAnswer = 4 << 20

type request struct {
	method, path string
	contentType  string
	body         []byte
	user         string // Basic; "" for no credentials
	password     secret.Value
	quick        bool // one try, of at most five seconds
}

// answer is a response, read to its end or to the limit.
type answer struct {
	status  int
	body    []byte
	problem string // why Aidbox would not send it, or ""
}

// send returns an error only if there was no response, or not Aidbox's. It is one line,
// and wraps the context's error if that ended.
func (c *Client) send(ctx context.Context, r request) (answer, error) {
	if err := c.identify(ctx, r.quick); err != nil {
		return answer{}, err
	}
	return c.exchange(ctx, r)
}

// exchange is send for any server.
func (c *Client) exchange(ctx context.Context, r request) (answer, error) {
	// Not a nil []byte in an interface, which would be an empty body.
	var body any
	if r.body != nil {
		body = r.body
	}
	limited, do := ctx, c.http.Do
	if r.quick {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, quickTimeout)
		defer cancel()
		do = func(req *retryablehttp.Request) (*http.Response, error) { return c.http.HTTPClient.Do(req.Request) }
	}
	req, err := retryablehttp.NewRequestWithContext(limited, r.method, c.base+r.path, body)
	if err != nil {
		return answer{}, fmt.Errorf("aidbox: path %q is not a URL path", r.path)
	}
	req.Header.Set("Accept", "application/json")
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if r.user != "" {
		c.sanitizer.Learn(r.password)
		req.SetBasicAuth(r.user, string(r.password.Reveal()))
	}
	resp, err := do(req)
	if resp != nil {
		defer func() { _ = resp.Body.Close() }()
	}
	if err != nil {
		return answer{}, c.noAnswer(ctx, r, err)
	}
	a := answer{status: resp.StatusCode}
	var readErr error
	a.body, readErr = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if ctx.Err() != nil {
		return answer{}, c.noAnswer(ctx, r, transport.Ended(ctx))
	}
	a.problem = c.problem(resp, a.body, readErr)
	return a, nil
}

// problem returns why Aidbox would not send a response, or "".
func (c *Client) problem(resp *http.Response, body []byte, readErr error) string {
	trimmed := bytes.TrimSpace(body)
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return c.redirect(resp)
	case readErr != nil:
		return "the answer broke off"
	case len(body) > maxAnswer:
		return fmt.Sprintf("the answer is longer than %d MiB", maxAnswer>>20)
	case len(trimmed) == 0:
		return "the answer is empty"
	case strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html"), trimmed[0] == '<':
		return "answered HTML, not FHIR JSON"
	case trimmed[0] != '{' || !json.Valid(trimmed):
		return "answered something that is not a JSON object"
	}
	return ""
}

// redirect describes where a redirect leads, without the parts of an address that may
// carry credentials.
func (c *Client) redirect(resp *http.Response) string {
	u, err := resp.Location()
	if err != nil {
		return "answered a redirect"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return "answered a redirect to " + c.sanitizer.Line(u.String())
}

func (c *Client) noAnswer(ctx context.Context, r request, err error) error {
	err = transport.Explain(ctx, err)
	if c.tunnelled && ctx.Err() == nil {
		err = tunnelError{err}
	}
	return fmt.Errorf("%s: %s %s: %w", c.name, r.method, r.path, err)
}

// tunnelError is the error of a tunnel. It hides [fs.ErrNotExist]: an absent pod must not
// look like an absent Client.
type tunnelError struct{ err error }

func (e tunnelError) Error() string      { return e.err.Error() }
func (e tunnelError) Hint() string       { return hint.Of(e.err) }
func (e tunnelError) As(target any) bool { return errors.As(e.err, target) }

// Error is the error of an unexpected response of Aidbox.
type Error struct {
	status     int
	text, hint string
}

func (e *Error) Error() string { return e.text }

// Hint says what to do, if that follows from the response.
func (e *Error) Hint() string { return e.hint }

// StatusCode returns the HTTP status.
func (e *Error) StatusCode() int { return e.status }

// fail returns the Error of a response.
func (c *Client) fail(r request, a answer) error {
	what := cmp.Or(c.detail(a), strings.ToLower(http.StatusText(a.status)))
	text := fmt.Sprintf("%s: %s %s: %d: %s", c.name, r.method, r.path, a.status, what)
	return &Error{a.status, strings.TrimSuffix(text, ": "), hintFor(a)}
}

// detail returns in one line what an unsuccessful response says.
func (c *Client) detail(a answer) string {
	if len(bytes.TrimSpace(a.body)) == 0 && a.status >= 400 {
		return ""
	}
	if a.problem != "" {
		return a.problem
	}
	return outcome(a.body, c.sanitizer)
}

func hintFor(a answer) string {
	switch {
	case a.status >= 300 && a.status < 400:
		return "redirects are not followed, because they would carry the credentials elsewhere: put the final address into aidbox.url"
	case a.status == http.StatusUnauthorized:
		return "check aidbox.admin: is the client right, and is its secret the one that Aidbox has?"
	case a.status == http.StatusForbidden:
		return "the Client in aidbox.admin is known but may not do this: use a root Client, or give it an AccessPolicy"
	case a.status == http.StatusNotFound:
		return "is aidbox.url the address of Aidbox itself, and is it Aidbox 2602 or later?"
	case a.status == http.StatusTooManyRequests:
		return "Aidbox is overloaded: try again later"
	case a.status >= 500:
		return "Aidbox is failing or still starting: look at its log, then try again"
	case a.status < 300:
		return "is aidbox.url the address of Aidbox itself, and not of a proxy or a login page?"
	}
	return ""
}

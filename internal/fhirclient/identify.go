package fhirclient

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/secretctl/secretctl/internal/hint"
)

// Health returns nil if Aidbox answers and is healthy. It tries once, for at most five
// seconds, and sends no credentials.
func (c *Client) Health(ctx context.Context) error {
	r := request{method: http.MethodGet, path: "/health", quick: true}
	a, err := c.recognize(ctx, r)
	if err == nil && a.status != http.StatusOK {
		return c.fail(r, a)
	}
	return err
}

// identify checks once, before the first request, that the server is Aidbox: no other
// gets credentials, and no response of another counts as Aidbox's.
func (c *Client) identify(ctx context.Context, quick bool) error {
	c.identifying.Lock()
	defer c.identifying.Unlock()
	if c.identified.Load() {
		return nil
	}
	if c.failed.err != nil && time.Since(c.failed.at) < askAgain {
		return c.failed.err
	}
	_, err := c.recognize(ctx, request{method: http.MethodGet, path: "/health", quick: quick})
	if ctx.Err() == nil {
		c.failed.err, c.failed.at = err, time.Now()
	}
	return err
}

// askAgain is how long the error of a server that does not answer, or is not Aidbox,
// holds for the requests that waited for the same check.
const askAgain = 3 * time.Second

// recognize returns the response to a request for the health of Aidbox, or an error if
// another server sent it. A proxy may hide /health, so Aidbox's CapabilityStatement is
// proof too.
func (c *Client) recognize(ctx context.Context, r request) (answer, error) {
	a, err := c.exchange(ctx, r)
	if err != nil {
		return a, err
	}
	var health struct{ Status, Description string }
	_ = json.Unmarshal(a.body, &health) // Aidbox always sends JSON
	other := aidboxItself
	if health.Status == "" || !isAidbox(health.Description) {
		if a.status >= http.StatusInternalServerError || a.status == http.StatusTooManyRequests {
			return a, c.fail(r, a)
		}
		if other, err = c.software(ctx); err != nil {
			return a, err
		}
	}
	c.identified.Store(other == aidboxItself)
	if other == aidboxItself {
		return a, nil
	}
	return a, hint.Wrap(fmt.Errorf("%s: not Aidbox but %s", c.name, c.describe(a, other)),
		"set the address of Aidbox itself, the one at which /health says \"health of aidbox\"")
}

const aidboxItself = "Aidbox"

// software returns the name of the FHIR server at the address, or "".
func (c *Client) software(ctx context.Context) (string, error) {
	a, err := c.exchange(ctx, request{method: http.MethodGet, path: "/fhir/metadata", quick: true})
	if err != nil {
		return "", err
	}
	var s struct {
		ResourceType, Name string
		Software           struct{ Name, Version string }
		Implementation     struct{ Description string }
	}
	_ = json.Unmarshal(a.body, &s)
	switch {
	case s.ResourceType == "OperationOutcome" && (a.status == http.StatusUnauthorized || a.status == http.StatusForbidden):
		return aidboxItself, nil // as far as anybody knows without credentials
	case s.ResourceType != "CapabilityStatement":
		return "", nil
	case isAidbox(s.Name + s.Software.Name + s.Implementation.Description):
		return aidboxItself, nil
	}
	return cmp.Or(c.sanitizer.Line(join(" ", s.Software.Name, s.Software.Version)), "another FHIR server"), nil
}

func isAidbox(text string) bool { return strings.Contains(strings.ToLower(text), "aidbox") }

var pageTitle = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?is)<title[^>]*>(.{1,200}?)</title>`) })

// describe names the server that answers in place of Aidbox.
func (c *Client) describe(a answer, software string) string {
	title := pageTitle().FindSubmatch(a.body)
	switch {
	case software != "":
		return software
	case a.status >= 300 && a.status < 400:
		return "a server that " + a.problem
	case a.status != http.StatusOK:
		return fmt.Sprintf("a server that answers %d to /health", a.status)
	case title != nil:
		return fmt.Sprintf("a web page, %q", c.sanitizer.Line(html.UnescapeString(string(title[1]))))
	}
	return "a server with another /health"
}

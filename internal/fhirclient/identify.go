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
	"time"

	"github.com/secretctl/secretctl/internal/hint"
)

// Health says whether it is Aidbox that answers, and that it is healthy. It tries
// once, for at most five seconds, and sends no credentials.
func (c *Client) Health(ctx context.Context) error {
	r := request{method: http.MethodGet, path: "/health", quick: true}
	a, err := c.recognize(ctx, r)
	if err == nil && a.status != http.StatusOK {
		return c.fail(r, a)
	}
	return err
}

// identify finds out once, before the first request, that it is Aidbox that answers:
// nothing else is given credentials, and no answer of anything else is taken for one
// of Aidbox.
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

// askAgain is how long what did not answer, or is not Aidbox, is left alone: those who
// waited for the same answer take it.
const askAgain = 3 * time.Second

// recognize returns the answer to a request for the health of Aidbox, or an error if
// it comes from something else. A proxy may keep the health to itself, so the
// CapabilityStatement of Aidbox is proof, too.
func (c *Client) recognize(ctx context.Context, r request) (answer, error) {
	a, err := c.exchange(ctx, r)
	if err != nil {
		return a, err
	}
	var health struct{ Status, Description string }
	_ = json.Unmarshal(a.body, &health) // what is no JSON is not Aidbox's
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

// software returns the name of the FHIR server that answers, or "".
func (c *Client) software(ctx context.Context) (string, error) {
	for _, path := range []string{"/fhir/metadata", "/metadata"} {
		a, err := c.exchange(ctx, request{method: http.MethodGet, path: path, quick: true})
		if err != nil {
			return "", err
		}
		var s struct {
			ResourceType, Name, Title string
			Software                  struct{ Name, Version string }
			Implementation            struct{ Description string }
		}
		_ = json.Unmarshal(a.body, &s)
		switch {
		case s.ResourceType == "OperationOutcome" && (a.status == http.StatusUnauthorized || a.status == http.StatusForbidden):
			return aidboxItself, nil // for all that can be known without credentials
		case s.ResourceType != "CapabilityStatement":
		case isAidbox(s.Name + s.Software.Name + s.Implementation.Description):
			return aidboxItself, nil
		default:
			name := cmp.Or(join(" ", s.Software.Name, s.Software.Version), s.Implementation.Description, s.Title, s.Name)
			return cmp.Or(c.sanitizer.Line(name), "another FHIR server"), nil
		}
	}
	return "", nil
}

func isAidbox(text string) bool { return strings.Contains(strings.ToLower(text), "aidbox") }

var pageTitle = regexp.MustCompile(`(?is)<title[^>]*>(.{1,200}?)</title>`)

// describe says what answers in place of Aidbox.
func (c *Client) describe(a answer, software string) string {
	title := pageTitle.FindSubmatch(a.body)
	switch {
	case software != "":
		return software
	case a.status >= 300 && a.status < 400:
		return "a server that " + a.problem
	case a.status == http.StatusOK && title != nil:
		return fmt.Sprintf("a web page, %q", c.sanitizer.Line(html.UnescapeString(string(title[1]))))
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		return fmt.Sprintf("a server or proxy that answers %d to /health, which needs no login in Aidbox", a.status)
	case a.status != http.StatusOK:
		return fmt.Sprintf("a server that answers %d to /health and does not have /fhir/metadata", a.status)
	case a.problem != "":
		return "a server with another /health: " + a.problem
	}
	return "a server with another /health"
}

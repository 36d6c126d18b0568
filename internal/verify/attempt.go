package verify

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
)

// The grant types that the checks use.
const (
	grantBasic       = "basic"
	grantCredentials = "client_credentials"
)

// client is a Client of the config that has one of its secrets, and the Aidbox to
// authenticate with.
type client struct {
	config.Resource
	secret config.Secret
	path   string // for Basic authentication
	aidbox Aidbox
	clean  *secret.Sanitizer
}

// client returns a resource as such a Client; ok is false if it is none.
func (r *run) client(res config.Resource) (c client, ok bool) {
	s, known := r.d.Secret(res.Secrets["secret"])
	return client{res, s, r.d.Aidbox.Probe, r.Aidbox, r.Sanitizer}, known && res.Type == "Client"
}

// clientWith returns the first Client that uses a secret with one of the grant types, or nil.
func (r *run) clientWith(s config.Secret, grants ...string) *client {
	for _, res := range r.d.Resources {
		if c, ok := r.client(res); ok && c.secret.Name == s.Name && slices.ContainsFunc(grants, c.grants) {
			return &c
		}
	}
	return nil
}

func (c client) grants(grant string) bool {
	switch grants := c.Body["grant_types"].(type) {
	case []any:
		return slices.Contains(grants, any(grant))
	case []string:
		return slices.Contains(grants, grant)
	}
	return false
}

// at returns the client as another Aidbox has it.
func (c client) at(aidbox Aidbox) *client {
	c.aidbox = aidbox
	return &c
}

// attempt is the response to one attempt to authenticate.
type attempt struct {
	outcome
	asked, said, hint string
	remark            string // what the server said in addition to the status
	noResponse        bool
}

// outcome is what a response means.
type outcome int

const (
	unclear    outcome = iota // no response, or one that may differ the next time
	accepted                  // authenticated and allowed
	forbidden                 // authenticated, not allowed
	refused                   // not authenticated
	irrelevant                // a clear response that says nothing about the secret
)

// String includes the remark, which the brief form omits.
func (a attempt) String() string {
	if a.remark == "" {
		return a.brief()
	}
	return a.brief() + " (" + a.remark + ")"
}

func (a attempt) brief() string { return a.asked + " " + a.said }

// unproven is the result of an attempt that neither accepted nor refused the value.
func (a attempt) unproven(where string) Result {
	if a.outcome == irrelevant {
		return Fail("%s%s: which says nothing about the secret", where, a).WithHint("%s", a.hint)
	}
	return a.unknown(where)
}

func (a attempt) unknown(where string) Result {
	return Unknown("%s%s", where, a).WithHint("%s", a.hint)
}

// authenticate tries a value by one of the Client's grant types.
func (c client) authenticate(ctx context.Context, v secret.Value) attempt {
	if c.grants(grantBasic) {
		return c.probe(ctx, v)
	}
	return c.token(ctx, v)
}

// probe requests the path that the config names, by Basic authentication.
func (c client) probe(ctx context.Context, v secret.Value) attempt {
	status, detail, err := c.aidbox.Probe(ctx, c.path, c.ID, v)
	a := c.attempted("GET "+c.path, status, detail, err)
	if status == http.StatusForbidden {
		a.outcome = forbidden
	}
	if a.outcome == irrelevant {
		a.hint = "set aidbox.probe to a path that Aidbox answers with 200"
	}
	return a
}

// token requests an access token. OAuth says invalid_client with 400 or 401.
func (c client) token(ctx context.Context, v secret.Value) attempt {
	status, detail, err := c.aidbox.Token(ctx, c.ID, v)
	a := c.attempted("POST /auth/token", status, detail, err)
	if status == http.StatusBadRequest {
		a.outcome = refused
	}
	return a
}

// attempted returns what a response usually means. A success with a remark did not come
// from Aidbox, or did not have what was requested.
func (c client) attempted(asked string, status int, detail string, err error) attempt {
	const notAidbox = "check aidbox.url and aidbox.probe: something other than Aidbox may have answered"
	if err != nil {
		return attempt{asked: asked, said: "got no response: " + c.clean.Line(err.Error()), hint: hint.Of(err), noResponse: true}
	}
	a := attempt{asked: asked, said: fmt.Sprintf("answered %d", status), remark: c.clean.Line(detail)}
	switch {
	case status/100 == 2 && detail == "":
		a.outcome = accepted
	case status/100 == 2:
		a.hint = notAidbox
	case status == http.StatusUnauthorized:
		a.outcome = refused
	case status < 500 && status != http.StatusTooManyRequests:
		a.outcome, a.hint = irrelevant, notAidbox
	}
	return a
}

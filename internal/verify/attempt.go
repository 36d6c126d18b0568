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

// client is a Client whose secret is one of the delivery's, and where to
// authenticate as it.
type client struct {
	config.Resource
	secret config.Secret
	path   string // that Basic authentication is tried on
	aidbox Aidbox
	clean  *secret.Sanitizer
}

// clientOf returns how to authenticate as a resource, where it is such a Client.
func clientOf(d *config.Delivery, deps Dependencies, res config.Resource) (client, bool) {
	s, known := d.Secret(res.Secrets["secret"])
	return client{res, s, d.Aidbox.Probe, deps.Aidbox, deps.Sanitizer}, known && res.Type == "Client"
}

// clientWith returns the first Client that uses a secret with one of the grant
// types; nil where there is none.
func clientWith(d *config.Delivery, deps Dependencies, s config.Secret, grants ...string) *client {
	for _, res := range d.Resources {
		if c, ok := clientOf(d, deps, res); ok && c.secret.Name == s.Name && slices.ContainsFunc(grants, c.grants) {
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

// at returns the client as one pod has it.
func (c client) at(aidbox Aidbox) *client {
	c.aidbox = aidbox
	return &c
}

// attempt is what came of one try to authenticate.
type attempt struct {
	outcome
	asked, said, hint string
	remark            string // what the server said beside the status
	silent            bool   // there was no answer at all
}

// outcome is what the answer to an attempt means.
type outcome int

const (
	unclear   outcome = iota // no answer, or one that may be another next time
	accepted                 // authenticated and allowed
	forbidden                // authenticated, not allowed
	refused                  // not authenticated
	odd                      // a clear answer, but not about the secret
)

// String has what the server said, which the brief form leaves out.
func (a attempt) String() string {
	if a.remark == "" {
		return a.brief()
	}
	return a.brief() + " (" + a.remark + ")"
}

func (a attempt) brief() string   { return a.asked + " " + a.said }
func (a attempt) unknown() Result { return Unknown("%s", a).WithHint("%s", a.hint) }

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
	if a.outcome == odd {
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

// attempted puts in words what came back, and what that means as a rule. A success
// with a remark did not come from Aidbox, or did not bring what was asked for.
func (c client) attempted(asked string, status int, detail string, err error) attempt {
	const between = "check aidbox.url and aidbox.probe: something other than Aidbox may have answered"
	if err != nil {
		return attempt{asked: asked, said: "got no response: " + c.clean.Line(err.Error()), hint: hint.Of(err), silent: true}
	}
	a := attempt{asked: asked, said: fmt.Sprintf("answered %d", status), remark: c.clean.Line(detail)}
	switch {
	case status/100 == 2 && detail == "":
		a.outcome = accepted
	case status/100 == 2:
		a.hint = between
	case status == http.StatusUnauthorized:
		a.outcome = refused
	case status < 500 && status != http.StatusTooManyRequests:
		a.outcome, a.hint = odd, between
	}
	return a
}

package verify

import (
	"context"
	"fmt"
	"net/http"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
)

// answer is what came of one try to authenticate.
type answer struct {
	outcome
	asked, said, hint string
	remark            string // what the server said beside the status
}

// outcome is what an answer means.
type outcome int

const (
	unclear   outcome = iota // no answer, or one that may be another next time
	accepted                 // authenticated and allowed
	forbidden                // authenticated, not allowed
	refused                  // not authenticated
	odd                      // a clear answer, but not about the secret
)

// String has what the server said, which the brief form leaves out.
func (a answer) String() string {
	if a.remark == "" {
		return a.brief()
	}
	return a.brief() + " (" + a.remark + ")"
}

func (a answer) brief() string   { return a.asked + " " + a.said }
func (a answer) unknown() Result { return Unknown("%s", a).WithHint("%s", a.hint) }

// probe requests the path that the config names, by Basic authentication.
func (c client) probe(ctx context.Context, v secret.Value) answer {
	status, detail, err := c.aidbox.Probe(ctx, c.probed, c.ID, v)
	a := c.vs.answer("GET "+c.probed, status, detail, err)
	if status == http.StatusForbidden {
		a.outcome = forbidden
	}
	if a.outcome == odd {
		a.hint = "set aidbox.probe to a path that Aidbox answers with 200"
	}
	return a
}

// token requests an access token. OAuth says invalid_client with 400 or 401.
func (c client) token(ctx context.Context, v secret.Value) answer {
	status, detail, err := c.aidbox.Token(ctx, c.ID, v)
	a := c.vs.answer("POST /auth/token", status, detail, err)
	if status == http.StatusBadRequest {
		a.outcome = refused
	}
	return a
}

// answer puts in words what came back, and what that means as a rule. A success
// with a remark did not come from Aidbox, or did not bring what was asked for.
func (vs *values) answer(asked string, status int, detail string, err error) answer {
	const between = "did Aidbox answer, or something in between? see aidbox.url and aidbox.probe"
	if err != nil {
		return answer{asked: asked, said: "got no answer: " + vs.clean.Line(err.Error()), hint: hint.Of(err)}
	}
	a := answer{asked: asked, said: fmt.Sprintf("answered %d", status), remark: vs.clean.Line(detail)}
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

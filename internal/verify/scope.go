package verify

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"time"

	"github.com/secretctl/secretctl/internal/config"
)

// deleteTimeout is how long the deletion of the throw-away Client may take, also
// after an interruption.
const deleteTimeout = 10 * time.Second

// outsider tries to use a secret from outside its scope.
type outsider struct {
	secret  config.Secret
	control *client // a Client in scope that shows that the value works; or nil
	probed  string
	w       Dependencies
	vs      *values
}

func scopeChecks(d *config.Delivery, w Dependencies, vs *values) []check {
	var checks []check
	insiders := clients(d, w, vs)
	for _, s := range d.Secrets {
		o := outsider{s, nil, d.Aidbox.Probe, w, vs}
		c := check{"scope/out-of-scope-refused", s.Name, nil, nil}
		// A refusal proves something only where the same value is accepted in scope.
		if i := slices.IndexFunc(insiders, func(c client) bool { return c.secret.Name == s.Name && c.grants(grantBasic) }); i >= 0 {
			o.control = &insiders[i]
			c.needs = []string{"auth/accepts-secret " + o.control.Ref()}
		}
		c.run = o.refused
		checks = append(checks, c)
	}
	return checks
}

func (o outsider) refused(ctx context.Context) Result {
	switch {
	case slices.Contains(o.secret.Scope, "Client"):
		return Skip("its scope is every Client, so that none is outside")
	case o.w.Admin == nil:
		return noAdmin()
	}
	e, err := o.vs.toTry(ctx, o.secret)
	if err != nil {
		return o.vs.unknown(err)
	}
	id := outsiderID()
	r := o.attempt(ctx, id, e)
	if r.Status == StatusPass && o.control == nil {
		r.Status, r.Detail = StatusWarn, r.Detail+"; but no Client in scope shows that the value would be accepted"
		r = r.WithHint("a Client with the grant type basic among the resources makes it a proof")
	} else if r.Status == StatusPass {
		r.Detail += ", while " + o.control.Ref() + " is accepted"
	}
	return o.tidy(ctx, id, r)
}

func (o outsider) attempt(ctx context.Context, id string, e expectation) Result {
	r := config.Resource{
		Type: "Client", ID: id,
		Secrets: map[string]string{"secret": o.secret.Name},
		Body:    map[string]any{"grant_types": []any{grantBasic}},
	}
	if err := o.w.Admin.Apply(ctx, r); refusedAtCreation(err) {
		return Pass("Aidbox does not even create such a Client: %s", o.vs.clean.Line(err.Error()))
	} else if err != nil {
		return o.vs.unknown(err)
	}
	got := client{r, o.secret, o.probed, o.w.Aidbox, o.vs}.probe(ctx, e.value)
	switch got.outcome {
	case refused:
		return Pass("%s to a Client outside the scope, with the value from %s", got.brief(), e.from)
	case accepted, forbidden:
		return Fail("a Client outside the scope is ACCEPTED: %s, with the value from %s", got, e.from).
			WithHint("Aidbox does not hold the scope: is it 2602 or later, and does it read the vault config (mount/vault-config)?")
	default:
		return got.unknown()
	}
}

// refusedAtCreation says whether Aidbox refused the resource itself, rather than
// whoever asked.
func refusedAtCreation(err error) bool {
	var answered interface{ StatusCode() int }
	if !errors.As(err, &answered) {
		return false
	}
	switch answered.StatusCode() {
	case http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// tidy deletes the throw-away Client, even when ctx has ended and even when it
// seems not to have been created.
func (o outsider) tidy(ctx context.Context, id string, r Result) Result {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteTimeout)
	defer cancel()
	err := o.w.Admin.Delete(ctx, "Client", id)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return r
	}
	if r.Status == StatusPass || r.Status == StatusWarn {
		r.Status, r.Hint = StatusWarn, fmt.Sprintf("delete Client/%s yourself", id)
	}
	r.Detail += fmt.Sprintf("; Client/%s could not be deleted: %s", id, o.vs.clean.Line(err.Error()))
	return r
}

func outsiderID() string {
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails
	return "secretctl-scope-" + hex.EncodeToString(b)
}

package verify

import (
	"context"
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

var scopeChecks = []Check{
	{
		ID: "scope/out-of-scope-refused", Title: "a Client outside the scope cannot use the secret",
		subjects: perScopedSecret,
		run:      outOfScopeRefused,
	},
}

// perScopedSecret has the secrets. A refusal proves something only where the same
// value is accepted in scope.
func perScopedSecret(ctx context.Context, r *run) []subject {
	all := perSecret(ctx, r)
	for i, s := range all {
		if control := clientWith(r.d, r.Dependencies, s.secret, grantBasic); control != nil {
			all[i].needs = []string{"auth/accepts-secret " + control.Ref()}
		}
	}
	return all
}

func outOfScopeRefused(ctx context.Context, r *run, s subject) Result {
	switch {
	case slices.Contains(s.secret.Scope, "Client"):
		return Skip("its scope is every Client, so none is outside")
	case r.Admin == nil:
		return r.noAdmin()
	}
	e, err := r.toTry(ctx, s.secret)
	if err != nil {
		return r.unknown(err)
	}
	id := r.d.ScopeClientID()
	result := tryOutOfScope(ctx, r, s.secret, id, e)
	control := clientWith(r.d, r.Dependencies, s.secret, grantBasic)
	switch {
	case result.Status == StatusPass && control == nil:
		result.Status, result.Detail = StatusWarn, result.Detail+"; but no Client in scope shows that the value would be accepted"
		result = result.WithHint("add a Client with the grant type basic to the resources")
	case result.Status == StatusPass:
		result.Detail += ", while " + control.Ref() + " is accepted"
	}
	return deleteThrowAway(ctx, r, id, result)
}

func tryOutOfScope(ctx context.Context, r *run, s config.Secret, id string, e expectation) Result {
	res := config.Resource{
		Type: "Client", ID: id,
		Secrets: map[string]string{"secret": s.Name},
		Body:    map[string]any{"grant_types": []any{grantBasic}},
	}
	if err := r.Admin.Apply(ctx, res); refusedAtCreation(err) {
		return Pass("Aidbox refuses to create such a Client: %s", r.line(err.Error()))
	} else if err != nil {
		return r.unknown(err)
	}
	c, _ := clientOf(r.d, r.Dependencies, res)
	switch got := c.probe(ctx, e.value); got.outcome {
	case refused:
		// The id is always the same, so another run of the delivery may have deleted it.
		if _, _, err := r.Admin.References(ctx, res); err != nil {
			return Unknown("%s, but Client/%s did not stay while it was tried: %s", got.brief(), id, r.line(err.Error())).
				WithHint("run it again; no other verify or client apply of this delivery may run at the same time")
		}
		return Pass("%s to a Client outside the scope, with the value from %s", got.brief(), e.from)
	case accepted, forbidden:
		return Fail("a Client outside the scope is ACCEPTED: %s, with the value from %s", got, e.from).
			WithHint("Aidbox does not enforce the scope: check that it is 2602 or later and reads the vault config (mount/vault-config)")
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

// deleteThrowAway deletes the Client, even when ctx has ended and even when it
// seems not to have been created.
func deleteThrowAway(ctx context.Context, r *run, id string, result Result) Result {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteTimeout)
	defer cancel()
	err := r.Admin.Delete(ctx, "Client", id)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return result
	}
	if result.Status == StatusPass || result.Status == StatusWarn {
		result.Status, result.Hint = StatusWarn, fmt.Sprintf("delete Client/%s yourself", id)
	}
	result.Detail += fmt.Sprintf("; Client/%s could not be deleted: %s", id, r.line(err.Error()))
	return result
}

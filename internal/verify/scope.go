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

// deleteTimeout is how long the deletion of a throw-away object may take, also after an
// interruption.
const deleteTimeout = 10 * time.Second

var scopeChecks = []Check{
	{
		ID: "scope/out-of-scope-refused", Title: "a Client outside the scope cannot use the secret",
		subjects: perScopedSecret,
		run:      outOfScopeRefused,
	},
}

// perScopedSecret returns the secrets. A refusal proves something only if Aidbox accepts the
// same value from a Client in scope.
func perScopedSecret(ctx context.Context, r *run) []subject {
	all := perSecret(ctx, r)
	for i, s := range all {
		if control := r.clientWith(s.secret, grantBasic); control != nil {
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
	res := config.Resource{
		Type: "Client", ID: r.d.ScopeClientID(),
		Secrets: map[string]string{"secret": s.secret.Name},
		Body:    map[string]any{"grant_types": []any{grantBasic}},
	}
	result := tryOutOfScope(ctx, r, res, e)
	if control := r.clientWith(s.secret, grantBasic); result.Status == StatusPass && control == nil {
		result = Warn("%s; but no Client in scope shows that the value would be accepted", result.Detail).
			WithHint("add a Client with the grant type basic to the resources")
	} else if result.Status == StatusPass {
		result.Detail += ", while " + control.Ref() + " is accepted"
	}
	return deleteThrowAway(ctx, r, res, result)
}

func tryOutOfScope(ctx context.Context, r *run, res config.Resource, e expectation) Result {
	if err := r.Admin.Apply(ctx, res); refusedAtCreation(err) {
		return Pass("Aidbox refuses to create such a Client: %s", r.line(err.Error()))
	} else if err != nil {
		return r.unknown(err)
	}
	c, _ := r.client(res)
	switch got := c.probe(ctx, e.value); got.outcome {
	case refused:
		// The ID is always the same, so another run for the delivery may have deleted it.
		if _, _, err := r.Admin.References(ctx, res); err != nil {
			return Unknown("%s, but %s did not stay while it was tried: %s", got.brief(), res.Ref(), r.line(err.Error())).
				WithHint("run it again; no other verify or client apply of this delivery may run at the same time")
		}
		return Pass("%s to a Client outside the scope, with the value from %s", got.brief(), e.from)
	case accepted, forbidden:
		return Fail("a Client outside the scope is ACCEPTED: %s, with the value from %s", got, e.from).
			WithHint("Aidbox does not enforce the scope: check that it is 2602 or later and reads the vault config (mount/vault-config)")
	default:
		return got.unknown("")
	}
}

// refusedAtCreation reports whether Aidbox refused the resource itself, and not the
// administrator.
func refusedAtCreation(err error) bool {
	var answered interface{ StatusCode() int }
	return errors.As(err, &answered) &&
		slices.Contains([]int{http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity}, answered.StatusCode())
}

// deleteThrowAway deletes the Client, even if ctx has ended, and even if the Client seems not
// to exist.
func deleteThrowAway(ctx context.Context, r *run, res config.Resource, result Result) Result {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteTimeout)
	defer cancel()
	err := r.Admin.Delete(ctx, res.Type, res.ID)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return result
	}
	if result.Status == StatusPass || result.Status == StatusWarn {
		result.Status, result.Hint = StatusWarn, fmt.Sprintf("delete %s yourself", res.Ref())
	}
	result.Detail += fmt.Sprintf("; %s could not be deleted: %s", res.Ref(), r.line(err.Error()))
	return result
}

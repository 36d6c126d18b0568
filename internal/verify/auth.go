package verify

import (
	"context"
	"slices"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// The grant types that the checks use.
const (
	grantBasic       = "basic"
	grantCredentials = "client_credentials"
)

// client is a Client of the config whose secret is one of the delivery's, and
// the two ways to authenticate as it.
type client struct {
	config.Resource
	secret config.Secret
	probed string // the path that Basic authentication is tried on
	aidbox Aidbox
	vs     *values
}

// clients lists them, in the order of the config.
func clients(d *config.Delivery, w Dependencies, vs *values) []client {
	var all []client
	for _, r := range d.Resources {
		if s, known := d.Secret(r.Secrets["secret"]); known && r.Type == "Client" {
			all = append(all, client{r, s, d.Aidbox.Probe, w.Aidbox, vs})
		}
	}
	return all
}

func authChecks(d *config.Delivery, w Dependencies, vs *values) []check {
	var checks []check
	for _, c := range clients(d, w, vs) {
		// Without an administrator's access nobody knows whether the Client exists.
		var needs []string
		if w.Admin != nil {
			needs = []string{"client/exists"}
		}
		checks = append(
			checks,
			check{"auth/accepts-secret", c.Ref(), needs, c.acceptsSecret},
			check{"auth/rejects-wrong", c.Ref(), needs, c.rejectsWrong},
			check{"auth/rejects-empty", c.Ref(), needs, c.rejectsEmpty},
			check{"auth/token", c.Ref(), needs, c.givesToken},
		)
	}
	return checks
}

func (c client) acceptsSecret(ctx context.Context) Result {
	return c.accepts(ctx, grantBasic, c.probe)
}

func (c client) givesToken(ctx context.Context) Result {
	return c.accepts(ctx, grantCredentials, c.token)
}

// accepts tries the value that Aidbox should accept.
func (c client) accepts(ctx context.Context, grant string, try func(context.Context, secret.Value) answer) Result {
	if !c.grants(grant) {
		return c.without(grant)
	}
	e, err := c.vs.toTry(ctx, c.secret)
	if err != nil {
		return c.vs.unknown(err)
	}
	switch got := try(ctx, e.value); got.outcome {
	case accepted:
		return Pass("%s, with the value from %s", got, e.from)
	case forbidden:
		return Warn("the secret was accepted, but no AccessPolicy allows %s: answered 403, with the value from %s", got.asked, e.from).
			WithHint("accessPolicy: allow at %s in the config, then %s; or a policy of your own", c.Ref(), applyHint)
	case refused:
		return Fail("%s, with the value from %s", got, e.from).
			WithHint("Aidbox has another value for it, or none: see the mount checks, above all mount/matches-store and the scope in mount/vault-config")
	case odd:
		return Fail("%s: that says nothing about the secret", got).WithHint("%s", got.hint)
	default:
		return got.unknown()
	}
}

func (c client) rejectsWrong(ctx context.Context) Result {
	length := 32
	e, err := c.vs.toTry(ctx, c.secret)
	if err == nil {
		length = len(e.value.Reveal())
	}
	wrong, err := otherThan(e.value, length)
	if err != nil {
		return c.vs.unknown(err)
	}
	return c.rejects(ctx, c.vs.learn(wrong), "a random value")
}

func (c client) rejectsEmpty(ctx context.Context) Result {
	return c.rejects(ctx, secret.Value{}, "an empty secret")
}

func (c client) rejects(ctx context.Context, wrong secret.Value, what string) Result {
	if !c.grants(grantBasic) {
		return c.without(grantBasic)
	}
	switch got := c.probe(ctx, wrong); got.outcome {
	case refused:
		return Pass("%s to %s", got.brief(), what)
	case accepted, forbidden:
		return Fail("ACCEPTED %s: %s", what, got).
			WithHint("whoever knows the name %s is let in: look for an AccessPolicy or a proxy that allows everybody, and for a Client without a secret", c.ID)
	default:
		return got.unknown()
	}
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

func (c client) without(grant string) Result {
	return Skip("grant_types of %s has no %s", c.Ref(), grant)
}

// otherThan returns a random value of the length, up to what one generates,
// that is not v.
func otherThan(v secret.Value, length int) (secret.Value, error) {
	for {
		made, err := (&secret.Generate{Length: min(max(length, 8), 4096)}).Value()
		if err != nil {
			return secret.Value{}, err
		}
		if made = secret.New(made.Reveal()[:min(max(length, 1), 4096)]); !made.Equal(v) {
			return made, nil
		}
	}
}

package verify

import (
	"context"

	"github.com/secretctl/secretctl/internal/secret"
)

var authChecks = []Check{
	{
		ID: "auth/accepts-secret", Title: "Aidbox accepts the secret",
		subjects: perClient,
		parallel: true,
		run: func(ctx context.Context, r *run, s subject) Result {
			return accepts(ctx, r, s.client, grantBasic, s.client.probe)
		},
	},
	{
		ID: "auth/rejects-wrong", Title: "Aidbox rejects a wrong secret",
		subjects: perClient,
		parallel: true,
		run:      rejectsWrong,
	},
	{
		ID: "auth/rejects-empty", Title: "Aidbox rejects an empty secret",
		subjects: perClient,
		parallel: true,
		run: func(ctx context.Context, _ *run, s subject) Result {
			return rejects(ctx, s.client, secret.Value{}, "an empty secret")
		},
	},
	{
		ID: "auth/token", Title: "Aidbox issues a token for the secret",
		subjects: perClient,
		parallel: true,
		run: func(ctx context.Context, r *run, s subject) Result {
			return accepts(ctx, r, s.client, grantCredentials, s.client.token)
		},
	},
}

// perClient returns the Clients that have a secret of the delivery. Only an administrator
// can tell whether they exist.
func perClient(_ context.Context, r *run) (all []subject) {
	for _, res := range r.d.Resources {
		if c, ok := r.client(res); ok {
			s := subject{name: res.Ref(), client: c, needs: r.toAidbox()}
			if r.Admin != nil {
				s.needs = append(s.needs, "client/exists")
			}
			all = append(all, s)
		}
	}
	return all
}

// accepts tries the value that Aidbox should accept.
func accepts(ctx context.Context, r *run, c client, grant string, try func(context.Context, secret.Value) attempt) Result {
	if !c.grants(grant) {
		return withoutGrant(c, grant)
	}
	e, err := r.toTry(ctx, c.secret)
	if err != nil {
		return r.unknown(err)
	}
	switch got := try(ctx, e.value); got.outcome {
	case accepted:
		return Pass("%s, with the value from %s", got, e.from)
	case forbidden:
		if c.secret.Name == r.d.CanarySecret() {
			return Pass("%s, which proves that the secret is accepted, with the value from %s", got.brief(), e.from)
		}
		return Warn("the secret was accepted, but no AccessPolicy allows %s: answered 403, with the value from %s", got.asked, e.from).
			WithHint("accessPolicy: allow at %s in the config, then secretctl client apply; or a policy of your own", c.Ref())
	case refused:
		return Fail("%s, with the value from %s", got, e.from).
			WithHint("Aidbox has another value for it, or none: check mount/matches-store and the scope in mount/vault-config; "+
				"or it does not read aidbox.scopeFormat %s: secretctl doctor compares that with the running version", r.d.Aidbox.ScopeFormat)
	default:
		return got.unproven("")
	}
}

func rejectsWrong(ctx context.Context, r *run, s subject) Result {
	length := 32
	e, err := r.toTry(ctx, s.client.secret)
	if err == nil {
		length = len(e.value.Reveal())
	}
	wrong, err := otherThan(e.value, length)
	if err != nil {
		return r.unknown(err)
	}
	r.Sanitizer.Learn(wrong)
	return rejects(ctx, s.client, wrong, "a random value")
}

func rejects(ctx context.Context, c client, wrong secret.Value, what string) Result {
	if !c.grants(grantBasic) {
		return withoutGrant(c, grantBasic)
	}
	switch got := c.probe(ctx, wrong); got.outcome {
	case refused:
		return Pass("%s to %s", got.brief(), what)
	case accepted, forbidden:
		return Fail("ACCEPTED %s: %s", what, got).
			WithHint("anyone who knows the name %s gets in: look for an AccessPolicy or a proxy that lets everyone pass, or a Client without a secret", c.ID)
	default:
		return got.unknown("")
	}
}

func withoutGrant(c client, grant string) Result {
	return Skip("grant_types of %s has no %s", c.Ref(), grant)
}

// otherThan returns a random value of a length, at most what a source generates, that is not v.
func otherThan(v secret.Value, length int) (secret.Value, error) {
	for {
		generated, err := (&secret.Generate{Length: min(max(length, 32), 4096)}).Value()
		if err != nil {
			return secret.Value{}, err
		}
		if other := secret.New(generated.Reveal()[:min(max(length, 1), 4096)]); !other.Equal(v) {
			return other, nil
		}
	}
}

package verify

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

var storeChecks = []Check{
	{
		ID: "store/reachable", Title: "the store is reachable",
		run: storeReachable,
	},
	{
		ID: "store/secret-present", Title: "the store has the secret",
		Needs:    []string{"store/reachable"},
		subjects: perSecret,
		run:      secretStored,
	},
	{
		ID: "store/pod-can-read", Title: "the pod can log in to the store and read the secrets",
		Needs:    []string{"store/reachable"},
		subjects: podAccount,
		run:      podCanRead,
	},
}

// podAccount returns the ServiceAccount. To try the login, the cluster makes its token, or
// runs a pod as it.
func podAccount(_ context.Context, r *run) []subject {
	s := subject{name: "serviceaccount/" + r.d.Aidbox.ServiceAccount}
	if r.o.FromNode || !r.Provider.LoginOnNode(r.d) {
		s.needs = []string{"cluster/api"}
	}
	return []subject{s}
}

func storeReachable(ctx context.Context, r *run, _ subject) Result {
	what, err := r.Store.Reach(ctx)
	switch {
	case errors.Is(err, fs.ErrInvalid):
		return r.fail(err)
	case err != nil:
		return r.unknown(err)
	}
	return Pass("%s responds", r.line(what))
}

func secretStored(ctx context.Context, r *run, s subject) Result {
	got, err := r.inStore(ctx, s.secret)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		return r.fail(err)
	case errors.Is(err, store.ErrPEM) && got.version == "":
		return Skip("%s, and is not read", r.line(err.Error()))
	case errors.Is(err, store.ErrPEM):
		return Pass("stored, version %s; it %v", got.version, store.ErrPEM)
	case errors.Is(err, fs.ErrPermission):
		return unreadableSecretStored(ctx, r, s, err)
	case err != nil:
		return r.unknown(err)
	case got.value.Empty():
		return Fail("the stored value is empty (version %s)", got.version).WithHint("secretctl provision, or write a value")
	case got.value.Oddity() != "":
		return Warn("the stored value %s (version %s)", got.value.Oddity(), got.version).WithHint(oddityHint)
	}
	if dated, ok := r.Store.(store.Dated); ok {
		return secretValid(ctx, r, s, dated, got.version)
	}
	return Pass("stored, version %s", got.version)
}

// secretValid warns of a secret that the store returns although it is not valid now.
func secretValid(ctx context.Context, r *run, s subject, dated store.Dated, version string) Result {
	switch from, until, err := dated.Validity(ctx, s.secret); {
	case err != nil:
		return r.unknown(err)
	case !until.IsZero() && until.Before(time.Now()):
		return Warn("stored, version %s; it expired on %s, but is still mounted", version, until.UTC().Format(time.DateOnly)).
			WithHint("%s", secret.Shellf("secretctl rotate %s", s.secret.Name))
	case from.After(time.Now()):
		return Warn("stored, version %s; it is not valid before %s, but is mounted already", version, from.UTC().Format(time.DateOnly)).
			WithHint("store it when it is valid, or store an earlier start of its validity")
	}
	return Pass("stored, version %s", version)
}

// unreadableSecretStored checks a secret whose value secretctl may not read.
func unreadableSecretStored(ctx context.Context, r *run, s subject, denied error) Result {
	switch newest, err := r.newestVersions(ctx, s.secret); {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		return r.fail(err)
	case err == nil:
		return Pass("stored, version %s; secretctl may not read its value", strings.Join(newest, " or "))
	}
	return r.unknown(denied)
}

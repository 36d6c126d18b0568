package cmd

import (
	"context"
	"errors"
	"sync"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault"
	"github.com/secretctl/secretctl/internal/store/vault"
)

// storeToVerify connects to the delivery's store, as its pod does where there is no
// token but a file with one of the pod's ServiceAccount.
func (a *app) storeToVerify(d *config.Delivery, jwtFile string) (s store.Store, loginOnNode bool, err error) {
	connected, err := a.store(d)
	switch c := connected.(type) {
	case *vault.Store:
		return vaultStore{Store: c, get: c.Get}, false, nil
	case *keyvault.Store:
		return keyVaultStore{Store: c}, d.Azure.Identity.Type != config.IdentityWorkload, nil
	}
	if !errors.Is(err, store.ErrNoToken) {
		return nil, false, err
	}
	anonymous, err := vault.New(d, vault.Options{Anonymous: true, AllowHTTP: a.allowHTTP, Log: a.logOf(d)})
	if err != nil {
		return nil, false, err
	}
	if jwtFile == "" {
		a.narrate("note: %sno token for the store, so it is not read", a.of(d))
		return vaultStore{Store: anonymous, get: func(context.Context, config.Secret) (secret.Value, string, error) {
			return secret.Value{}, "", hint.Wrap(store.ErrNoToken, "export VAULT_TOKEN, or run: vault login")
		}}, false, nil
	}
	login := sync.OnceValues(func() (*vault.Session, error) {
		session, err := a.logInAsPod(a.ctx, anonymous, jwtFile)
		if err == nil {
			a.atEnd.add(func() { _ = session.End(a.ctx) })
		}
		return session, err
	})
	return vaultStore{Store: anonymous, get: func(ctx context.Context, s config.Secret) (secret.Value, string, error) {
		session, err := login()
		if err != nil {
			return secret.Value{}, "", err
		}
		return session.Get(ctx, s)
	}}, false, nil
}

// vaultStore and keyVaultStore make the stores ones, until they are by themselves.
type vaultStore struct {
	*vault.Store
	get func(context.Context, config.Secret) (secret.Value, string, error)
}

func (vaultStore) FillIn(context.Context) ([]store.Found, error) { return nil, nil }
func (vaultStore) Close(context.Context) error                   { return nil }

func (s vaultStore) Get(ctx context.Context, wanted config.Secret) (secret.Value, string, error) {
	return s.get(ctx, wanted)
}

func (s vaultStore) Login(ctx context.Context, jwt secret.Value) (store.Session, error) {
	session, err := s.LoginAs(ctx, jwt)
	if err != nil {
		return nil, err
	}
	return session, nil
}

func (s vaultStore) Granted(context.Context) (string, error) { return "", nil }

func (s vaultStore) StatusVersions(context.Context, config.Secret) ([]string, error) {
	return nil, store.ErrNoStatusVersion
}

type keyVaultStore struct{ *keyvault.Store }

func (keyVaultStore) FillIn(context.Context) ([]store.Found, error) { return nil, nil }
func (keyVaultStore) Close(context.Context) error                   { return nil }

func (s keyVaultStore) Login(ctx context.Context, jwt secret.Value) (store.Session, error) {
	session, err := s.LoginAs(ctx, jwt)
	if err != nil {
		return nil, err
	}
	return session, nil
}

func (s keyVaultStore) StatusVersions(ctx context.Context, wanted config.Secret) ([]string, error) {
	return s.Newest(ctx, wanted)
}

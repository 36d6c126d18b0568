package cmd

import (
	"context"
	"errors"
	"strings"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// loginAsPod logs in as the delivery's pod does, with the ServiceAccount's token in a
// file; or with that token at the method and as the role of --vault-login.
func (a *app) loginAsPod(tokenFile string) (*store.Login, error) {
	jwt := func(ctx context.Context) (secret.Value, error) {
		jwt, err := a.inputs.Read(ctx, secret.Source{File: tokenFile}, "the token of the ServiceAccount")
		if err != nil {
			// Not wrapped: a missing file is not a missing secret.
			err = hint.Wrap(errors.New(err.Error()), "mount a token of the pod's ServiceAccount there")
		}
		return jwt, err
	}
	if a.vaultLogin != "" {
		return a.namedLogin(jwt)
	}
	return &store.Login{JWT: jwt}, nil
}

// idTokenVariable is where a pipeline puts the token that its CI system gives it.
const idTokenVariable = "SECRETCTL_ID_TOKEN"

// loginOfPipeline is what --vault-login asks for; nil without it.
func (a *app) loginOfPipeline() (*store.Login, error) {
	if a.vaultLogin == "" {
		return nil, nil
	}
	jwt, _ := a.env.Secret(idTokenVariable)
	jwt = strings.TrimSpace(jwt)
	login, err := a.namedLogin(func(context.Context) (secret.Value, error) { return secret.New([]byte(jwt)), nil })
	if err == nil && jwt == "" {
		err = usagef("have the pipeline put the token there that its CI system gives it", "--vault-login needs environment variable %s", idTokenVariable)
	}
	return login, err
}

// namedLogin is at the method and as the role of --vault-login.
func (a *app) namedLogin(jwt func(context.Context) (secret.Value, error)) (*store.Login, error) {
	method, role, ok := cutLast(strings.TrimPrefix(a.vaultLogin, "auth/"))
	if !ok {
		return nil, usagef("write it like jwt/my-role", "--vault-login %q is not an auth method and a role", a.vaultLogin)
	}
	return &store.Login{Method: method, Role: role, JWT: jwt}, nil
}

// cutLast splits MOUNT/ROLE, where the mount may have slashes too.
func cutLast(login string) (mount, role string, ok bool) {
	i := strings.LastIndex(login, "/")
	if i < 1 || i == len(login)-1 {
		return "", "", false
	}
	return login[:i], login[i+1:], true
}

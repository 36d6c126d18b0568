package cmd

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store/vault"
)

// endings are what is left to do when a command is over. It may be used by
// several goroutines.
type endings struct {
	mu    sync.Mutex
	funcs []func()
}

func (e *endings) add(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.funcs = append(e.funcs, f)
}

func (e *endings) run() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range e.funcs {
		f()
	}
	e.funcs = nil
}

func (a *app) logInAsPod(ctx context.Context, v *vault.Store, tokenFile string) (*vault.Session, error) {
	jwt, err := a.inputs.Read(ctx, secret.Source{File: tokenFile}, "the token of the ServiceAccount")
	if err != nil {
		// Not wrapped: a file that is not there is no secret that is not there.
		return nil, hint.Wrap(errors.New(err.Error()), "mount a token of the pod's ServiceAccount there")
	}
	return v.LoginAs(ctx, jwt)
}

// idTokenVariable is where a pipeline puts the token that its CI system gives it.
const idTokenVariable = "SECRETCTL_ID_TOKEN"

// loggedIn connects to the delivery's Vault as a pipeline. The session ends with
// the command.
func (a *app) loggedIn(d *config.Delivery) (*vault.Store, error) {
	method, role, ok := cutLast(strings.TrimPrefix(a.vaultLogin, "auth/"))
	if !ok {
		return nil, usagef("write it like jwt/my-role", "--vault-login %q is no auth method and role", a.vaultLogin)
	}
	jwt, _ := a.LookupEnv(idTokenVariable)
	if strings.TrimSpace(jwt) == "" {
		return nil, usagef("have the pipeline put the token there that its CI system gives it", "--vault-login needs environment variable %s", idTokenVariable)
	}
	v, err := vault.New(d, vault.Options{Anonymous: true, AllowHTTP: a.allowHTTP, Log: a.logOf(d)})
	if err != nil {
		return nil, err
	}
	session, err := v.LogIn(a.ctx, method, role, secret.New([]byte(strings.TrimSpace(jwt))))
	if err != nil {
		return nil, err
	}
	a.atEnd.add(func() { _ = session.End(a.ctx) })
	return session.Vault(), nil
}

// cutLast splits MOUNT/ROLE, where the mount may have slashes too.
func cutLast(login string) (mount, role string, ok bool) {
	i := strings.LastIndex(login, "/")
	if i < 1 || i == len(login)-1 {
		return "", "", false
	}
	return login[:i], login[i+1:], true
}

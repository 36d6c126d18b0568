package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/vault/api"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// actor is who makes the requests: a given token, or that of a login, which is made when
// it is first needed.
type actor struct {
	login *store.Login // nil for a given token

	mu        sync.Mutex
	known     *api.Client // with the token
	err       error       // why there is no token
	policies  []string    // of a login's token
	revocable bool
}

// loginError is a request that was not made for want of a token. It can be shown as it is.
type loginError struct{ error }

func (e loginError) Unwrap() error { return e.error }

func (v *Store) newActor() (*actor, error) {
	if v.o.Login != nil {
		return &actor{login: v.o.Login}, nil
	}
	token, err := findToken(v.o.Token)
	switch {
	case errors.Is(err, store.ErrNoToken):
		err = hint.Wrap(fmt.Errorf("%s: %w", v.name(), err),
			"%s", v.shellf("export VAULT_TOKEN, or run: vault login -address=%s; a pipeline logs in with --vault-login METHOD/ROLE", v.client.Address()))
		if v.o.Anonymous {
			return &actor{err: loginError{err}}, nil
		}
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%s: %w", v.name(), err)
	}
	v.o.Sanitizer.Learn(token)
	return &actor{known: withToken(v.client, token)}, nil
}

func withToken(client *api.Client, token secret.Value) *api.Client {
	client = client.WithNamespace(client.Namespace()) // a copy
	client.SetToken(string(token.Reveal()))
	return client
}

// asPod reports whether the login is the one that the delivery's pod makes.
func (a *actor) asPod() bool { return a.login != nil && a.login.Method == "" }

// client returns v's client with the token.
func (a *actor) client(ctx context.Context, v *Store) (*api.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known != nil || a.err != nil {
		return a.known, a.err
	}
	answer, err := v.logIn(ctx, *a.login)
	if err != nil && ctx.Err() != nil {
		return nil, loginError{err} // the next request may succeed
	}
	if err != nil {
		a.err = loginError{err}
		return nil, a.err
	}
	token := secret.New([]byte(answer.ClientToken))
	v.o.Sanitizer.Learn(token)
	a.known, a.policies = withToken(v.client, token), answer.Policies
	a.revocable = answer.Accessor != "" // a batch token has none, and expires by itself
	return a.known, nil
}

// takeRevocable reports, once, whether the login's token has to be revoked.
func (a *actor) takeRevocable() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	revocable := a.revocable
	a.revocable = false
	return revocable
}

// logIn logs in at an auth method that takes a JWT: the named one, or the pod's.
func (v *Store) logIn(ctx context.Context, login store.Login) (*api.SecretAuth, error) {
	jwt, err := login.JWT(ctx)
	if err != nil {
		return nil, err
	}
	v.o.Sanitizer.Learn(jwt)
	asPod := login.Method == ""
	if asPod {
		login.Method, login.Role = v.d.Vault.AuthMount, v.d.Vault.Role
	}
	path := "auth/" + login.Method + "/login"
	limited, cancel := v.limit(ctx)
	defer cancel()
	answer, err := v.client.Logical().WriteWithContext(limited, path, map[string]any{
		"role": login.Role, "jwt": string(jwt.Reveal()),
	})
	if err = unexpected(err); err == nil && (answer == nil || answer.Auth == nil || answer.Auth.ClientToken == "") {
		err = errUnexpected
	}
	if err == nil {
		return answer.Auth, nil
	}
	refused, answered := errors.AsType[*api.ResponseError](err)
	if !answered || refused.RawError || refused.StatusCode >= 500 || refused.StatusCode == http.StatusTooManyRequests {
		return nil, v.fail(ctx, access{object: path, path: path, needs: []string{"update"}}, err)
	}
	said := fmt.Sprintf("answered %d%s", refused.StatusCode, v.message(refused))
	if !asPod {
		role := "auth/" + login.Method + "/role/" + login.Role
		next := v.shellf("compare the token's iss, aud, sub and exp with: vault read %s, and vault read auth/%s/config", role, login.Method)
		switch {
		case strings.Contains(said, "could not be found"): // Vault's text for a missing role
			next = v.shellf("create the role: vault write %s role_type=jwt user_claim=sub bound_subject=SUB bound_audiences=AUD token_policies=POLICY", role)
		case refused.StatusCode == http.StatusForbidden: // Vault's answer for a path without an auth method
			next = v.shellf("check that the auth method exists in this namespace: vault auth list must show %s/", login.Method)
		}
		return nil, hint.Wrap(fmt.Errorf("vault: %s: login refused: %s", path, said), "%s", next)
	}
	why, next := v.whyNoLogin(ctx, store.ReadClaims(jwt))
	return nil, hint.Wrap(store.Refused(fmt.Sprintf("vault: %s: login refused: %s (%s)", path, why, said)), "%s", next)
}

// session is Vault as a pod has it.
type session struct {
	*Store
	difference
}

// Login implements [store.Store].
func (v *Store) Login(ctx context.Context, jwt secret.Value) (store.Session, error) {
	pod, differs, err := v.asPod(ctx)
	if err != nil {
		return nil, err
	}
	pod.actor = &actor{login: &store.Login{JWT: func(context.Context) (secret.Value, error) { return jwt, nil }}}
	if _, err := pod.actor.client(ctx, pod); err != nil {
		return nil, err
	}
	return session{pod, differs}, nil
}

// End implements [store.Session].
func (s session) End(ctx context.Context) error { return s.Close(ctx) }

// whyNoLogin compares the pod's token with the role, if secretctl's own token may read it.
func (v *Store) whyNoLogin(ctx context.Context, c store.Claims) (why, next string) {
	const provision = "run: secretctl provision --phase auth,policy,role"
	var is role
	name, account, namespace := fmt.Sprintf("role %q", v.d.Vault.Role), c.Kubernetes.ServiceAccount.Name, c.Kubernetes.Namespace
	found, err := false, store.ErrNoToken
	if v.own != nil {
		limited, cancel := context.WithTimeout(ctx, questionTimeout)
		defer cancel()
		found, err = v.own.get(limited, "auth/"+v.d.Vault.AuthMount+"/role/"+v.d.Vault.Role, &is)
	}
	next = provision
	if len(is.ServiceAccounts)+len(is.Namespaces) > 0 { // a change would lock others out
		next = fmt.Sprintf("others use the role: set vault.role to a name of the delivery's own, such as %s, and %s", v.ownName(), provision)
	}
	switch {
	case isStatus(err, http.StatusNotFound):
		return "no auth method at auth/" + v.d.Vault.AuthMount + v.inNamespace(), provision
	case err != nil:
		return name + " refused the pod, and secretctl may not read the role to find out why", v.shellf("give secretctl a Vault token that may read the role, or compare the role yourself: vault read auth/%s/role/%s", v.d.Vault.AuthMount, v.d.Vault.Role)
	case !found:
		return name + " does not exist", provision
	case is.Audience != "" && !slices.Contains(c.Audiences, is.Audience):
		next = fmt.Sprintf("set vault.audience to %q and apply what secretctl render writes", is.Audience)
		if v.d.Vault.Audience != "" { // provision removes none
			next += ", or give the role the audience of the config: secretctl provision --phase role"
		}
		return fmt.Sprintf("%s requires a token for the audience %q, and the pod's is for %s", name, is.Audience, quoted(c.Audiences)), next
	case !matches(is.ServiceAccounts, account):
		return fmt.Sprintf("%s admits the ServiceAccounts %s, not %q", name, quoted(is.ServiceAccounts), account), next
	case is.Selector == "" && !matches(is.Namespaces, namespace):
		return fmt.Sprintf("%s admits the namespaces %s, not %q", name, quoted(is.Namespaces), namespace), next
	}
	return fmt.Sprintf("%s fits the token, so Vault could not have the cluster review it", name),
		v.shellf("run: vault read auth/%s/config. Can Vault reach kubernetes_host, is kubernetes_ca_cert the cluster's CA, and may its token_reviewer_jwt, or without one the pod's ServiceAccount, create TokenReviews (system:auth-delegator)?", v.d.Vault.AuthMount)
}

// whyDenied says which policy does not let the pod read a secret.
func (v *Store) whyDenied(ctx context.Context, wanted config.Secret) error {
	limited, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	policy, phases := v.d.Vault.Policy, phasePolicy
	why := fmt.Sprintf("policy %q does not grant it", policy)
	var is struct{}
	found, err := cmp.Or(v.own, v).get(limited, "sys/policies/acl/"+policy, &is)
	switch {
	case !slices.Contains(v.actor.policies, policy):
		why, phases = fmt.Sprintf("role %q gives the policies %s and not %q", v.d.Vault.Role, quoted(v.actor.policies), policy), phasePolicy+","+phaseRole
	case err == nil && !found:
		why = fmt.Sprintf("policy %q does not exist", policy)
	}
	text := fmt.Sprintf("vault: %s: %s to the pod: %s", v.object(wanted), store.ErrDenied, why)
	return hint.Wrap(store.Refused(text), "run: secretctl provision --phase %s", phases)
}

// Granted implements [store.Store]: the login itself can be tried.
func (v *Store) Granted(context.Context) (string, error) { return "", errors.ErrUnsupported }

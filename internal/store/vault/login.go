package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/hashicorp/vault/api"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// actor is as whom requests are made: with a token, or with that of a login that is
// made when it is first needed.
type actor struct {
	login *store.Login // nil for a given token; as the pod does it where it names no method

	mu        sync.Mutex
	known     *api.Client // with the token
	err       error       // why there is none
	policies  []string    // of a login's token
	revocable bool
}

// actorError is a request that was not made, for want of a token. Its text is fit to
// be shown.
type actorError struct{ error }

func (e actorError) Unwrap() error { return e.error }

func newActor(client *api.Client, o store.Options) (*actor, error) {
	if o.Login != nil {
		return &actor{login: o.Login}, nil
	}
	token, err := findToken(o.Token)
	if o.Anonymous && errors.Is(err, store.ErrNoToken) {
		return &actor{err: actorError{err}}, nil
	}
	o.Sanitizer.Learn(token)
	return &actor{known: withToken(client, token)}, err
}

func withToken(client *api.Client, token secret.Value) *api.Client {
	client = client.WithNamespace(client.Namespace()) // a copy
	client.SetToken(string(token.Reveal()))
	return client
}

// client returns v's client with the token.
func (a *actor) client(ctx context.Context, v *Store) (*api.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known != nil || a.err != nil {
		return a.known, a.err
	}
	answer, err := v.logIn(ctx, *a.login)
	if err != nil && ctx.Err() != nil {
		return nil, actorError{err} // which another request need not meet
	}
	if err != nil {
		a.err = actorError{err}
		return nil, a.err
	}
	token := secret.New([]byte(answer.ClientToken))
	v.o.Sanitizer.Learn(token)
	a.known, a.policies = withToken(v.client, token), answer.Policies
	a.revocable = answer.Accessor != "" // a batch token has none, and ends by itself
	return a.known, nil
}

// logIn logs in at an auth method that takes a JWT. Where it names none, that is
// what the delivery's pod does.
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
	limited, cancel := v.call(ctx)
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
	said := fmt.Sprintf("answered %d%s", refused.StatusCode, v.message(refused.Errors))
	if !asPod {
		return nil, hint.Wrap(fmt.Errorf("vault: %s: login refused: %s", path, said),
			"do the token's iss, aud, sub and other claims match what vault read auth/%s/config and auth/%s/role/%s say?", login.Method, login.Method, login.Role)
	}
	why, next := v.whyNoLogin(ctx, store.ReadClaims(jwt))
	return nil, hint.Wrap(store.Refused(fmt.Sprintf("vault: %s: login refused: %s (%s)", path, why, said)), "%s", next)
}

// Close implements [store.Store].
func (v *Store) Close(ctx context.Context) error {
	defer v.client.CloneConfig().HttpClient.CloseIdleConnections()
	v.actor.mu.Lock()
	revocable := v.actor.revocable
	v.actor.revocable = false
	v.actor.mu.Unlock()
	if !revocable {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askingLimit)
	defer cancel()
	const path = "auth/token/revoke-self"
	if _, err := v.put(ctx, path, nil); err != nil {
		return v.fail(ctx, access{object: "the token of the login", path: path, needs: []string{"update"}}, err)
	}
	return nil
}

// Login implements [store.Store].
func (v *Store) Login(ctx context.Context, jwt secret.Value) (store.Session, error) {
	login := &store.Login{JWT: func(context.Context) (secret.Value, error) { return jwt, nil }}
	pod, differs, err := v.asPod(ctx)
	if err != nil {
		return nil, err
	}
	pod.actor = &actor{login: login}
	if _, err := pod.actor.client(ctx, pod); err != nil {
		return nil, err
	}
	return session{pod, differs}, nil
}

// session is Vault as a pod has it.
type session struct {
	*Store
	difference
}

func (s session) End(ctx context.Context) error { return s.Close(ctx) }

// Reach implements [store.Store]. A Vault that is sealed or not initialized is an
// error.
func (v *Store) Reach(ctx context.Context) (string, error) {
	const path = "sys/seal-status"
	limited, cancel := v.call(ctx)
	defer cancel()
	status, err := v.client.WithNamespace("").Sys().SealStatusWithContext(limited) // the root namespace alone has it
	if err = unexpected(err); err == nil && (status == nil || status.Type == "") {
		err = errUnexpected
	}
	if err != nil {
		return "", v.fail(ctx, access{object: path, path: path, needs: []string{"read"}}, err)
	}
	if err := usable(status); err != nil {
		return "", fmt.Errorf("%s: %w", v.name(), err)
	}
	return "Vault " + v.o.Sanitizer.Line(status.Version), nil
}

// whyNoLogin compares the pod's token with the role, as far as whoever looks may
// read that.
func (v *Store) whyNoLogin(ctx context.Context, c store.Claims) (why, next string) {
	const provision = "run: secretctl provision --phase auth,policy,role"
	var is role
	name, account, namespace := fmt.Sprintf("role %q", v.d.Vault.Role), c.Kubernetes.ServiceAccount.Name, c.Kubernetes.Namespace
	found, err := false, store.ErrNoToken
	if v.own != nil {
		limited, cancel := context.WithTimeout(ctx, askingLimit)
		defer cancel()
		found, err = v.own.get(limited, "auth/"+v.d.Vault.AuthMount+"/role/"+v.d.Vault.Role, &is)
	}
	switch {
	case isStatus(err, http.StatusNotFound):
		return "there is no auth method at auth/" + v.d.Vault.AuthMount + v.inNamespace(), provision
	case err != nil:
		return name + " did not admit the pod, and its settings cannot be read to say why", "give secretctl a Vault token that may read the role, or see what vault read says of it"
	case !found:
		return name + " does not exist", provision
	case is.Audience != "" && !slices.Contains(c.Audiences, is.Audience):
		return fmt.Sprintf("%s wants a token for the audience %q, and the pod's is for %s", name, is.Audience, quoted(c.Audiences)),
			fmt.Sprintf("set vault.audience to %q and apply what secretctl render writes, or give the role the audience of the config: secretctl provision --phase role", is.Audience)
	case !admits(is.ServiceAccounts, account):
		return fmt.Sprintf("%s admits the ServiceAccounts %s, not %q", name, quoted(is.ServiceAccounts), account), v.ownRoleHint(is, provision)
	case is.Selector == "" && !admits(is.Namespaces, namespace):
		return fmt.Sprintf("%s admits the namespaces %s, not %q", name, quoted(is.Namespaces), namespace), v.ownRoleHint(is, provision)
	}
	return fmt.Sprintf("%s fits the token, so Vault could not have the cluster review it", name),
		fmt.Sprintf("see vault read auth/%s/config: is kubernetes_host reachable for Vault, is kubernetes_ca_cert the cluster's, and may its token_reviewer_jwt, or without one the pod's ServiceAccount, make TokenReviews (system:auth-delegator)?", v.d.Vault.AuthMount)
}

// ownRoleHint is what to do about a role that admits others than the pod: to change it
// would shut these out.
func (v *Store) ownRoleHint(is role, provision string) string {
	if len(is.ServiceAccounts)+len(is.Namespaces) == 0 {
		return provision
	}
	return fmt.Sprintf("the role is in use by others: set vault.role to a name of the delivery's own, such as %s, and %s", v.ownName(), provision)
}

// whyDenied says which policy lacks the right to read a secret.
func (v *Store) whyDenied(ctx context.Context, wanted config.Secret) error {
	limited, cancel := context.WithTimeout(ctx, askingLimit)
	defer cancel()
	policy, looks := v.d.Vault.Policy, cmp.Or(v.own, v)
	why, phases := fmt.Sprintf("policy %q does not grant it", policy), phasePolicy
	var is struct{}
	found, err := looks.get(limited, "sys/policies/acl/"+policy, &is)
	switch {
	case !slices.Contains(v.actor.policies, policy):
		why, phases = fmt.Sprintf("role %q gives the policies %s and not %q", v.d.Vault.Role, quoted(v.actor.policies), policy), phasePolicy+","+phaseRole
	case err == nil && !found:
		why = fmt.Sprintf("policy %q does not exist", policy)
	}
	text := fmt.Sprintf("vault: %s: %s to the pod: %s", v.object(wanted), store.ErrDenied, why)
	return hint.Wrap(store.Refused(text), "run: secretctl provision --phase %s", phases)
}

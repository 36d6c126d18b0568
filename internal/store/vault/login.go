package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// Session is Vault with the token of one login, as a pod has it, or a pipeline.
type Session struct {
	Policies []string // of the token

	own       *Store // with the right to look up why something is refused, or without
	pod       *Store
	revocable bool
}

// LogIn logs in at an auth method that takes a JWT, with one of its roles, as a
// pipeline does that has no Vault token. The Session has to be ended.
func (v *Store) LogIn(ctx context.Context, method, role string, jwt secret.Value) (*Session, error) {
	path := "auth/" + method + "/login"
	session, err := v.logIn(ctx, path, role, jwt)
	if refused, ok := refusedLogin(err); ok {
		err = fmt.Errorf("vault: %s: login refused: answered %d%s", path, refused.StatusCode, v.message(refused.Errors))
		return nil, hint.Wrap(err, "do the token's iss, aud, sub and other claims fit what vault read auth/%s/config and auth/%s/role/%s say?", method, method, role)
	}
	if err != nil {
		return nil, v.fail(ctx, access{object: path, path: path, needs: []string{"update"}}, err)
	}
	return session, nil
}

// Vault returns the Vault that the session's token opens.
func (s *Session) Vault() *Store { return s.pod }

// LoginAs logs in as the delivery's pod does: at its auth mount, with its role and
// a token of its ServiceAccount. A login that Vault refuses is an
// [fs.ErrPermission], whose text names what stands in the way as far as v's own
// token may look; other errors say nothing about it. The Session has to be ended.
func (v *Store) LoginAs(ctx context.Context, jwt secret.Value) (*Session, error) {
	session, err := v.logIn(ctx, v.loginPath(), v.d.Vault.Role, jwt)
	if err != nil {
		return nil, v.loginFailed(ctx, jwt, err)
	}
	return session, nil
}

func (v *Store) logIn(ctx context.Context, path, role string, jwt secret.Value) (*Session, error) {
	v.keepPrivate(jwt)
	nobody := v.as(secret.Value{})
	limited, cancel := v.call(ctx)
	defer cancel()
	answer, err := nobody.client.Logical().WriteWithContext(limited, path, map[string]any{
		"role": role, "jwt": string(jwt.Reveal()),
	})
	if err = foreign(err); err == nil && (answer == nil || answer.Auth == nil || answer.Auth.ClientToken == "") {
		err = errForeign
	}
	if err != nil {
		return nil, err
	}
	token := secret.New([]byte(answer.Auth.ClientToken))
	v.keepPrivate(token)
	return &Session{
		Policies: answer.Auth.Policies, own: v, pod: v.as(token),
		revocable: answer.Auth.Accessor != "", // a batch token has none, and ends by itself
	}, nil
}

// Get is [Store.Get] with the pod's token. What that may not read is an
// [fs.ErrPermission].
func (s *Session) Get(ctx context.Context, wanted config.Secret) (secret.Value, string, error) {
	value, version, err := s.pod.Get(ctx, wanted)
	switch {
	case errors.Is(err, store.ErrDenied):
		return value, version, s.whyDenied(ctx, wanted)
	case err == nil:
		s.own.keepPrivate(value)
	}
	return value, version, err
}

// End has Vault forget the token, also where ctx has ended.
func (s *Session) End(ctx context.Context) error {
	if !s.revocable {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askingLimit)
	defer cancel()
	const path = "auth/token/revoke-self"
	if _, err := s.pod.put(ctx, path, nil); err != nil {
		return s.pod.fail(ctx, access{object: "the token of the login", path: path, needs: []string{"update"}}, err)
	}
	return nil
}

// Reach returns what answers at the delivery's address, such as "Vault 1.21.0". It
// takes no token. A Vault that is sealed or not initialized is an error.
func (v *Store) Reach(ctx context.Context) (string, error) {
	const path = "sys/seal-status"
	limited, cancel := v.call(ctx)
	defer cancel()
	status, err := v.client.WithNamespace("").Sys().SealStatusWithContext(limited) // the root namespace alone has it
	if err = foreign(err); err == nil && (status == nil || status.Type == "") {
		err = errForeign
	}
	if err != nil {
		return "", v.fail(ctx, access{object: path, path: path, needs: []string{"read"}}, err)
	}
	if err := usable(status); err != nil {
		return "", fmt.Errorf("vault: %s: %w", v.client.Address(), err)
	}
	return "Vault " + strings.TrimPrefix(v.message([]string{status.Version}), ": "), nil
}

// as returns the same Vault with another token.
func (v *Store) as(token secret.Value) *Store {
	client := v.client.WithNamespace(v.client.Namespace())
	client.SetToken(string(token.Reveal()))
	v.mu.Lock()
	defer v.mu.Unlock()
	return &Store{d: v.d, client: client, timeout: v.timeout, private: append(slices.Clone(v.private), token)}
}

func (v *Store) loginPath() string { return "auth/" + v.d.Vault.AuthMount + "/login" }

// refusedLogin tells a login that Vault refuses from one that could not be tried.
func refusedLogin(err error) (*api.ResponseError, bool) {
	refused, answered := errors.AsType[*api.ResponseError](err)
	if !answered || refused.RawError || refused.StatusCode >= 500 || refused.StatusCode == http.StatusTooManyRequests {
		return nil, false
	}
	return refused, true
}

func (v *Store) loginFailed(ctx context.Context, jwt secret.Value, err error) error {
	refused, ok := refusedLogin(err)
	if !ok {
		return v.fail(ctx, access{object: v.loginPath(), path: v.loginPath(), needs: []string{"update"}}, err)
	}
	limited, cancel := context.WithTimeout(ctx, askingLimit)
	defer cancel()
	why, next := v.whyNoLogin(limited, store.ReadClaims(jwt))
	said := strings.TrimPrefix(v.message(refused.Errors), ": ")
	text := fmt.Sprintf("vault: %s: login refused: %s (answered %d: %s)", v.loginPath(), why, refused.StatusCode, said)
	return hint.Wrap(store.Refused(text), "%s", next)
}

// whyNoLogin compares the token with the role, where v's own token may read that.
func (v *Store) whyNoLogin(ctx context.Context, c store.Claims) (why, next string) {
	const provision = "run: secretctl provision --phase auth,policy,role"
	var is struct {
		role

		Selector string `json:"bound_service_account_namespace_selector"`
	}
	name, account, namespace := fmt.Sprintf("role %q", v.d.Vault.Role), c.Kubernetes.ServiceAccount.Name, c.Kubernetes.Namespace
	found, err := v.get(ctx, "auth/"+v.d.Vault.AuthMount+"/role/"+v.d.Vault.Role, &is)
	switch {
	case isStatus(err, http.StatusNotFound):
		return "there is no auth method at auth/" + v.d.Vault.AuthMount + v.inNamespace(), provision
	case err != nil:
		return name + " did not let the pod in, and its settings cannot be read to say why", "give secretctl a Vault token that may read the role, or see what vault read says of it"
	case !found:
		return name + " does not exist", provision
	case is.Audience != "" && !slices.Contains(c.Audiences, is.Audience):
		return fmt.Sprintf("%s wants a token for the audience %q, and the pod's is for %s", name, is.Audience, quoted(c.Audiences)),
			fmt.Sprintf("set vault.audience to %q and apply what secretctl render writes, or give the role the audience of the config: secretctl provision --phase role", is.Audience)
	case !admits(is.ServiceAccounts, account):
		return fmt.Sprintf("%s lets in the ServiceAccounts %s, not %q", name, quoted(is.ServiceAccounts), account), provision
	case is.Selector == "" && !admits(is.Namespaces, namespace):
		return fmt.Sprintf("%s lets in the namespaces %s, not %q", name, quoted(is.Namespaces), namespace), provision
	}
	return fmt.Sprintf("%s fits the token, so Vault could not have the cluster review it", name),
		fmt.Sprintf("see vault read auth/%s/config: is kubernetes_host reachable for Vault, is kubernetes_ca_cert the cluster's, and may its token_reviewer_jwt, or without one the pod's ServiceAccount, make TokenReviews (system:auth-delegator)?", v.d.Vault.AuthMount)
}

// admits says whether a name is among those of a role, which may be patterns.
func admits(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		matched, err := path.Match(p, name)
		return matched && err == nil
	})
}

// whyDenied says which policy lacks the right to read a secret.
func (s *Session) whyDenied(ctx context.Context, wanted config.Secret) error {
	limited, cancel := context.WithTimeout(ctx, askingLimit)
	defer cancel()
	policy := s.own.d.Vault.Policy
	why, phases := fmt.Sprintf("policy %q does not grant it", policy), phasePolicy
	var is struct{}
	found, err := s.own.get(limited, "sys/policies/acl/"+policy, &is)
	switch {
	case !slices.Contains(s.Policies, policy):
		why, phases = fmt.Sprintf("role %q gives the policies %s and not %q", s.own.d.Vault.Role, quoted(s.Policies), policy), phasePolicy+","+phaseRole
	case err == nil && !found:
		why = fmt.Sprintf("policy %q does not exist", policy)
	}
	text := fmt.Sprintf("vault: %s: %s to the pod: %s", s.own.object(wanted), store.ErrDenied, why)
	return hint.Wrap(store.Refused(text), "run: secretctl provision --phase %s", phases)
}

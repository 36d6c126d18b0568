package vault_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
	"github.com/secretctl/secretctl/internal/store/vault"
)

// podFixture is a store that is provisioned for a delivery, and its cluster.
type podFixture struct {
	*proxy
	t          *testing.T
	d          *config.Delivery
	kubernetes *kubernetes.Server
	audiences  []string // of the pod's token
	anonymous  bool
}

func newPodFixture(t *testing.T, b *backend) *podFixture {
	t.Helper()
	k, err := kubernetes.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	s := &podFixture{proxy: newProxy(t, b), t: t, kubernetes: k, audiences: []string{"vault"}}
	s.d = s.delivery(t, config.Secret{Name: "password", Value: storetest.FromEnv("P")})
	s.d.Vault.Audience, s.d.Vault.KubernetesHost = "vault", k.URL
	if _, err := s.run(t, s.d, map[string]string{"P": storetest.Canary}); err != nil {
		t.Fatal(err)
	}
	return s
}

// get does what the pod does.
func (s *podFixture) get() (store.Session, secret.Value, error) {
	s.t.Helper()
	jwt, err := s.kubernetes.Token("default", "aidbox", s.audiences...)
	if err != nil {
		s.t.Fatal(err)
	}
	v := s.vault(s.t, s.token, s.d)
	if s.anonymous {
		if v, err = vault.Provider.Open(s.d, store.Options{Anonymous: true}); err != nil {
			s.t.Fatal(err)
		}
	}
	session, err := v.Login(s.t.Context(), secret.New([]byte(jwt)))
	if err != nil {
		return nil, secret.Value{}, err
	}
	value, _, err := session.Get(s.t.Context(), s.d.Secrets[0])
	return session, value, err
}

func logsInAsThePod(t *testing.T, b *backend) {
	s := newPodFixture(t, b)
	session, value, err := s.get()
	if err != nil || !value.Equal(secret.New([]byte(storetest.Canary))) {
		t.Fatalf("got %v", err)
	}
	if err := session.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := session.Get(t.Context(), s.d.Secrets[0]); err == nil {
		t.Error("the token is good after the end")
	}
	s.anonymous = true
	if session, _, err = s.get(); err != nil {
		t.Fatalf("without a token of its own: %v", err)
	}
	if err := session.End(t.Context()); err != nil {
		t.Error(err)
	}
}

func namesWhatRefusesThePod(t *testing.T, b *backend) {
	role := func(s *podFixture, fields map[string]any) {
		s.call(s.t, http.MethodPost, "auth/"+s.d.Vault.AuthMount+"/role/"+s.d.Vault.Role, fields)
	}
	for _, tt := range []struct {
		name    string
		breakIt func(s *podFixture)
		want    error
		says    string
		hint    string
	}{
		{"role absent", func(s *podFixture) { s.d.Vault.Role = "nobody" }, fs.ErrPermission, `role "nobody" does not exist`, "--phase"},
		{"mount absent", func(s *podFixture) { s.d.Vault.AuthMount = "nowhere" }, fs.ErrPermission, "no auth method at auth/nowhere", "--phase auth"},
		{"other ServiceAccount", func(s *podFixture) { role(s, map[string]any{"bound_service_account_names": "other"}) }, fs.ErrPermission, `admits the ServiceAccounts "other", not "aidbox"`, "provision"},
		{"other namespace", func(s *podFixture) { role(s, map[string]any{"bound_service_account_namespaces": "other"}) }, fs.ErrPermission, `admits the namespaces "other", not "default"`, "provision"},
		{"other audience", func(s *podFixture) { s.audiences = []string{"other"} }, fs.ErrPermission, `requires a token for the audience "vault", and the pod's is for "other"`, "vault.audience"},
		{"review fails", func(s *podFixture) { s.kubernetes.Close() }, fs.ErrPermission, "could not have the cluster review it", "kubernetes_host"},
		{"not told why", func(s *podFixture) { s.anonymous, s.d.Vault.Role = true, "nobody" }, fs.ErrPermission, "may not read the role to find out why", "token"},
		{"policy absent", func(s *podFixture) { s.call(s.t, http.MethodDelete, "sys/policies/acl/"+s.d.Vault.Policy, nil) }, fs.ErrPermission, "does not exist", "--phase policy"},
		{"policy without the path", func(s *podFixture) { s.d.Secrets[0].Path = "other/path" }, fs.ErrPermission, "does not grant it", "--phase policy"},
		{"role without the policy", func(s *podFixture) { role(s, map[string]any{"token_policies": "other"}) }, fs.ErrPermission, `"other" and not`, "--phase policy,role"},
		{"path absent", func(s *podFixture) { s.call(s.t, http.MethodDelete, "secret/metadata/"+storetest.Place(s.t), nil) }, fs.ErrNotExist, "is not in the store", "provision"},
		{"key absent", func(s *podFixture) { s.d.Secrets[0].Key = "other" }, fs.ErrNotExist, "has no such key", "available: password"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newPodFixture(t, b)
			tt.breakIt(s)
			session, _, err := s.get()
			if session != nil {
				defer func() { _ = session.End(t.Context()) }()
			}
			storetest.WantError(t, err, tt.says)
			if !errors.Is(err, tt.want) {
				t.Errorf("%v is no %v", err, tt.want)
			}
			if !strings.Contains(hint.Of(err), tt.hint) {
				t.Errorf("hint %q does not say %q", hint.Of(err), tt.hint)
			}
		})
	}
}

func TestLoginWithoutAnAnswerIsNoRefusal(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"no Vault":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"no token":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"data": {}}`)) },
		"proxy":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"overloaded": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
	} {
		t.Run(name, func(t *testing.T) {
			b := fake(t, answer)
			d := b.delivery(t)
			_, err := b.vault(t, b.token, d).Login(within(t, 300*time.Millisecond), secret.New([]byte("header.payload.canary")))
			if err == nil || errors.Is(err, fs.ErrPermission) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestLoginErrorRepeatsNoToken(t *testing.T) {
	const jwt = "header-storetest.Canary.payload-storetest.Canary.signature-canary"
	b := fake(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"errors": ["refused ` + jwt + ` ` + r.Header.Get("X-Vault-Token") + `"]}`))
	})
	_, err := b.vault(t, b.token, b.delivery(t)).Login(t.Context(), secret.New([]byte(jwt)))
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
}

func reachesVault(t *testing.T, b *backend) {
	v, err := vault.Provider.Open(b.delivery(t), store.Options{Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	what, err := v.Reach(t.Context())
	if err != nil || !strings.HasPrefix(what, "Vault 1.") {
		t.Errorf("got %q, %v", what, err)
	}
	b.call(t, http.MethodPut, "sys/seal", nil)
	defer b.call(t, http.MethodPut, "sys/unseal", map[string]string{"key": b.unsealKey})
	_, err = v.Reach(t.Context())
	storetest.WantError(t, err, "sealed")
}

func logsInWhenNeeded(t *testing.T, b *backend) {
	f := newPodFixture(t, b)
	var asked, logins, revoked atomic.Int32
	f.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		asked.Add(1)
		switch {
		case strings.HasSuffix(r.URL.Path, "/login"):
			logins.Add(1)
		case strings.HasSuffix(r.URL.Path, "/revoke-self"):
			revoked.Add(1)
		}
		return false
	})
	jwt, err := f.kubernetes.Token("default", "aidbox", f.audiences...)
	if err != nil {
		t.Fatal(err)
	}
	login := &store.Login{JWT: func(context.Context) (secret.Value, error) { return secret.New([]byte(jwt)), nil }}
	s, err := vault.Provider.Open(f.d, store.Options{Login: login})
	if err != nil {
		t.Fatal(err)
	}
	steps := s.Steps(storetest.Inputs(map[string]string{"P": storetest.Canary}), 0)
	if err := provision.Prepare(t.Context(), steps, nil); err != nil || asked.Load() != 0 {
		t.Fatalf("preparing asked %d times, error %v", asked.Load(), err)
	}
	for _, err := range storetest.AtOnce(16, func(int) error { _, _, err := s.Get(t.Context(), f.d.Secrets[0]); return err }) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if logins.Load() != 1 || revoked.Load() != 1 {
		t.Errorf("%d logins and %d tokens given back, want one of each", logins.Load(), revoked.Load())
	}

	refused, err := vault.Provider.Open(f.d, store.Options{Login: &store.Login{JWT: func(context.Context) (secret.Value, error) {
		return secret.New([]byte("no.such.token")), nil
	}}})
	if err != nil {
		t.Fatal(err)
	}
	logins.Store(0)
	for range 2 {
		if _, _, err := refused.Get(t.Context(), f.d.Secrets[0]); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "login refused") {
			t.Errorf("refused login: %v", err)
		}
	}
	if err := refused.Close(t.Context()); err != nil || logins.Load() != 1 {
		t.Errorf("%d logins, error %v: a refused login was tried again", logins.Load(), err)
	}
}

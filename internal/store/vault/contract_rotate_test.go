package vault_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
	"github.com/secretctl/secretctl/internal/store/vault"
)

// letsRotateJobWrite provisions a rotate job, logs in as it, and tries everything that
// it may and may not do.
func letsRotateJobWrite(t *testing.T, b *backend) {
	s := newPodFixture(t, b)
	name := storetest.Place(t)
	s.d.Secrets = []config.Secret{
		{Name: "rotated", Path: name + "/rotated", Key: "k", Value: storetest.FromEnv("P")},
		{Name: "other", Path: name + "/other", Key: "k", Value: storetest.FromEnv("P")},
	}
	s.d.RotateJob = &config.RotateJob{Secrets: []string{"rotated"}}
	env := map[string]string{"P": storetest.Canary}
	policy, role := "sys/policies/acl/"+name+"-rotate", "auth/"+name+"/role/"+name+"-rotate"
	got, err := s.run(t, s.d, env, "store", "policy", "role")
	storetest.Want(t, got, err, "store create secret/"+name+"/rotated#k", "store create secret/"+name+"/other#k",
		"policy update sys/policies/acl/"+name, "policy create "+policy, "role unchanged auth/"+name+"/role/"+name, "role create "+role)
	if want := "read and update on secret/data/" + name + "/rotated; read on secret/metadata/" + name + "/rotated"; got[3].Detail != want {
		t.Errorf("detail %q", got[3].Detail)
	}
	got, err = s.run(t, s.d, env, "policy", "role")
	storetest.Want(t, got, err, "policy unchanged sys/policies/acl/"+name, "policy unchanged "+policy, "role unchanged auth/"+name+"/role/"+name, "role unchanged "+role)
	is := s.read(t, role)
	for field, value := range map[string]any{
		"bound_service_account_names": []any{"aidbox-rotate"}, "bound_service_account_namespaces": []any{"default"}, "token_policies": []any{name + "-rotate"},
	} {
		if diff := cmp.Diff(value, is[field]); diff != "" {
			t.Errorf("role: %s (-want +got):\n%s", field, diff)
		}
	}

	job := s.as(t, "aidbox-rotate", name+"-rotate")
	rotated, other := s.d.Secrets[0], s.d.Secrets[1]
	if version, err := job.Put(t.Context(), rotated, secret.New([]byte("new"))); err != nil || version != "2" {
		t.Errorf("version %q, error %v", version, err)
	}
	if versions, err := job.Versions(t.Context(), rotated); err != nil || len(versions) != 2 {
		t.Errorf("versions %v, error %v", versions, err)
	}
	if _, err := job.(store.Versioned).Previous(t.Context(), rotated); err != nil {
		t.Error(err)
	}
	if _, err := job.Put(t.Context(), other, secret.New([]byte("new"))); !errors.Is(err, store.ErrDenied) {
		t.Errorf("writing another secret: %v", err)
	}
	if _, _, err := job.Get(t.Context(), other); !errors.Is(err, store.ErrDenied) {
		t.Errorf("reading another secret: %v", err)
	}
	if _, version := b.data(t, name+"/other"); version != 1 {
		t.Errorf("the other secret has version %d", version)
	}
	for _, as := range []struct{ account, role string }{{"aidbox", name + "-rotate"}, {"aidbox-rotate", name}} {
		if _, _, err := s.as(t, as.account, as.role).Get(t.Context(), rotated); err == nil {
			t.Errorf("ServiceAccount %s logs in with role %s", as.account, as.role)
		}
	}
	pod := s.as(t, "aidbox", name)
	if _, err := pod.Put(t.Context(), rotated, secret.New([]byte("newer"))); !errors.Is(err, store.ErrDenied) {
		t.Errorf("the pod writes: %v", err)
	}
	may(t, b, name+"-rotate", map[string][]any{
		"secret/data/" + name + "/rotated": {"read", "update"}, "secret/metadata/" + name + "/rotated": {"read"},
		"secret/data/" + name + "/other": {"deny"}, "secret/metadata/" + name + "/other": {"deny"}, "secret/data/" + name + "/rotated/below": {"deny"},
		"secret/delete/" + name + "/rotated": {"deny"}, "secret/destroy/" + name + "/rotated": {"deny"}, "secret/undelete/" + name + "/rotated": {"deny"},
		"secret/metadata/" + name: {"deny"}, policy: {"deny"}, role: {"deny"}, "sys/auth": {"deny"},
	})

	// The policy of somebody else is left alone, and what is no longer rotated is taken away.
	s.d.RotateJob.Secrets = []string{"other"}
	got, err = s.run(t, s.d, env, "policy")
	storetest.Want(t, got, err, "policy unchanged sys/policies/acl/"+name, "policy update "+policy)
	may(t, b, name+"-rotate", map[string][]any{"secret/data/" + name + "/rotated": {"deny"}, "secret/data/" + name + "/other": {"read", "update"}})
	b.call(t, http.MethodPut, policy, map[string]any{"policy": `path "secret/data/` + name + `/other" { capabilities = ["read"] }`})
	_, err = s.run(t, s.d, env, "policy")
	wantRefusal(t, err, "vault.policy", `policy "`+name+`-rotate"`, "not changed")
}

// as opens the store as a ServiceAccount that logs in with a role.
func (s *podFixture) as(t *testing.T, account, role string) store.Store {
	t.Helper()
	login := &store.Login{Method: s.d.Vault.AuthMount, Role: role, JWT: func(context.Context) (secret.Value, error) {
		jwt, err := s.kubernetes.Token("default", account, s.audiences...)
		return secret.New([]byte(jwt)), err
	}}
	v, err := vault.Provider.Open(s.d, store.Options{Login: login})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close(context.WithoutCancel(t.Context())) })
	return v
}

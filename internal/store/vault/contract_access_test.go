package vault_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
	"github.com/secretctl/secretctl/internal/store/vault"
)

func everything(t *testing.T, action string) []string {
	name := storetest.Place(t)
	return []string{
		"store " + action + " secret/" + name + "#password",
		"auth " + action + " auth/" + name,
		"auth " + action + " auth/" + name + "/config",
		"policy " + action + " sys/policies/acl/" + name,
		"role " + action + " auth/" + name + "/role/" + name,
	}
}

// read returns the data at a path.
func (b *backend) read(t testing.TB, path string) map[string]any {
	t.Helper()
	data, _ := b.call(t, http.MethodGet, path, nil)["data"].(map[string]any)
	return data
}

func provisionsEverything(t *testing.T, b *backend) {
	name := storetest.Place(t)
	d := b.delivery(t, config.Secret{Name: "password", Value: storetest.FromEnv("P")})
	d.Vault.Audience = "vault"
	env := map[string]string{"P": storetest.Canary}
	got, err := b.run(t, d, env)
	storetest.Want(t, got, err, everything(t, "create")...)
	got, err = b.run(t, d, env)
	storetest.Want(t, got, err, everything(t, "unchanged")...)

	role := b.read(t, "auth/"+name+"/role/"+name)
	for field, value := range map[string]any{
		"bound_service_account_names": []any{"aidbox"}, "bound_service_account_namespaces": []any{"default"},
		"token_policies": []any{name}, "token_ttl": float64(3600), "audience": "vault",
	} {
		if diff := cmp.Diff(value, role[field]); diff != "" {
			t.Errorf("role: %s (-want +got):\n%s", field, diff)
		}
	}
	if host := b.read(t, "auth/"+name+"/config")["kubernetes_host"]; host != "https://kubernetes.default.svc" {
		t.Errorf("kubernetes_host %v", host)
	}
	grants(t, b, name, "secret/data/"+name, true)
	grants(t, b, name, "secret/data/"+name+"/below", false)
}

// grants checks what a token with the policy may do at a path: read, or nothing.
func grants(t *testing.T, b *backend, policy, path string, reads bool) {
	t.Helper()
	wanted := []any{"deny"}
	if reads {
		wanted = []any{"read"}
	}
	may(t, b, policy, map[string][]any{path: wanted})
}

// may checks what a token with the policy may do at each path.
func may(t *testing.T, b *backend, policy string, wanted map[string][]any) {
	t.Helper()
	auth, _ := b.call(t, http.MethodPost, "auth/token/create", map[string]any{"policies": []string{policy}})["auth"].(map[string]any)
	as := *b
	as.token = auth["client_token"].(string)
	capabilities, _ := as.call(t, http.MethodPost, "sys/capabilities-self", map[string]any{"paths": slices.Collect(maps.Keys(wanted))})["data"].(map[string]any)
	for path, want := range wanted {
		if diff := cmp.Diff(any(want), capabilities[path]); diff != "" {
			t.Errorf("capabilities on %s (-want +got):\n%s", path, diff)
		}
	}
}

func dryRunWritesNothing(t *testing.T, b *backend) {
	p := newProxy(t, b)
	p.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		return false
	})
	d := p.delivery(t, config.Secret{Name: "password", Value: storetest.FromEnv("P")})
	got, err := p.runAs(t, p.token, d, map[string]string{"P": storetest.Canary}, true)
	storetest.Want(t, got, err, everything(t, "create")...)
}

func updatesPolicy(t *testing.T, b *backend) {
	name := storetest.Place(t)
	d := b.delivery(t, config.Secret{Name: "a", Path: name + "/a"}, config.Secret{Name: "b", Path: name + "/b"})
	b.call(t, http.MethodPut, "sys/policies/acl/"+name, map[string]any{"policy": `path "secret/data/` + name + "/theirs\" {\ncapabilities = [\"read\"]\n}\n"})

	got, err := b.runWith(t, d, store.Options{Adopt: true}, "policy")
	storetest.Want(t, got, err, "policy update sys/policies/acl/"+name)
	if wanted := "+secret/data/" + name + "/a, +secret/data/" + name + "/b, -secret/data/" + name + "/theirs"; got[0].Detail != wanted || got[0].Warning == "" {
		t.Errorf("detail %q, want %q; warning %q, want one", got[0].Detail, wanted, got[0].Warning)
	}
	text, _ := b.read(t, "sys/policies/acl/"+name)["policy"].(string)
	if !strings.HasPrefix(text, "# Managed by secretctl for default/aidbox at auth/"+name+": ") {
		t.Errorf("the policy does not say whose it is:\n%s", text)
	}
	grants(t, b, name, "secret/data/"+name+"/a", true)
	grants(t, b, name, "secret/data/"+name+"/theirs", false)

	d.Vault.PolicyScope = config.PolicyPrefix
	got, err = b.run(t, d, nil, "policy")
	storetest.Want(t, got, err, "policy update sys/policies/acl/"+name)
	if got[0].Warning != "" {
		t.Errorf("warning %q about a policy that secretctl wrote", got[0].Warning)
	}
	grants(t, b, name, "secret/data/"+name+"/other", true)
	grants(t, b, name, "secret/data/"+name, false)
	got, err = b.run(t, d, nil, "policy")
	storetest.Want(t, got, err, "policy unchanged sys/policies/acl/"+name)
}

// withAuth enables kubernetes auth as another writer would, with a config.
func withAuth(t *testing.T, b *backend, more map[string]any) string {
	t.Helper()
	mount := "auth/" + storetest.Place(t)
	b.call(t, http.MethodPost, "sys/"+mount, map[string]any{"type": "kubernetes"})
	settings := map[string]any{"kubernetes_host": "https://10.96.0.1:443", "disable_local_ca_jwt": true}
	maps.Copy(settings, more)
	b.call(t, http.MethodPut, mount+"/config", settings)
	return mount
}

func repairsRole(t *testing.T, b *backend) {
	path := withAuth(t, b, nil) + "/role/" + storetest.Place(t)
	b.call(t, http.MethodPut, path, map[string]any{
		"bound_service_account_names": []string{"other"}, "bound_service_account_namespaces": []string{"default"},
		"token_policies": []string{storetest.Place(t)}, "token_ttl": "2h", "token_max_ttl": "24h", "audience": "was",
	})
	d := b.delivery(t, config.Secret{Name: "a"})
	got, err := b.runWith(t, d, store.Options{Adopt: true}, "role")
	storetest.Want(t, got, err, "role update "+path)
	if wanted := `bound_service_account_names from [other] to [aidbox], token_ttl from 2h0m0s to 1h0m0s, audience from "was" to ""`; got[0].Detail != wanted {
		t.Errorf("detail %q, want %q", got[0].Detail, wanted)
	}
	role := b.read(t, path)
	if role["token_max_ttl"] != float64(86400) || role["audience"] != nil {
		t.Errorf("token_max_ttl %v and audience %v, want 86400 and none", role["token_max_ttl"], role["audience"])
	}
	got, err = b.run(t, d, nil, "role")
	storetest.Want(t, got, err, "role unchanged "+path)
}

func acceptsOldRole(t *testing.T, b *backend) {
	path := withAuth(t, b, nil) + "/role/" + storetest.Place(t)
	b.call(t, http.MethodPut, path, map[string]any{
		"bound_service_account_names": "aidbox", "bound_service_account_namespaces": "default", "policies": storetest.Place(t), "ttl": "1h",
	})
	got, err := b.run(t, b.delivery(t, config.Secret{Name: "a"}), nil, "role")
	storetest.Want(t, got, err, "role unchanged "+path)
}

func refusesOtherAuthMethod(t *testing.T, b *backend) {
	d := b.delivery(t, config.Secret{Name: "a"})
	d.Vault.AuthMount = "token"
	_, err := b.run(t, d, nil, "auth")
	storetest.WantError(t, err, "auth/token", "not kubernetes")
}

func changesKubernetesHost(t *testing.T, b *backend) {
	mount := withAuth(t, b, map[string]any{"issuer": "kept", "use_annotations_as_alias_metadata": true})
	d := b.delivery(t, config.Secret{Name: "a"})
	d.Vault.KubernetesHost = "https://kubernetes.default.svc"
	got, err := b.run(t, d, nil, "auth")
	storetest.Want(t, got, err, "auth unchanged "+mount, "auth update "+mount+"/config")
	if !strings.Contains(got[1].Detail, "from https://10.96.0.1:443 to https://kubernetes.default.svc") {
		t.Errorf("detail %q", got[1].Detail)
	}
	is := b.read(t, mount+"/config")
	if is["kubernetes_host"] != "https://kubernetes.default.svc" || is["issuer"] != "kept" || is["disable_local_ca_jwt"] != true || is["use_annotations_as_alias_metadata"] != true {
		t.Errorf("config %v: the host alone was to change", is)
	}
}

func keepsReviewerToken(t *testing.T, b *backend) {
	mount := withAuth(t, b, map[string]any{"token_reviewer_jwt": "eyJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.abcd"})
	d := b.delivery(t, config.Secret{Name: "a", Value: storetest.FromEnv("P")})
	d.Vault.KubernetesHost = "https://kubernetes.default.svc"
	_, err := b.run(t, d, map[string]string{"P": storetest.Canary})
	storetest.WantError(t, err, mount+"/config", "token_reviewer_jwt")
	if !strings.Contains(hint.Of(err), "vault.kubernetesHost") {
		t.Errorf("hint %q", hint.Of(err))
	}
	if _, version := b.data(t, storetest.Place(t)); version != 0 {
		t.Error("the store was written, though a later phase could not work")
	}
	d.Vault.KubernetesHost = "https://10.96.0.1:443"
	got, err := b.run(t, d, nil, "auth")
	storetest.Want(t, got, err, "auth unchanged "+mount, "auth unchanged "+mount+"/config")
}

func wantsAuthBeforeRole(t *testing.T, b *backend) {
	_, err := b.run(t, b.delivery(t, config.Secret{Name: "a"}), nil, "role")
	storetest.WantError(t, err, "role", "no auth method at auth/"+storetest.Place(t))
	if !strings.Contains(hint.Of(err), "auth") {
		t.Errorf("hint %q", hint.Of(err))
	}
	if got := vault.Provider.Phases; !cmp.Equal(got, []string{"store", "auth", "policy", "role"}) {
		t.Errorf("phases %v", got)
	}
}

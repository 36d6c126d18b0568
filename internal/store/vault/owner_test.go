package vault_test

import (
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

// unchanged calls do and fails if anything at the paths is another afterwards.
func unchanged(t *testing.T, b *backend, do func(), paths ...string) {
	t.Helper()
	before := map[string]map[string]any{}
	for _, p := range paths {
		if before[p] = b.read(t, p); before[p] == nil {
			t.Fatalf("%s: nothing is there", p)
		}
	}
	do()
	for _, p := range paths {
		if diff := cmp.Diff(before[p], b.read(t, p)); diff != "" {
			t.Errorf("%s of somebody else changed (-before +after):\n%s", p, diff)
		}
	}
}

// wantRefusal checks that an error keeps what others own as it is, and says how to
// go on.
func wantRefusal(t *testing.T, err error, setting string, texts ...string) {
	t.Helper()
	storetest.WantError(t, err, texts...)
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v is no fs.ErrPermission", err)
	}
	if h := hint.Of(err); !strings.Contains(h, setting) || !strings.Contains(h, "--adopt") {
		t.Errorf("hint %q names neither %s nor --adopt", h, setting)
	}
}

func leavesSharedAuthMethod(t *testing.T, b *backend) {
	mount := withAuth(t, b, nil)
	d := b.delivery(t, config.Secret{Name: "a"})
	unchanged(t, b, func() {
		got, err := b.run(t, d, nil, "auth")
		storetest.Want(t, got, err, "auth unchanged "+mount, "auth unchanged "+mount+"/config")
		if err == nil && !strings.Contains(got[1].Detail, "vault.kubernetesHost is not set") {
			t.Errorf("detail %q does not say that the host is another", got[1].Detail)
		}
	}, mount+"/config")
}

func leavesOtherPolicyThatGrants(t *testing.T, b *backend) {
	name := storetest.Place(t)
	for _, rules := range []string{
		`path "secret/data/` + name + `/*" { capabilities = ["read", "list"] }`,
		`path "secret/+/` + name + `/a" { capabilities = ["read"] }`,
		`path "secret/*" { policy = "read" }`,
		`path "/secret/data/` + name + `/a" { capabilities = ["create", "read", "update"] }
		 path "other/*" { capabilities = ["deny"] }`,
	} {
		b.call(t, http.MethodPut, "sys/policies/acl/"+name, map[string]any{"policy": rules})
		unchanged(t, b, func() {
			for _, adopt := range []bool{false, true} {
				got, err := b.runWith(t, b.delivery(t, config.Secret{Name: "a", Path: name + "/a"}), store.Options{Adopt: adopt}, "policy")
				storetest.Want(t, got, err, "policy unchanged sys/policies/acl/"+name)
			}
		}, "sys/policies/acl/"+name)
	}
}

func refusesOtherPolicy(t *testing.T, b *backend) {
	name := storetest.Place(t)
	for _, rules := range []string{
		`path "secret/data/another" { capabilities = ["read"] }`,
		`path "secret/data/` + name + `/*" { capabilities = ["list"] }`,
		`path "secret/*" { capabilities = ["read"] }
		 path "secret/data/` + name + `/*" { capabilities = ["deny"] }`,
		"# Managed by secretctl for dev/aidbox: the next provision undoes what is changed here.\n" + `path "secret/data/dev" { capabilities = ["read"] }`,
	} {
		b.call(t, http.MethodPut, "sys/policies/acl/"+name, map[string]any{"policy": rules})
		d := b.delivery(t, config.Secret{Name: "a", Path: name + "/a"})
		unchanged(t, b, func() {
			_, err := b.run(t, d, nil, "policy")
			wantRefusal(t, err, "vault.policy", `policy "`+name+`"`, "not changed")
			got, err := b.runWith(t, d, store.Options{Compare: true}, "policy")
			storetest.Want(t, got, err, "policy update sys/policies/acl/"+name)
			if err == nil {
				wantRefusal(t, got[0].Refused, "vault.policy", `policy "`+name+`"`)
			}
		}, "sys/policies/acl/"+name)
	}
}

// Clusters that share a Vault have auth methods of their own, and often the same names for
// everything else.
func refusesPolicyOfAnotherCluster(t *testing.T, b *backend) {
	name := storetest.Place(t)
	d := b.delivery(t, config.Secret{Name: "a", Path: name + "/prod"})
	got, err := b.run(t, d, nil, "policy")
	storetest.Want(t, got, err, "policy create sys/policies/acl/"+name)
	d = b.delivery(t, config.Secret{Name: "a", Path: name + "/staging"})
	d.Vault.AuthMount = "k8s/staging"
	unchanged(t, b, func() {
		_, err := b.run(t, d, nil, "policy")
		wantRefusal(t, err, "vault.policy to a name of the delivery's own, such as aidbox-default-k8s-staging", "belongs to the delivery default/aidbox at auth/"+name)
	}, "sys/policies/acl/"+name)
}

// withRole writes a role as somebody else would, and returns its path.
func withRole(t *testing.T, b *backend, role map[string]any) string {
	t.Helper()
	path := "auth/" + storetest.Place(t) + "/role/" + storetest.Place(t)
	b.call(t, http.MethodPut, path, role)
	return path
}

func leavesRoleThatAdmits(t *testing.T, b *backend) {
	name := storetest.Place(t)
	withAuth(t, b, nil)
	for _, role := range []map[string]any{
		{"bound_service_account_names": []string{"aidbox*"}, "bound_service_account_namespaces": []string{"*"}, "token_policies": []string{name, "more"}, "token_ttl": "5m"},
		{"bound_service_account_names": []string{"other", "aidbox"}, "bound_service_account_namespaces": []string{"default", "prod"}, "token_policies": []string{name}},
		{"bound_service_account_names": []string{"*"}, "bound_service_account_namespaces": []string{"def*"}, "token_policies": []string{"more", name}, "audience": "vault"},
	} {
		path := withRole(t, b, role)
		unchanged(t, b, func() {
			got, err := b.runWith(t, b.delivery(t, config.Secret{Name: "a"}), store.Options{Adopt: true}, "role")
			storetest.Want(t, got, err, "role unchanged "+path)
			got, err = b.run(t, b.delivery(t, config.Secret{Name: "a"}), nil, "role")
			storetest.Want(t, got, err, "role unchanged "+path)
			if err == nil && (role["audience"] != nil) != (got[0].Warning != "") {
				t.Errorf("warning %q", got[0].Warning)
			}
		}, path)
		b.call(t, http.MethodDelete, path, nil)
	}
}

// Without the audience, tokens that are for that audience alone would be refused.
func keepsSettingsOfRole(t *testing.T, b *backend) {
	name := storetest.Place(t)
	withAuth(t, b, nil)
	path := withRole(t, b, map[string]any{
		"bound_service_account_names": []string{"aidbox"}, "bound_service_account_namespaces": []string{"default"},
		"token_policies": []string{name}, "token_ttl": "10m", "token_max_ttl": "30m", "audience": "vault",
	})
	d := b.delivery(t, config.Secret{Name: "a"})
	d.From = map[string]string{"vault.tokenTTL": "default"}
	unchanged(t, b, func() {
		for _, adopt := range []bool{false, true} {
			got, err := b.runWith(t, d, store.Options{Adopt: adopt}, "role")
			storetest.Want(t, got, err, "role unchanged "+path)
			if err == nil && got[0].Warning != `requires a token for the audience "vault": set vault.audience to that` {
				t.Errorf("warning %q", got[0].Warning)
			}
		}
	}, path)
	d.From, d.Vault.TokenTTL, d.Vault.Audience = nil, "15m", "other"
	got, err := b.run(t, d, nil, "role")
	storetest.Want(t, got, err, "role update "+path)
	if role := b.read(t, path); role["token_ttl"] != float64(900) || role["audience"] != "other" {
		t.Errorf("got %v", role)
	}
}

func refusesOtherRole(t *testing.T, b *backend) {
	name := storetest.Place(t)
	withAuth(t, b, nil)
	for _, role := range []map[string]any{
		{"bound_service_account_names": []string{"aidbox"}, "bound_service_account_namespaces": []string{"dev"}, "token_policies": []string{name}},
		{"bound_service_account_names": []string{"other"}, "bound_service_account_namespaces": []string{"default"}, "token_policies": []string{name}},
		{"bound_service_account_names": []string{"aidbox", "other"}, "bound_service_account_namespaces": []string{"default"}, "token_policies": []string{"theirs"}},
	} {
		path := withRole(t, b, role)
		d := b.delivery(t, config.Secret{Name: "a"})
		unchanged(t, b, func() {
			_, err := b.run(t, d, nil, "role")
			wantRefusal(t, err, "vault.role", `role "`+name+`"`, "is bound to the ServiceAccounts", "not changed")
			got, err := b.runWith(t, d, store.Options{Compare: true}, "role")
			storetest.Want(t, got, err, "role update "+path)
			if err == nil {
				wantRefusal(t, got[0].Refused, "vault.role", `role "`+name+`"`)
			}
		}, path)
		got, err := b.runWith(t, d, store.Options{Adopt: true}, "role")
		storetest.Want(t, got, err, "role update "+path)
		got, err = b.run(t, d, nil, "role")
		storetest.Want(t, got, err, "role unchanged "+path)
		b.call(t, http.MethodDelete, path, nil)
	}
}

func keepsFurtherPolicies(t *testing.T, b *backend) {
	name := storetest.Place(t)
	withAuth(t, b, nil)
	path := withRole(t, b, map[string]any{
		"bound_service_account_names": "aidbox", "bound_service_account_namespaces": "default", "token_policies": []string{"theirs"}, "token_ttl": "1h",
	})
	got, err := b.run(t, b.delivery(t, config.Secret{Name: "a"}), nil, "role")
	storetest.Want(t, got, err, "role update "+path)
	if diff := cmp.Diff([]any{"theirs", name}, b.read(t, path)["token_policies"]); diff != "" {
		t.Errorf("policies (-want +got):\n%s", diff)
	}
	got, err = b.run(t, b.delivery(t, config.Secret{Name: "a"}), nil, "role")
	storetest.Want(t, got, err, "role unchanged "+path)
}

// Two files with default names, of two teams that do not know of each other.
func keepsDeliveriesApart(t *testing.T, b *backend) {
	name := storetest.Place(t)
	dev := b.delivery(t, config.Secret{Name: "a", Path: name + "/dev"})
	prod := b.delivery(t, config.Secret{Name: "a", Path: name + "/prod"})
	dev.Namespace, prod.Namespace = "dev", "prod"
	if _, err := b.run(t, dev, nil); err != nil {
		t.Fatal(err)
	}
	role := "auth/" + name + "/role/" + name
	unchanged(t, b, func() {
		_, err := b.run(t, prod, nil)
		wantRefusal(t, err, "vault.policy", "belongs to the delivery dev/aidbox")
		_, err = b.run(t, prod, nil, "role")
		wantRefusal(t, err, "vault.role", `"dev"`)
	}, "sys/policies/acl/"+name, role, "auth/"+name+"/config")

	prod.Vault.Policy, prod.Vault.Role = name+"-prod", name+"-prod"
	unchanged(t, b, func() {
		if _, err := b.run(t, prod, nil); err != nil {
			t.Error(err)
		}
		got, err := b.run(t, dev, nil, "policy", "role")
		storetest.Want(t, got, err, "policy unchanged sys/policies/acl/"+name, "role unchanged "+role)
	}, "sys/policies/acl/"+name, role, "auth/"+name+"/config")
}

package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVaultConfigSpeaksBothDialects(t *testing.T) {
	const secrets = "secrets: [{name: a, scope: [Client/basic]}, {name: b, scope: [Client]}]\n"
	for format, want := range map[string]string{
		"references": `{"secret": {
  "a": {"path":"/run/vault-secrets/a","scope":["Client/basic"]},
  "b": {"path":"/run/vault-secrets/b","scope":["Client"]}
}}
`,
		"object": `{"secret": {
  "a": {"path":"/run/vault-secrets/a","scope":{"resource_type":"Client","id":"basic"}},
  "b": {"path":"/run/vault-secrets/b","scope":{"resource_type":"Client"}}
}}
`,
	} {
		d := loadText(t, delivery("aidbox: {scopeFormat: "+format+"}\n"+secrets))
		if diff := cmp.Diff(want, string(d.VaultConfig())); diff != "" {
			t.Errorf("%s (-want +got)\n%s", format, diff)
		}
	}
}

func TestPolicyPathsAreSortedAndEachOnce(t *testing.T) {
	const secrets = "secrets: [{name: a, path: x/b, scope: [Client]}, {name: b, path: x/a, key: k, scope: [Client]}, {name: c, path: x/a, scope: [Client]}, {name: d, path: w/y/z, scope: [Client]}]\n"
	for scope, want := range map[string][]string{
		"exact":  {"kv/data/w/y/z", "kv/data/x/a", "kv/data/x/b"},
		"prefix": {"kv/data/w/y/*", "kv/data/x/*"},
	} {
		d := loadText(t, delivery("vault: {kvMount: kv, policyScope: "+scope+"}\n"+secrets))
		if diff := cmp.Diff(want, d.PolicyPaths()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", scope, diff)
		}
	}
}

func TestNamesFollowFromTheDelivery(t *testing.T) {
	d := loadText(t, delivery("name: prod\nmountPath: /mnt/s\n"))
	s, found := d.Secret("s")
	got := []string{d.SecretProviderClassName(), d.ConfigMapName(), d.MountedFile(s), d.DataPath(s), d.AccessPolicyID(Resource{ID: "c"})}
	want := []string{"prod-vault-secrets", "prod-vault-config", "/mnt/s/s", "secret/data/aidbox/s", "secretctl-c"}
	if diff := cmp.Diff(want, got); diff != "" || !found {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := d.MountedFile(Secret{Name: "bq-sa-key", File: "bq-sa-key.json"}); got != "/mnt/s/bq-sa-key.json" {
		t.Errorf("file is %s", got)
	}
	if _, found := d.Secret("none"); found {
		t.Error("found a secret that is not there")
	}
}

func TestAccessPolicyHasTheIdOfItsBody(t *testing.T) {
	for policy, want := range map[string]string{"": "secretctl-c", "allow": "secretctl-c", "{engine: allow}": "secretctl-c", "{engine: allow, id: mine}": "mine"} {
		d := loadText(t, delivery("resources: [{type: Client, id: c, secrets: {secret: s}, accessPolicy: "+policy+"}]\n"))
		if got := d.AccessPolicyID(d.Resources[0]); got != want {
			t.Errorf("%q: %s", policy, got)
		}
	}
}

func TestScopeNamesOneResourceOrAllOfAType(t *testing.T) {
	s := Secret{Scope: []string{"Client/basic", "TokenIntrospector"}}
	for ref, want := range map[[2]string]bool{
		{"Client", "basic"}: true, {"Client", "other"}: false, {"TokenIntrospector", "any"}: true, {"IdentityProvider", "basic"}: false,
	} {
		if got := s.InScope(ref[0], ref[1]); got != want {
			t.Errorf("%s: %t", ref, got)
		}
	}
}

func TestAidboxIsReachedByAServiceWhereTheURLSaysSo(t *testing.T) {
	for url, want := range map[string][3]any{
		"service":             {"", "", true},
		"service/aidbox":      {"aidbox", "", true},
		"service/aidbox:80":   {"aidbox", "80", true},
		"service/aidbox:http": {"aidbox", "http", true},
		"http://service":      {"", "", false},
	} {
		name, port, ok := loadText(t, delivery("aidbox: {url: \""+url+"\"}\n")).Aidbox.Service()
		if got := [3]any{name, port, ok}; ok != want[2] || ok && got != want {
			t.Errorf("%s: got %v", url, got)
		}
	}
}

func TestIDOfTheScopeClientIsShortAndItsOwn(t *testing.T) {
	long := strings.Repeat("n", 40)
	a := &Delivery{Namespace: long, Name: "aidbox-of-the-first-clinic"}
	b := &Delivery{Namespace: long, Name: "aidbox-of-the-first-hospital"}
	if id := (&Delivery{Namespace: "fhir", Name: "aidbox"}).ScopeClientID(); id != "secretctl-scope-fhir-aidbox" {
		t.Errorf("id %q", id)
	}
	if len(a.ScopeClientID()) > maxID || a.ScopeClientID() == b.ScopeClientID() {
		t.Errorf("ids %q and %q, want at most %d characters, and each its own", a.ScopeClientID(), b.ScopeClientID(), maxID)
	}
}

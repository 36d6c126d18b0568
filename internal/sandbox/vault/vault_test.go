package vault_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/test/sandboxtest"
)

func TestPoliciesDecide(t *testing.T) {
	v := sandboxtest.StartVault(t)
	root := sandboxtest.VaultClient{URL: v.URL, Token: v.RootToken}
	root.Must(t, `PUT secret/data/a/b {"data":{}}`, `PUT secret/data/x/b {"data":{}}`)
	const read, write, list = "GET secret/data/a/b", `PUT secret/data/a/b {"data":{}}`, "GET secret/metadata/a?list=true"
	for _, c := range []struct {
		name, policy, request string
		want                  int
	}{
		{"nothing granted", ``, read, http.StatusForbidden},
		{"the path itself", `path "secret/data/a/b" { capabilities = ["read"] }`, read, http.StatusOK},
		{"another path", `path "secret/data/a/c" { capabilities = ["read"] }`, read, http.StatusForbidden},
		{"the path without data/", `path "secret/a/b" { capabilities = ["read"] }`, read, http.StatusForbidden},
		{"another capability", `path "secret/data/a/b" { capabilities = ["read"] }`, write, http.StatusForbidden},
		{"a prefix", `path "secret/data/a/*" { capabilities = ["read"] }`, read, http.StatusOK},
		{"a prefix of another folder", `path "secret/data/b/*" { capabilities = ["read"] }`, read, http.StatusForbidden},
		{"create", `path "secret/data/*" { capabilities = ["create"] }`, `PUT secret/data/new {"data":{}}`, http.StatusOK},
		{"list", `path "secret/metadata/*" { capabilities = ["list"] }`, list, http.StatusOK},
		{"list needs its own capability", `path "secret/metadata/*" { capabilities = ["read"] }`, list, http.StatusForbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			holder := root.TokenFor(t, "# "+c.name+"\n"+c.policy)
			if got, answer := holder.Do(t, c.request); got != c.want {
				t.Errorf("%s: %d %v, want %d", c.request, got, answer, c.want)
			}
		})
	}
}

func TestRefusalQuotesNoValue(t *testing.T) {
	v := sandboxtest.StartVault(t)
	const canary = "canary-7f3a"
	for _, request := range []string{
		`PUT secret/data/a {"data":"` + canary + `"}`,
		`PUT secret/data/a {"data":{"k":"` + canary + `"},"options":{"cas":5}}`,
		`PUT secret/data/a {"data":{"k":"` + canary + `"}`,
		`POST auth/kubernetes/login {"role":"x","jwt":"` + canary + `"}`,
	} {
		status, content := sandboxtest.Send(t, "PUT", v.URL+"/v1/"+strings.Fields(request)[1], strings.SplitN(request, " ", 3)[2], http.Header{"X-Vault-Token": {v.RootToken}})
		if status < http.StatusBadRequest || strings.Contains(string(content), canary) {
			t.Errorf("%s: %d %s", request, status, content)
		}
	}
}

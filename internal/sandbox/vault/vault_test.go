package vault_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/sandbox/vault"
	"github.com/secretctl/secretctl/test/sandboxtest"
)

func TestVaultDoesWhatTheBestMatchingRuleSays(t *testing.T) {
	v := sandboxtest.StartVault(t)
	root := sandboxtest.VaultClient{URL: v.URL, Token: v.RootToken}
	root.Must(t, `PUT secret/data/a/b {"data":{}}`, `PUT secret/data/a/c {"data":{}}`, `PUT secret/data/x/b {"data":{}}`)
	const read, write, list = "GET secret/data/a/b", `PUT secret/data/a/b {"data":{}}`, "LIST secret/metadata/a"
	for _, c := range []struct {
		name, policy, request string
		want                  int
	}{
		{"nothing granted", ``, read, http.StatusForbidden},
		{"the path itself", `path "secret/data/a/b" { capabilities = ["read"] }`, read, http.StatusOK},
		{"another path", `path "secret/data/a/c" { capabilities = ["read"] }`, read, http.StatusForbidden},
		{"the path without data/", `path "secret/a/b" { capabilities = ["read"] }`, read, http.StatusForbidden},
		{"another capability", `path "secret/data/a/b" { capabilities = ["update"] }`, read, http.StatusForbidden},
		{"a prefix", `path "secret/data/a/*" { capabilities = ["read"] }`, read, http.StatusOK},
		{"a prefix within a segment", `path "secret/da*" { capabilities = ["read"] }`, read, http.StatusOK},
		{"a prefix of another folder", `path "secret/data/b/*" { capabilities = ["read"] }`, read, http.StatusForbidden},
		{"any segment", `path "secret/data/+/b" { capabilities = ["read"] }`, read, http.StatusOK},
		{"any one segment, not two", `path "secret/+/b" { capabilities = ["read"] }`, read, http.StatusForbidden},
		{"any segment and a prefix", `path "secret/+/a/*" { capabilities = ["read"] }`, read, http.StatusOK},
		{"deny of the path beats a prefix", `path "secret/*" { capabilities = ["read"] }
			path "secret/data/a/b" { capabilities = ["deny"] }`, read, http.StatusForbidden},
		{"the path beats deny of a prefix", `path "secret/*" { capabilities = ["deny"] }
			path "secret/data/a/b" { capabilities = ["read"] }`, read, http.StatusOK},
		{"a longer prefix wins, without the rights of the shorter", `path "secret/*" { capabilities = ["update"] }
			path "secret/data/*" { capabilities = ["read"] }`, write, http.StatusForbidden},
		{"a later wildcard wins", `path "secret/+/a/b" { capabilities = ["deny"] }
			path "secret/data/a/*" { capabilities = ["read"] }`, read, http.StatusOK},
		{"deny in the same path wins", `path "secret/data/a/b" { capabilities = ["read", "deny"] }`, read, http.StatusForbidden},
		{"update of what is there", `path "secret/data/a/b" { capabilities = ["update"] }`, write, http.StatusOK},
		{"create does not overwrite", `path "secret/data/a/b" { capabilities = ["create"] }`, write, http.StatusForbidden},
		{"update does not create", `path "secret/data/*" { capabilities = ["update"] }`, `PUT secret/data/new {"data":{}}`, http.StatusForbidden},
		{"create", `path "secret/data/*" { capabilities = ["create"] }`, `PUT secret/data/new {"data":{}}`, http.StatusOK},
		{"list", `path "secret/metadata/*" { capabilities = ["list"] }`, list, http.StatusOK},
		{"list of a folder named without the slash", `path "secret/metadata/a" { capabilities = ["list"] }`, list, http.StatusOK},
		{"auth methods need sudo", `path "sys/auth/*" { capabilities = ["read", "create", "update"] }`, `POST sys/auth/k {"type":"kubernetes"}`, http.StatusForbidden},
		{"auth methods with sudo", `path "sys/auth/*" { capabilities = ["update", "sudo"] }`, `POST sys/auth/k {"type":"kubernetes"}`, http.StatusNoContent},
		{"lookup-self by the default policy", ``, "GET auth/token/lookup-self", http.StatusOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			holder := root.TokenFor(t, "# "+c.name+"\n"+c.policy)
			if got, answer := holder.Do(t, c.request); got != c.want {
				t.Errorf("%s: %d %v, want %d", c.request, got, answer, c.want)
			}
		})
	}
}

func TestVaultIsSealedUntilItHasItsKey(t *testing.T) {
	v := sandboxtest.StartVault(t)
	root := sandboxtest.VaultClient{URL: v.URL, Token: v.RootToken}
	root.Must(t, `PUT secret/data/a {"data":{"k":"v"}}`)
	v.Seal()
	if status, _ := root.Do(t, "GET secret/data/a"); status != http.StatusServiceUnavailable {
		t.Errorf("sealed: %d", status)
	}
	root.Must(t, `PUT sys/unseal {"key":"`+v.UnsealKey+`"}`, "GET secret/data/a")
	v.Seal()
	v.Unseal()
	root.Must(t, "GET secret/data/a")
}

func TestVaultTakesEveryNamespaceForTheRootOne(t *testing.T) {
	v := sandboxtest.StartVault(t)
	header := http.Header{"X-Vault-Token": {v.RootToken}, "X-Vault-Namespace": {"team"}}
	if status, content := sandboxtest.Send(t, http.MethodGet, v.URL+"/v1/sys/mounts/secret", "", header); status != http.StatusOK {
		t.Errorf("%d %s", status, content)
	}
}

func TestVaultQuotesNoValueInAnError(t *testing.T) {
	v := sandboxtest.StartVault(t)
	const canary = "canary-7f3a"
	root := sandboxtest.VaultClient{URL: v.URL, Token: v.RootToken}
	for _, request := range []string{
		`PUT secret/data/a {"data":"` + canary + `"}`,
		`PUT secret/data/a {"data":{"k":"` + canary + `"},"options":{"cas":5}}`,
		`PUT secret/data/a {"data":{"k":"` + canary + `"}`,
		`PUT secret/a {"k":"` + canary + `"}`,
		`PUT kv1/a {"k":"` + canary + `"}`,
		`POST auth/kubernetes/login {"role":"x","jwt":"` + canary + `"}`,
	} {
		status, content := sandboxtest.Send(t, "PUT", v.URL+"/v1/"+strings.Fields(request)[1], strings.SplitN(request, " ", 3)[2], http.Header{"X-Vault-Token": {root.Token}})
		if status < http.StatusBadRequest || strings.Contains(string(content), canary) {
			t.Errorf("%s: %d %s", request, status, content)
		}
	}
}

func TestVaultStopsMoreThanOnce(t *testing.T) {
	v, err := vault.Start()
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	v.Close()
	if _, err := sandboxtest.Web.Get(v.URL); err == nil {
		t.Error("it still answers")
	}
}

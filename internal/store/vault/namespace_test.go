package vault

import (
	"testing"

	"github.com/secretctl/secretctl/internal/store"
)

func TestCommandsOfHintsNameTheNamespace(t *testing.T) {
	for namespace, want := range map[string]string{
		"":      "run: vault kv undelete -mount=secret -versions=3 'a b'",
		"admin": "run: vault kv undelete -namespace=admin -mount=secret -versions=3 'a b'",
		"a b":   "run: vault kv undelete -namespace='a b' -mount=secret -versions=3 'a b'",
	} {
		d := classDelivery()
		d.Vault.Address, d.Vault.KVMount, d.Vault.Namespace = "http://127.0.0.1:8200", "secret", namespace
		s, err := open(d, store.Options{Anonymous: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.(*Store).undelete("a b", entry{version: 3}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
)

func TestVaultConfigIsReadInBothDialects(t *testing.T) {
	for scope, want := range map[string]config.VaultConfigEntry{
		`["Client/basic", "Client"]`: {ScopeFormat: "references", Scope: []string{"Client/basic", "Client"}},
		`[]`:                         {ScopeFormat: "references", Scope: []string{}},
		`{"resource_type": "Client", "id": "basic"}`: {ScopeFormat: "object", Scope: []string{"Client/basic"}},
		`{"resource_type": "Client"}`:                {ScopeFormat: "object", Scope: []string{"Client"}},
		`{"id": "basic"}`:                            {},
		`[1]`:                                        {},
		`null`:                                       {},
		`"Client"`:                                   {},
	} {
		want.Path = "/s/a"
		got, err := config.ReadVaultConfig([]byte(`{"secret": {"a": {"path": "/s/a", "scope": ` + scope + `}}}`))
		if got["a"].ScopeFormat == "" {
			want.Scope = got["a"].Scope // whatever it is
		}
		if diff := cmp.Diff(want, got["a"]); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", scope, err, diff)
		}
	}
}

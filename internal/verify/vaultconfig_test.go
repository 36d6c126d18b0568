package verify

import (
	"strings"
	"testing"
)

func TestVaultConfigIsComparedByItsMeaning(t *testing.T) {
	const right = `{"path": "/run/vault-secrets/client-secret", "scope": ["Client/basic"]}`
	object := func(scope string) string {
		return `{"secret": {"client-secret": {"path": "/run/vault-secrets/client-secret", "scope": ` + scope + `}}}`
	}
	tests := []struct {
		name, format, content string
		status                Status
		says                  string
	}{
		{"as rendered", "references", `{"secret": {"client-secret": ` + right + `}}`, StatusPass, "path and scope of 1 secret match"},
		{"an entry more", "references", `{"secret": {"client-secret": ` + right + `, "zz": ` + right + `, "aa": {}}}`, StatusWarn, "others: aa, zz"},
		{"scope twice", "references", object(`["Client/basic", "Client/basic"]`), StatusPass, ""},
		{"entry missing", "references", `{"secret": {}}`, StatusFail, "client-secret is missing"},
		{"no secrets at all", "references", `{}`, StatusFail, "client-secret is missing"},
		{"another path", "references", `{"secret": {"client-secret": {"path": "/x", "scope": ["Client/basic"]}}}`, StatusFail, "has path /x, not /run/vault-secrets/client-secret"},
		{"another scope", "references", object(`["Client"]`), StatusFail, "has scope Client, not Client/basic"},
		{"scope of numbers", "references", object(`[1]`), StatusFail, "neither a list of references nor an object"},
		{"no scope", "references", `{"secret": {"client-secret": {"path": "/run/vault-secrets/client-secret"}}}`, StatusFail, "neither a list of references nor an object"},
		{"the other dialect", "references", object(`{"resource_type": "Client", "id": "basic"}`), StatusFail, "set aidbox.scopeFormat"},
		{"object dialect", "object", object(`{"id": "basic", "resource_type": "Client"}`), StatusPass, ""},
		{"object dialect, any instance", "object", object(`{"resource_type": "Client"}`), StatusFail, "has scope Client, not Client/basic"},
		{"object dialect, a list", "object", object(`["Client/basic"]`), StatusFail, "is written as references, but aidbox.scopeFormat is object"},
		{"no JSON", "references", `secret: {}`, StatusFail, "not a vault config"},
		{"another type", "references", `{"secret": []}`, StatusFail, "not a vault config"},
		{"terminal codes", "references", `{"secret": {"client-secret": {"path": "/\u001b[31mx\ny", "scope": ["Client/basic"]}}}`, StatusFail, "has path /x y, not"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newFixture(t)
			s.d.Aidbox.ScopeFormat = tt.format
			write(t, s.local.VaultConfig, tt.content)
			results, _, err := s.run(t.Context())
			must(t, err)
			got := results["mount/vault-config local"]
			if said := got.Detail + " | " + got.Hint; got.Status != tt.status || !strings.Contains(said, tt.says) {
				t.Errorf("got %s: %s\nwant %s: ...%s...", got.Status, said, tt.status, tt.says)
			}
		})
	}
}

package verify_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/verify"
)

func TestLocalMountFindsTheFolderOfEachKeyVault(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "azure-secrets")
	for name, value := range map[string]string{dir + "/a": "one", dir + "-fabrikam/a2": "two"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(value), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d := &config.Delivery{Provider: config.ProviderAzure, Azure: &config.Azure{KeyVault: "contoso"}, MountPath: "/run/azure-secrets"}
	m := verify.Local{Dir: dir}.Mount(d)
	for _, c := range []struct{ name, vault, value string }{{"a", "contoso", "one"}, {"a2", "Fabrikam", "two"}} {
		s := config.Secret{Name: c.name, KeyVault: c.vault}
		got, err := m.Read(t.Context(), s)
		if err != nil || string(got.Reveal()) != c.value || m.Present(t.Context(), s).Status != verify.StatusPass {
			t.Errorf("%s in %s: error %v, present %+v", c.name, c.vault, err, m.Present(t.Context(), s))
		}
	}
}

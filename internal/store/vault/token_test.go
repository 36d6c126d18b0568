package vault_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
	"github.com/secretctl/secretctl/internal/store/vault"
)

// home gives the test a home folder of its own with the files.
func home(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("VAULT_TOKEN", "")
	t.Setenv("VAULT_CONFIG_PATH", "")
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// sentToken returns the token that a Vault made with o sends.
func sentToken(t *testing.T, o store.Options, change func(*config.Delivery)) (string, error) {
	t.Helper()
	sent := ""
	b := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/sys/seal-status" { // which takes none
			sent = r.Header.Get("X-Vault-Token")
		}
		if r.Header.Get("X-Vault-Wrap-TTL") != "" {
			t.Error("the answer is to be wrapped, and nobody would unwrap it")
		}
		w.WriteHeader(http.StatusNotImplemented)
	})
	d := oneSecret(t, b)
	if change != nil {
		change(d)
	}
	v, err := vault.Provider.Open(d, o)
	if err != nil {
		return "", err
	}
	_, _, err = v.Get(t.Context(), d.Secrets[0])
	storetest.WantError(t, err, "answered 501")
	return sent, nil
}

func TestTokenComesFromTheFirstPlaceThatHasOne(t *testing.T) {
	home(t, map[string]string{".vault-token": "hvs.file\n"})
	if got, err := sentToken(t, store.Options{}, nil); err != nil || got != "hvs.file" {
		t.Errorf("token %q, error %v, want the one in the file", got, err)
	}
	t.Setenv("VAULT_TOKEN", "hvs.env")
	if got, err := sentToken(t, store.Options{}, nil); err != nil || got != "hvs.env" {
		t.Errorf("token %q, error %v, want the one in the environment", got, err)
	}
	if got, err := sentToken(t, store.Options{Token: secret.New([]byte("hvs.given"))}, nil); err != nil || got != "hvs.given" {
		t.Errorf("token %q, error %v, want the given one", got, err)
	}
}

func TestTokenHelperRunsWithoutTheSecrets(t *testing.T) {
	dir := home(t, map[string]string{
		"helper": "#!/bin/sh\necho \"$1-hvs.$VAULT_NAMESPACE$P$ADMIN$OTHER\"\n",
		"conf":   "",
	})
	t.Setenv("VAULT_CONFIG_PATH", filepath.Join(dir, "conf"))
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(`token_helper = "`+dir+`/helper"`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VAULT_NAMESPACE", "kept")
	t.Setenv("OTHER", storetest.Canary)
	t.Setenv("P", storetest.Canary)
	t.Setenv("ADMIN", storetest.Canary)
	got, err := sentToken(t, store.Options{}, func(d *config.Delivery) { d.Aidbox.Admin.Secret = storetest.FromEnv("ADMIN") })
	if err != nil || got != "get-hvs.kept" {
		t.Errorf("token %q, error %v, want get-hvs.kept", got, err)
	}
}

func TestMissingTokenHasAHint(t *testing.T) {
	home(t, nil)
	_, err := sentToken(t, store.Options{}, nil)
	if !errors.Is(err, store.ErrNoToken) || !strings.HasPrefix(err.Error(), "vault http://127.0.0.1:") || !strings.HasSuffix(err.Error(), ": no token") {
		t.Errorf("error %v", err)
	}
	if got := hint.Of(err); !strings.HasPrefix(got, "export VAULT_TOKEN, or run: vault login -address=http://127.0.0.1:") {
		t.Errorf("hint %q", got)
	}
}

func TestBrokenTokenHelperIsAnError(t *testing.T) {
	for settings, says := range map[string]string{
		`token_helper = "/nowhere/helper"`:        "/nowhere/helper",
		`token_helper = "helper"`:                 `"helper" is not an absolute path`,
		"$ANSIBLE_VAULT;1.1\n" + storetest.Canary: ".vault is not a configuration of the vault command",
	} {
		home(t, map[string]string{".vault": settings})
		_, err := sentToken(t, store.Options{}, nil)
		storetest.WantError(t, err, "token helper", says)
	}
}

func TestEnvironmentOfTheVaultCommandHolds(t *testing.T) {
	t.Setenv("VAULT_ADDR", "http://127.0.0.1:1")
	t.Setenv("VAULT_AGENT_ADDR", "http://127.0.0.1:1")
	t.Setenv("VAULT_WRAP_TTL", "1m")
	t.Setenv("VAULT_TOKEN", "hvs.env")
	if got, err := sentToken(t, store.Options{}, nil); err != nil || got != "hvs.env" {
		t.Errorf("token %q, error %v: the delivery's address was not used", got, err)
	}
	t.Setenv("VAULT_CACERT", "/nowhere/ca.pem")
	_, err := sentToken(t, store.Options{}, nil)
	storetest.WantError(t, err, "VAULT_CACERT names a file that cannot be read")
}

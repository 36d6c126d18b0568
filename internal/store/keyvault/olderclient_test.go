package keyvault_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

// The other one's writes and reads go through the client that Microsoft's provider is
// built with, which speaks another version of the API: make test-azure builds it.
func TestOlderClientAgreesOnTheContract(t *testing.T) {
	program := os.Getenv("SECRETCTL_TEST_AZURECLIENT")
	if program == "" {
		t.Skip("SECRETCTL_TEST_AZURECLIENT is not set: see make test-azure")
	}
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		b := sandboxKeyVault(t)
		older := olderClient{program, []string{"KEY_VAULT=" + b.url, "KEY_VAULT_TOKEN=" + string(b.token.(knownToken)), "SSL_CERT_FILE=" + filepath.Join(t.TempDir(), "ca.pem")}}
		if err := os.WriteFile(strings.TrimPrefix(older.env[2], "SSL_CERT_FILE="), b.ca, 0o600); err != nil {
			t.Fatal(err)
		}
		h := b.harness()
		h.Write, h.Versions = older.write, older.versions
		return h
	})
}

type olderClient struct {
	program string
	env     []string
}

func (c olderClient) write(t *testing.T, s config.Secret, value string) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"value": value, "contentType": "text/plain", "tags": ours("", 0).Tags})
	if err != nil {
		t.Fatal(err)
	}
	c.run(t, string(text), "set", s.ObjectName)
}

func (c olderClient) versions(t *testing.T, s config.Secret) (newest string, versions int) {
	t.Helper()
	var got struct {
		Value    string
		Versions int
	}
	if err := json.Unmarshal(c.run(t, "", "get", s.ObjectName), &got); err != nil {
		t.Fatal(err)
	}
	return got.Value, got.Versions
}

func (c olderClient) run(t *testing.T, stdin string, args ...string) []byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), c.program, args...)
	command.Env, command.Stdin, command.Stderr = c.env, strings.NewReader(stdin), t.Output()
	out, err := command.Output()
	if err != nil {
		t.Fatalf("azureclient %v: %v", args, err)
	}
	return out
}

package vault_test

import (
	"encoding/pem"
	"errors"
	"io/fs"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

// privateTLS returns the address at which a Vault is reached over TLS, with a certificate
// for 127.0.0.1 and example.com, and a file with its CA.
func privateTLS(t *testing.T, b *backend) (address, ca string) {
	t.Helper()
	to, err := url.Parse(b.url)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }})
	t.Cleanup(server.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return server.URL, ca
}

func TestPodLogsInByTheParametersOfTheManifest(t *testing.T) {
	for name, tt := range map[string]struct {
		set          func(v *config.Vault, tls string)
		noCA         bool // on this machine
		refused      string
		differs, fix string
	}{
		"no address for pods": {set: func(*config.Vault, string) {}},
		"agent": {
			set:     func(v *config.Vault, _ string) { v.CSIAddress = config.CSIAgent },
			differs: "goes through its agent",
		},
		"plain http elsewhere": {
			set:     func(v *config.Vault, _ string) { v.CSIAddress = "http://vault.default:8200" },
			differs: "tried at vault.address: vault.csiAddress: http://vault.default:8200 would carry secrets over plain http",
		},
		"away": {
			set:     func(v *config.Vault, _ string) { v.CSIAddress = "https://127.0.0.1:1" },
			differs: "since vault.csiAddress https://127.0.0.1:1 cannot be tried from here: connection refused",
		},
		"private CA that only this machine has": {
			set:     func(v *config.Vault, tls string) { v.CSIAddress = tls },
			differs: "the SecretProviderClass names none", fix: "set vault.csiCACertPath",
		},
		"private CA": {
			set:     func(v *config.Vault, tls string) { v.CSIAddress, v.CSICACertPath = tls, "/vault/tls/ca.pem" },
			differs: "whether /vault/tls/ca.pem in the provider's pod is the CA of Vault's certificate is not known here",
		},
		"private CA that this machine has not": {
			set: func(v *config.Vault, tls string) { v.CSIAddress, v.CSICACertPath = tls, "/vault/tls/ca.pem" }, noCA: true,
			differs: "cannot be tried from here: TLS: the server's certificate is signed by an unknown authority",
		},
		"a check that the provider skips": {
			set: func(v *config.Vault, tls string) { v.CSIAddress, v.CSISkipTLSVerify = tls, true },
		},
		"name of the certificate": {
			set: func(v *config.Vault, tls string) {
				v.CSIAddress, v.CSICADirectory, v.CSITLSServerName = tls, "/vault/tls", "example.com"
			},
			differs: "whether /vault/tls in",
		},
		"another name": {
			set: func(v *config.Vault, tls string) {
				v.CSIAddress, v.CSICACertPath, v.CSITLSServerName = tls, "/vault/tls/ca.pem", "vault.internal"
			},
			refused: "the CSI provider refuses Vault's certificate: it is not for vault.internal", fix: "csiTLSServerName",
		},
		"another role": {
			set:     func(v *config.Vault, tls string) { v.CSIAddress, v.CSICACertPath, v.Role = tls, "/ca.pem", "nobody" },
			refused: `role "nobody" does not exist`, fix: "provision",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := startStandIn(t)
			s := newPodFixture(t, b)
			address, ca := privateTLS(t, b)
			if !tt.noCA {
				t.Setenv("VAULT_CACERT", ca)
			}
			tt.set(s.d.Vault, address)
			session, _, err := s.get()
			if tt.refused != "" {
				if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), tt.refused) || !strings.Contains(hint.Of(err), tt.fix) {
					t.Errorf("error %v, hint %q", err, hint.Of(err))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			what, next := session.(store.Differing).Difference()
			if !strings.Contains(what, tt.differs) || (what == "") != (tt.differs == "") {
				t.Errorf("differs: %q, want %q", what, tt.differs)
			}
			if !strings.Contains(next, tt.fix) || (next == "") != (tt.fix == "") {
				t.Errorf("fix %q, want %q", next, tt.fix)
			}
		})
	}
}

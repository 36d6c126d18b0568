package cmd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/secretctl/secretctl/cmd"
	"github.com/secretctl/secretctl/test/realvault"
)

const pipelineConfig = `apiVersion: secretctl.dev/v1
provider: vault
vault: {address: %s}
secrets:
  - {name: client-secret, path: aidbox/client, scope: [Client/basic], value: {generate: {length: 32}}}
`

func TestRealVaultLetsAPipelineIn(t *testing.T) {
	s := realvault.Start(t)
	ci := newIssuer(t)
	ci.trustedBy(t, s)
	conf := filepath.Join(t.TempDir(), "secretctl.yaml")
	if err := os.WriteFile(conf, fmt.Appendf(nil, pipelineConfig, s.Address), 0o600); err != nil {
		t.Fatal(err)
	}
	good := ci.token(t, "https://vault.example", "repo:acme/aidbox:ref:refs/heads/main")
	for _, test := range []struct {
		name, login, token string
		code               int
		stderr             []string
	}{
		{"with the role's claims", "jwt/ci", good, 0, []string{"1 created", "PUT " + s.Address + "/v1/auth/token/revoke-self 204"}},
		{"with auth/ before the method", "auth/jwt/ci", good, 0, []string{"1 unchanged"}},
		{"for somebody else", "jwt/ci", ci.token(t, "https://elsewhere.example", "repo:acme/aidbox:ref:refs/heads/main"), 3, []string{"auth/jwt/login: login refused: answered 400", "audience", "hint: compare the token's iss, aud, sub and exp with: vault read auth/jwt/role/ci"}},
		{"of another repository", "jwt/ci", ci.token(t, "https://vault.example", "repo:fork/aidbox"), 3, []string{"login refused", "sub"}},
		{"that somebody else signed", "jwt/ci", newIssuer(t).token(t, "https://vault.example", "repo:acme/aidbox:ref:refs/heads/main"), 3, []string{"login refused"}},
		{"with a role that is not there", "jwt/none", good, 3, []string{"login refused", `role "none" could not be found`, "hint: create the role: vault write auth/jwt/role/none role_type=jwt"}},
		{"with an auth method that is not there", "gh/ci", good, 3, []string{"auth/gh/login: login refused: answered 403", "hint: check that the auth method exists in this namespace: vault auth list"}},
		{"without a token", "jwt/ci", "", 2, []string{"SECRETCTL_ID_TOKEN"}},
		{"with a role alone", "ci", good, 2, []string{`"ci" is not an auth method and a role`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out, narration lockedBuffer
			code := cmd.Run(t.Context(), []string{"provision", "--phase", "store", "-c", conf, "-v", "--vault-login", test.login}, cmd.IO{
				In: strings.NewReader(""), Out: &out, Err: &narration,
				LookupEnv: func(name string) (string, bool) {
					token, set := map[string]string{"SECRETCTL_ID_TOKEN": test.token}[name]
					return token, set
				},
			})
			said := narration.String()
			if code != test.code {
				t.Errorf("exit code %d\n%s", code, said)
			}
			for _, part := range test.stderr {
				if !strings.Contains(said, part) {
					t.Errorf("stderr lacks %q:\n%s", part, said)
				}
			}
			if test.token != "" && strings.Contains(said+out.String(), strings.Split(test.token, ".")[2]) {
				t.Error("the token is in the output")
			}
		})
	}
}

// issuer gives tokens as a CI system does.
type issuer struct{ key *ecdsa.PrivateKey }

func newIssuer(t *testing.T) issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return issuer{key}
}

// trustedBy sets Vault up as docs/ci/README.md says, with the key in place of the
// issuer's address.
func (i issuer) trustedBy(t *testing.T, s *realvault.Server) {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&i.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	settings := api.DefaultConfig()
	settings.Address = s.Address
	client, err := api.NewClient(settings)
	if err != nil {
		t.Fatal(err)
	}
	client.SetToken(s.RootToken)
	for _, write := range []struct {
		path string
		data map[string]any
	}{
		{"sys/auth/jwt", map[string]any{"type": "jwt"}},
		{"auth/jwt/config", map[string]any{"jwt_validation_pubkeys": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}},
		{"sys/policies/acl/secretctl", map[string]any{"policy": `path "secret/data/aidbox/*" { capabilities = ["create", "update", "read"] }
			path "secret/metadata/aidbox/*" { capabilities = ["read"] }`}},
		{"auth/jwt/role/ci", map[string]any{
			"role_type": "jwt", "user_claim": "sub", "token_policies": "secretctl", "token_ttl": "10m",
			"bound_audiences": "https://vault.example", "bound_subject": "repo:acme/aidbox:ref:refs/heads/main",
		}},
	} {
		if _, err := client.Logical().Write(write.path, write.data); err != nil {
			t.Fatal(err)
		}
	}
}

func (i issuer) token(t *testing.T, audience, subject string) string {
	t.Helper()
	var parts []string
	for _, part := range []map[string]any{
		{"alg": "ES256", "typ": "JWT"},
		{"aud": audience, "sub": subject, "exp": time.Now().Add(time.Minute).Unix()},
	} {
		text, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(text))
	}
	signed := strings.Join(parts, ".")
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

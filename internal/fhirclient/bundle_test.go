package fhirclient

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/secretctl/secretctl/internal/config"
	sandbox "github.com/secretctl/secretctl/internal/sandbox/aidbox"
	"github.com/secretctl/secretctl/internal/secret"
)

// An Aidbox that starts with the bundle has the Client as client apply makes it, and
// accepts the mounted value.
func TestInitBundleAloneGivesAClientThatAuthenticates(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	client := config.Resource{
		Type: "Client", ID: "basic", Secrets: map[string]string{"secret": "client-secret"}, AccessPolicy: config.AccessAllow,
		Body: map[string]any{"grant_types": []any{"client_credentials", "basic"}},
	}
	d := &config.Delivery{Name: "aidbox", Namespace: "default", Resources: []config.Resource{client}}
	bundle, err := InitBundle(d)
	if err != nil {
		t.Fatal(err)
	}
	value := write("client-secret", "c4nary-value")
	server, err := sandbox.Start(sandbox.Options{
		InitBundle:  "file://" + write("init-bundle.json", string(bundle)),
		VaultConfig: write("vault-config.json", `{"secret": {"client-secret": {"path": "`+value+`", "scope": ["Client/basic"]}}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)

	c, err := New(Options{URL: server.URL, ClientID: "root", Owner: d.Owner(), Secret: secret.New([]byte(server.RootSecret))})
	if err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]int{"c4nary-value": http.StatusOK, "another": http.StatusUnauthorized} {
		if status, detail, err := c.Probe(t.Context(), "/fhir/Patient", "basic", secret.New([]byte(given))); err != nil || status != want {
			t.Errorf("%d (%s), error %v, want %d", status, detail, err, want)
		}
	}
	if compared, err := c.Compare(t.Context(), client); err != nil || compared.Absent || len(compared.Paths) > 0 || compared.OtherOwner != nil {
		t.Errorf("%+v, error %v: the Client is not as client apply would have it", compared, err)
	}
	if compared, err := c.ComparePolicy(t.Context(), d.AccessPolicyID(client), client); err != nil || compared.Absent || len(compared.Paths) > 0 || compared.OtherOwner != nil {
		t.Errorf("%+v, error %v: the AccessPolicy is not as client apply would have it", compared, err)
	}
}

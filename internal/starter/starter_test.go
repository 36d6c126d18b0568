package starter_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	appsv1 "k8s.io/api/apps/v1"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/secretctl/secretctl/docs"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/starter"
)

var update = flag.Bool("update", false, "write the golden files")

// hidden is in every value of testdata/deployment.yaml that must not be copied.
const hidden = "hunter2"

func describe(t *testing.T) starter.Deployment {
	t.Helper()
	text, err := os.ReadFile("testdata/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var d appsv1.Deployment
	if err := sigsyaml.UnmarshalStrict(text, &d); err != nil {
		t.Fatal(err)
	}
	found, err := starter.Describe(d)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func vault() starter.Options {
	return starter.Options{
		Provider: "vault", Name: "aidbox", Namespace: "default", VaultAddress: "http://127.0.0.1:8200", CSIAddress: "http://vault.default:8200",
		AidboxURL: "http://localhost:8888", Secrets: []starter.Secret{{Name: "client-secret", Scope: []string{"Client/basic"}}},
	}
}

func azure() starter.Options {
	o := vault()
	o.Provider, o.VaultAddress, o.CSIAddress = "azure", "", ""
	o.KeyVault, o.SubscriptionID, o.ResourceGroup, o.Cluster = "contoso-aidbox", "00000000-0000-0000-0000-000000000000", "aidbox-rg", "aidbox-aks"
	return o
}

func variants(t *testing.T) map[string]starter.Options {
	found := describe(t)
	adopted := vault()
	adopted.Name, adopted.Deployment = "fhir", &found
	if err := adopted.Adopt([]byte(`{"secret": {
		"b": {"path": "/secrets/b", "scope": ["Client/two", "Client/one"]},
		"a": {"path": "/secrets/a", "scope": ["TokenIntrospector", "Client/one"]}}}`)); err != nil {
		t.Fatal(err)
	}
	mounted := adopted
	mounted.Secrets = append(slices.Clone(adopted.Secrets), starter.Secret{Name: "c", File: "c.pem", Scope: []string{"Client"}}, starter.Secret{Name: "d", File: "d.pem", Scope: []string{"Client"}})
	mounted.Class = &config.Delivery{
		Provider: "vault", Vault: &config.Vault{CSIAddress: "https://vault:8200", Namespace: "admin", KVMount: "kv", AuthMount: "k8s", Role: "fhir", Audience: "vault"},
		Secrets: []config.Secret{{Name: "a", Path: "x/y", Key: "k"}, {Name: "c.pem", Path: "x/z", Key: "pem"}},
	}
	identity := azure()
	identity.Class = &config.Delivery{
		Provider: "azure", Azure: &config.Azure{
			KeyVault: "fhir", TenantID: "00000000-0000-0000-0000-000000000000", Cloud: "AzurePublicCloud",
			Identity: config.Identity{Type: "workload", ClientID: "11111111-1111-1111-1111-111111111111"},
		},
		Secrets: []config.Secret{{Name: "client-secret", ObjectName: "basic", KeyVault: "other"}},
	}
	odd := azure()
	odd.Name, odd.ResourceGroup, odd.Secrets = "on", "123", []starter.Secret{{Name: "007", Scope: []string{"TokenIntrospector"}}, {Name: "null", Scope: []string{"Client", "Client/1"}}}
	return map[string]starter.Options{"vault": vault(), "azure": azure(), "adopted": adopted, "odd": odd, "mounted": mounted, "identity": identity}
}

func TestEveryVariantLoadsAndSaysWhatItWasTold(t *testing.T) {
	for name, o := range variants(t) {
		t.Run(name, func(t *testing.T) {
			text, err := starter.File(o)
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".golden.yaml")
			if *update {
				if err := os.WriteFile(golden, text, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(text)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			deliveries, err := config.Parse(name, text)
			if err != nil {
				t.Fatal(err)
			}
			d := deliveries[0]
			if d.Name != o.Name || d.Provider != o.Provider || d.Namespace != o.Namespace || len(d.Secrets) != len(o.Secrets) || len(d.Resources) > 0 != (name != "adopted" && name != "mounted") {
				t.Errorf("%+v", d)
			}
			for i, s := range o.Secrets {
				if got := d.Secrets[i]; got.Name != s.Name || !cmp.Equal(got.Scope, s.Scope) {
					t.Errorf("secret %+v", got)
				}
			}
			fitsSchema(t, text)
		})
	}
}

func fitsSchema(t *testing.T, text []byte) {
	t.Helper()
	schema, err := config.Schema(docs.Config)
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(schema, &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := sigsyaml.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	if err := resolved.Validate(value); err != nil {
		t.Error(err)
	}
}

func TestWhatACommentShowsCanBeWritten(t *testing.T) {
	for name, o := range map[string]starter.Options{"vault": vault(), "azure": azure()} {
		text, err := starter.File(o)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		inBody := false
		for line := range strings.Lines(string(text)) {
			inBody = inBody || strings.HasPrefix(line, "apiVersion:")
			margin := line[:len(line)-len(strings.TrimLeft(line, " "))]
			bare, commented := strings.CutPrefix(line[len(margin):], "# ")
			if key, _, found := strings.Cut(strings.TrimLeft(bare, " -"), ":"); inBody && commented && found && !strings.Contains(key, " ") {
				line = margin + bare
			}
			lines = append(lines, line)
		}
		if _, err := config.Parse(name, []byte(strings.Join(lines, ""))); err != nil {
			t.Errorf("%v\n%s", err, strings.Join(lines, ""))
		}
	}
}

func TestNothingThatMayBeSecretIsCopiedFromADeployment(t *testing.T) {
	raw, err := os.ReadFile("testdata/deployment.yaml")
	if err != nil || !strings.Contains(string(raw), hidden) {
		t.Fatal("the Deployment has nothing to hide", err)
	}
	found := describe(t)
	o := vault()
	o.Deployment = &found
	text, err := starter.File(o)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), hidden) {
		t.Errorf("%s", text)
	}
	for _, name := range found.Withheld {
		if !strings.Contains(string(text), "# - name: "+name+"\n") {
			t.Errorf("%s is not told of", name)
		}
	}
	kept := map[string]bool{}
	for _, e := range found.Env {
		kept[e.Name] = true
	}
	for _, name := range []string{"BOX_FHIR_COMPLIANT_MODE", "BOX_ROOT_CLIENT_SECRET", "KEYCLOAK_URL", "PGPASSWORD", "BOX_WEB_BASE_URL", "EMPTY_TOKEN"} {
		if !kept[name] {
			t.Errorf("%s is not kept", name)
		}
	}
}

func TestDeploymentIsDescribed(t *testing.T) {
	d := describe(t)
	d.Env, d.Withheld, d.EnvFrom, d.Resources.Limits = nil, nil, nil, nil
	want := starter.Deployment{
		Name: "fhir", Container: "server", Image: "healthsamurai/aidboxone:2602", ServiceAccount: "default", Replicas: new(int32(2)), Port: 8765,
		VaultConfig: "/config/vault/my.json", ConfigMap: "vault-config", Key: "vault.json", Classes: []string{"fhir-secrets"},
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := starter.Describe(appsv1.Deployment{}); err == nil {
		t.Error("a Deployment without containers is described")
	}
}

func TestVaultConfigIsAdoptedInBothDialects(t *testing.T) {
	for name, test := range map[string]struct {
		text, format string
		want         []starter.Secret
	}{
		"references":   {`{"secret": {"a": {"path": "/s/a", "scope": ["Client/x", "Client"]}}}`, "", []starter.Secret{{Name: "a", Scope: []string{"Client/x", "Client"}}}},
		"object":       {`{"secret": {"a": {"path": "/s/a", "scope": {"resource_type": "Client", "id": "x"}}}}`, "object", []starter.Secret{{Name: "a", Scope: []string{"Client/x"}}}},
		"object, type": {`{"secret": {"a": {"path": "/s/a", "scope": {"resource_type": "Client"}}}}`, "object", []starter.Secret{{Name: "a", Scope: []string{"Client"}}}},
	} {
		var o starter.Options
		if err := o.Adopt([]byte(test.text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(starter.Options{MountPath: "/s", ScopeFormat: test.format, Secrets: test.want}, o); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	for _, text := range []string{"", "[]", `{"secret": {}}`, `{"secret": "hunter2"}`, `{"secret": {"a": {"path": "/s/a", "scope": 1}}}`, `{"secret": {"a": {"path": "/s/a", "scope": ["Client"]}, "b": {"path": "/t/b", "scope": ["Client"]}}}`} {
		var o starter.Options
		if err := o.Adopt([]byte(text)); err == nil || strings.Contains(err.Error(), hidden) || o.Secrets != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

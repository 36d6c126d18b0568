package config

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/secret"
)

func TestLoadGivesWhatWasLeftOutItsDefault(t *testing.T) {
	got := mustLoad(t, "testdata/minimal.yaml")
	want := []*Delivery{{
		APIVersion: APIVersion,
		Name:       "aidbox",
		Provider:   "vault",
		Namespace:  "default",
		Vault: &Vault{
			Address:     "http://127.0.0.1:8200",
			CSIAddress:  "http://127.0.0.1:8200",
			KVMount:     "secret",
			AuthMount:   "kubernetes",
			Role:        "aidbox",
			Policy:      "aidbox",
			PolicyScope: "exact",
			TokenTTL:    "1h",
		},
		Aidbox: Aidbox{
			URL:            "http://localhost:8888",
			Admin:          Admin{Client: "root", Secret: secret.Source{Env: "AIDBOX_CLIENT_SECRET"}},
			ScopeFormat:    "references",
			Workload:       Workload{Kind: "Deployment", Name: "aidbox", Container: "aidbox", ManagedBy: "secretctl"},
			ServiceAccount: "aidbox",
			Image:          "healthsamurai/aidboxone:2602",
			RunAs:          RunAsImage,
			Replicas:       new(int32(1)),
			Port:           8080,
			Probe:          "/fhir/Patient",
		},
		MountPath: "/run/vault-secrets",
		Secrets: []Secret{{
			Name: "client-secret", Path: "aidbox/client-secret", Key: "client-secret",
			Scope: []string{"Client/basic"},
		}},
		From: map[string]string{"aidbox.url": "default", "vault.address": "default", "vault.tokenTTL": "default"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDefaultsFollowFromEachOther(t *testing.T) {
	d := loadText(t, delivery("aidbox: {serviceAccount: sa}\nvault: {address: \"https://v\"}\n"))
	if d.Vault.CSIAddress != "https://v" || d.Vault.Role != "sa" || d.Vault.Policy != "sa" {
		t.Errorf("csiAddress %q, role %q, policy %q", d.Vault.CSIAddress, d.Vault.Role, d.Vault.Policy)
	}
	d = loadText(t, delivery(azure("")))
	if d.MountPath != "/run/azure-secrets" || d.Azure.Cloud != "AzurePublicCloud" || d.Azure.Identity.Type != "kubelet" || d.Vault != nil {
		t.Errorf("mountPath %q, azure %+v, vault %v", d.MountPath, d.Azure, d.Vault)
	}
}

func TestScopeFormatFollowsTheImage(t *testing.T) {
	for image, want := range map[string]string{
		"":                                       ScopeReferences, // the tutorials' own
		"healthsamurai/aidboxone:2602":           ScopeReferences,
		"healthsamurai/aidboxone:2602.3":         ScopeReferences,
		"healthsamurai/aidboxone:2602-rc":        ScopeReferences,
		"healthsamurai/aidboxone:2511":           ScopeReferences,
		"registry.example.com:5000/aidbox:2512":  ScopeReferences,
		"healthsamurai/aidboxone:2603":           ScopeObject,
		"healthsamurai/aidboxone:2605.1":         ScopeObject,
		"healthsamurai/aidboxone:latest":         ScopeObject,
		"healthsamurai/aidboxone:stable":         ScopeObject,
		"healthsamurai/aidboxone:edge":           ScopeObject,
		"healthsamurai/aidboxone":                ScopeObject,
		"registry.example.com:2602/aidbox":       ScopeObject,
		"healthsamurai/aidboxone:26":             ScopeObject,
		"healthsamurai/aidboxone:02602":          ScopeObject,
		"healthsamurai/aidboxone@sha256:2602":    ScopeObject,
		"healthsamurai/aidboxone:2602@sha256:ab": ScopeObject,
	} {
		d := loadText(t, delivery("aidbox: {image: \""+image+"\"}\n"))
		if d.Aidbox.ScopeFormat != want {
			t.Errorf("%q: %s", image, d.Aidbox.ScopeFormat)
		}
		for _, written := range []string{ScopeReferences, ScopeObject} {
			d := loadText(t, delivery("aidbox: {image: \""+image+"\", scopeFormat: "+written+"}\n"))
			if d.Aidbox.ScopeFormat != written {
				t.Errorf("%q with %s: %s", image, written, d.Aidbox.ScopeFormat)
			}
		}
	}
}

func TestCanaryAddsASecretAndAClient(t *testing.T) {
	d := loadText(t, delivery("canary: true\n"))
	name := d.CanarySecret()
	wantSecret := Secret{
		Name: name, Path: "aidbox/" + name + "/default-aidbox", Key: name, ObjectName: name + "-default-aidbox",
		Scope: []string{"Client/" + name}, Value: secret.Source{Generate: &secret.Generate{}},
	}
	wantClient := Resource{
		Type: "Client", ID: name, Secrets: map[string]string{"secret": name},
		Body: map[string]any{"grant_types": []any{"basic"}}, // and no AccessPolicy
	}
	if diff := cmp.Diff(wantSecret, d.Secrets[len(d.Secrets)-1]); diff != "" {
		t.Errorf("secret (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(wantClient, d.Resources[len(d.Resources)-1]); diff != "" {
		t.Errorf("client (-want +got)\n%s", diff)
	}
}

// Each of two namespaces often has a delivery aidbox, and Key Vault secrets have one owner.
func TestDeliveriesOfSeveralNamespacesHaveCanariesOfTheirOwn(t *testing.T) {
	label := strings.Repeat("a", 63)
	canary := func(namespace, name string) string {
		d := loadText(t, delivery(azure("canary: true\nname: "+name+"\nnamespace: "+namespace+"\n")))
		return d.Secrets[len(d.Secrets)-1].ObjectName
	}
	if a, b := canary("dev", "aidbox"), canary("prod", "aidbox"); a == b {
		t.Errorf("both are %s", a)
	}
	if a, b := canary(label, label), canary(label, label[1:]+"b"); a == b || len(a) != maxObjectName {
		t.Errorf("%s and %s", a, b)
	}
}

func TestValueFilesAreRelativeToTheConfigFile(t *testing.T) {
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "a.yaml"), delivery(`aidbox: {admin: {secret: {file: admin}}}
secrets:
  - {name: a, scope: [Client], value: {file: sub/a}}
  - {name: b, scope: [Client], value: {file: ../b}}
  - {name: c, scope: [Client], value: {file: /etc/c}}
  - {name: d, scope: [Client], value: {env: D}}
`))
	d := mustLoad(t, path)[0]
	got := []string{d.Aidbox.Admin.Secret.File}
	for _, s := range d.Secrets {
		got = append(got, s.Value.File)
	}
	want := []string{filepath.Join(dir, "admin"), filepath.Join(dir, "sub/a"), filepath.Join(filepath.Dir(dir), "b"), "/etc/c", ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := mustLoad(t, dir)[0].Secrets[0].Value.File; got != want[1] {
		t.Errorf("from a folder: %s", got)
	}
	if got := loadText(t, delivery("secrets: [{name: a, scope: [Client], value: {file: a}}]\n")).Secrets[0].Value.File; got != "a" {
		t.Errorf("beside the working directory: %s", got)
	}
}

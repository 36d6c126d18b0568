package starter_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/secretctl/secretctl/docs"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/starter"
)

var update = flag.Bool("update", false, "write the golden files")

// hidden is in every value of testdata/deployment.yaml that must not be copied.
const hidden = "hunter2"

func describe(t *testing.T) starter.Workload {
	t.Helper()
	text, err := os.ReadFile("testdata/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var d appsv1.Deployment
	if err := sigsyaml.UnmarshalStrict(text, &d); err != nil {
		t.Fatal(err)
	}
	found, err := starter.Describe("Deployment", d.ObjectMeta, d.Spec.Template)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func vault() starter.Options {
	return starter.Options{
		Provider: "vault", Name: "aidbox", Namespace: "default", VaultAddress: "http://127.0.0.1:8200", CSIAddress: "http://vault.default:8200",
		AidboxURL: "http://localhost:8888", Secrets: []config.Secret{{Name: "client-secret", Scope: []string{"Client/basic"}}},
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
	adopted.Name, adopted.Workload = "fhir", &found
	if err := adopted.Adopt([]byte(`{"secret": {
		"b": {"path": "/secrets/b.json", "scope": ["Client/two", "Client/one"]},
		"a": {"path": "/secrets/a", "scope": ["TokenIntrospector", "Client/one"]}}}`), nil); err != nil {
		t.Fatal(err)
	}
	read := vault()
	helm := found
	helm.Kind, helm.ManagedBy, helm.ServiceAccount, helm.Image = config.KindStatefulSet, config.ManagedByHelm, "records", "healthsamurai/aidboxone:2605"
	read.Workload, read.Vault = &helm, &config.Vault{CSIAddress: "https://vault.example.org:8200", KVMount: "kv", AuthMount: "k8s", Role: "records-reader", CSICACertPath: "/ca.crt"}
	if err := read.Adopt([]byte(`{"secret": {
		"bq-sa-key": {"path": "/run/vault-secrets/bq-sa-key.json", "scope": {"resource_type": "AidboxTopicDestination"}},
		"app-secret": {"path": "/run/vault-secrets/app-secret", "scope": {"resource_type": "Client", "id": "app"}}}}`),
		[]config.Secret{{Name: "app-secret", Path: "records/app", Key: "password"}, {Name: "bq-sa-key.json", Path: "records/bq", Key: "json", Encoding: "base64"}}); err != nil {
		t.Fatal(err)
	}
	vaults := azure()
	vaults.SubscriptionID, vaults.ResourceGroup, vaults.Cluster = "", "", ""
	vaults.Workload, vaults.ScopeFormat, vaults.MountPath = &helm, config.ScopeObject, "/run/azure-secrets"
	vaults.Azure = &config.Azure{KeyVault: "records", TenantID: "00000000-0000-0000-0000-000000000000", Cloud: "AzurePublicCloud", Identity: config.Identity{Type: "workload", ClientID: "11111111-1111-1111-1111-111111111111"}}
	vaults.Secrets = []config.Secret{
		{Name: "a", ObjectName: "a-object", KeyVault: "records", ObjectEncoding: "hex", Scope: []string{"Client/one"}},
		{Name: "b", ObjectType: "cert", KeyVault: "others", Scope: []string{"IdentityProvider"}},
	}
	odd := azure()
	odd.Name, odd.ResourceGroup, odd.Secrets = "on", "123", []config.Secret{{Name: "007", Scope: []string{"TokenIntrospector"}}, {Name: "null", Scope: []string{"Client/1"}}}
	return map[string]starter.Options{"vault": vault(), "azure": azure(), "adopted": adopted, "read-vault": read, "read-azure": vaults, "odd": odd}
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
			if d.Name != o.Name || d.Provider != o.Provider || d.Namespace != o.Namespace || len(d.Secrets) != len(o.Secrets) || len(d.Resources) > 0 != (name == "vault" || name == "azure" || name == "odd") {
				t.Errorf("%+v", d)
			}
			for i, s := range o.Secrets {
				got := d.Secrets[i]
				if diff := cmp.Diff([]any{s.Name, s.File, s.Scope, s.Encoding, s.ObjectType, s.ObjectEncoding}, []any{got.Name, got.File, got.Scope, got.Encoding, got.ObjectType, got.ObjectEncoding}); diff != "" ||
					s.Path != "" && (got.Path != s.Path || got.Key != s.Key) || s.ObjectName != "" && got.ObjectName != s.ObjectName || s.KeyVault != "" && got.KeyVault != s.KeyVault {
					t.Errorf("secret %+v", got)
				}
			}
			fitsSchema(t, text)
		})
	}
}

func fitsSchema(t *testing.T, text []byte) {
	t.Helper()
	var s jsonschema.Schema
	if err := json.Unmarshal(docs.Schema, &s); err != nil {
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

func TestNoTextBreaksOutOfItsLine(t *testing.T) {
	for _, lineBreak := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} {
		text := "x" + lineBreak + "  broke: out"
		workload := &starter.Workload{Workload: config.Workload{Kind: "Deployment", Name: text, Container: text, ManagedBy: config.ManagedByHelm}, ServiceAccount: text, Image: text}
		secrets := []config.Secret{{Name: text, File: text, Path: text, Key: text, ObjectName: text, ObjectType: text, ObjectEncoding: text, Encoding: text, KeyVault: text, Scope: []string{"Client/" + text}}}
		plain := starter.Options{Name: text, Namespace: text, VaultAddress: text, CSIAddress: text, KeyVault: text, SubscriptionID: text, ResourceGroup: text, Cluster: text, AidboxURL: text, Secrets: secrets}
		adopted := plain
		adopted.Workload, adopted.Vault, adopted.Azure = workload, &config.Vault{}, &config.Azure{}
		mounted := adopted
		mounted.MountPath, mounted.ScopeFormat = text, text
		for _, o := range []starter.Options{plain, adopted, mounted} {
			for _, o.Provider = range []string{"vault", "azure", text} {
				file, err := starter.File(o)
				if err != nil {
					t.Fatal(err)
				}
				for _, line := range strings.FieldsFunc(string(file), func(r rune) bool { return strings.ContainsRune("\n\r\u0085\u2028\u2029", r) }) {
					if strings.HasPrefix(strings.TrimSpace(line), "broke") {
						t.Errorf("%q\n%s", lineBreak, file)
					}
				}
			}
		}
	}
}

func TestNoValueIsTakenFromAWorkload(t *testing.T) {
	raw, err := os.ReadFile("testdata/deployment.yaml")
	if err != nil || !strings.Contains(string(raw), hidden) {
		t.Fatal("the Deployment has nothing to hide", err)
	}
	found := describe(t)
	o := vault()
	o.Workload = &found
	text, err := starter.File(o)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(fmt.Sprintf("%+v", found)+string(text), hidden) {
		t.Errorf("%+v\n%s", found, text)
	}
}

func TestWorkloadIsDescribed(t *testing.T) {
	want := starter.Workload{
		Workload:       config.Workload{Kind: "Deployment", Name: "fhir", Container: "server", ManagedBy: "kustomize"},
		ServiceAccount: "default", Image: "healthsamurai/aidboxone:2602", Port: 8765, Mounts: []string{"/config/vault", "/secrets"}, Classes: []string{"fhir-secrets"},
		VaultConfig: "/config/vault/my.json", ConfigMap: "vault-config", Key: "vault.json",
	}
	if diff := cmp.Diff(want, describe(t)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	meta := metav1.ObjectMeta{Name: "records", Labels: map[string]string{"app.kubernetes.io/managed-by": "Helm"}}
	pod := corev1.PodTemplateSpec{Spec: corev1.PodSpec{ServiceAccountName: "records", Containers: []corev1.Container{{Name: "app", Ports: []corev1.ContainerPort{{ContainerPort: 80}}}}}}
	got, err := starter.Describe("StatefulSet", meta, pod)
	want = starter.Workload{Workload: config.Workload{Kind: "StatefulSet", Name: "records", Container: "app", ManagedBy: "helm"}, ServiceAccount: "records", Port: 80}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if _, err := starter.Describe("Deployment", meta, corev1.PodTemplateSpec{}); err == nil {
		t.Error("a Deployment without containers is described")
	}
}

func TestVaultConfigIsInTheDeepestMount(t *testing.T) {
	volume := func(name string) corev1.Volume {
		return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}}}
	}
	for name, test := range map[string]struct {
		mounts []corev1.VolumeMount
		want   string
	}{
		"a name that begins alike": {[]corev1.VolumeMount{{Name: "right", MountPath: "/etc/aidbox-vault"}, {Name: "other", MountPath: "/etc/aidbox"}}, "right v.json"},
		"a mount above":            {[]corev1.VolumeMount{{Name: "right", MountPath: "/etc/aidbox-vault/"}, {Name: "other", MountPath: "/etc"}}, "right v.json"},
		"only a name alike":        {[]corev1.VolumeMount{{Name: "other", MountPath: "/etc/aidbox"}}, " "},
		"another kind below":       {[]corev1.VolumeMount{{Name: "other", MountPath: "/etc"}, {Name: "empty", MountPath: "/etc/aidbox-vault"}}, " "},
		"a subPath":                {[]corev1.VolumeMount{{Name: "right", MountPath: "/etc/aidbox-vault/v.json", SubPath: "x.json"}}, "right x.json"},
	} {
		pod := corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "aidbox", VolumeMounts: test.mounts, Env: []corev1.EnvVar{
				{Name: "BOX_VAULT_CONFIG", Value: "/etc/aidbox-vault/v.json"}, {Name: "AIDBOX_VAULT_CONFIG", Value: "/left/over.json"},
			}}},
			Volumes: []corev1.Volume{volume("right"), volume("other"), {Name: "empty"}},
		}}
		got, err := starter.Describe("Deployment", metav1.ObjectMeta{Name: "a"}, pod)
		if is := got.ConfigMap + " " + got.Key; is != test.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", name, is, err, test.want)
		}
	}
}

func TestVaultConfigIsAdoptedInBothDialects(t *testing.T) {
	stored := []config.Secret{{Name: "a.json", Path: "x/y", Key: "k"}, {Name: "b", Path: "z", Key: "b"}}
	for name, test := range map[string]struct {
		text, format string
		want         config.Secret
	}{
		"references":   {`{"secret": {"a": {"path": "/s/a", "scope": ["Client/x", "Client"]}}}`, "references", config.Secret{Name: "a", Scope: []string{"Client/x", "Client"}}},
		"object":       {`{"secret": {"a": {"path": "/s/a", "scope": {"resource_type": "Client", "id": "x"}}}}`, "object", config.Secret{Name: "a", Scope: []string{"Client/x"}}},
		"object, type": {`{"secret": {"a": {"path": "/s/a", "scope": {"resource_type": "Client"}}}}`, "object", config.Secret{Name: "a", Scope: []string{"Client"}}},
		"other file":   {`{"secret": {"c": {"path": "/s/c.json", "scope": ["Client"]}}}`, "references", config.Secret{Name: "c", File: "c.json", Scope: []string{"Client"}}},
		"stored":       {`{"secret": {"b": {"path": "/s/b", "scope": ["Client"]}}}`, "references", config.Secret{Name: "b", Path: "z", Key: "b", Scope: []string{"Client"}}},
		"stored, file": {`{"secret": {"a": {"path": "/s/a.json", "scope": ["Client"]}}}`, "references", config.Secret{Name: "a", File: "a.json", Path: "x/y", Key: "k", Scope: []string{"Client"}}},
	} {
		var o starter.Options
		if err := o.Adopt([]byte(test.text), stored); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(starter.Options{MountPath: "/s", ScopeFormat: test.format, Secrets: []config.Secret{test.want}}, o); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	for _, text := range []string{"", "[]", `{"secret": {}}`, `{"secret": "hunter2"}`, `{"secret": {"a": {"path": "/s/a", "scope": 1}}}`, `{"secret": {"a": {"path": "/s/a", "scope": ["Client"]}, "b": {"path": "/t/b", "scope": ["Client"]}}}`} {
		var o starter.Options
		if err := o.Adopt([]byte(text), nil); err == nil || strings.Contains(err.Error(), hidden) || o.Secrets != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

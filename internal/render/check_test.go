package render

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/templates"
)

const (
	accountFile    = "serviceaccount.yaml.tmpl"
	vaultFile      = "secretproviderclass-vault.yaml.tmpl"
	azureFile      = "secretproviderclass-azure.yaml.tmpl"
	configMapFile  = "configmap.yaml.tmpl"
	deploymentFile = "deployment.yaml.tmpl"
)

// folder returns a new folder with one file.
func folder(t *testing.T, file, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// edited returns a user's folder with one template, which is an embedded one with one
// change. That of a SecretProviderClass names each parameter.
func edited(t *testing.T, file, before, after string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/own", file))
	if errors.Is(err, fs.ErrNotExist) {
		text, err = fs.ReadFile(templates.FS, file)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), before) {
		t.Fatalf("%s has no %q", file, before)
	}
	return folder(t, file, strings.Replace(string(text), before, after, 1))
}

func TestTemplateThatDiffersFromTheDeliveryIsAnError(t *testing.T) {
	for _, tt := range []struct {
		delivery, file, old, new string
		want                     string
	}{
		{"vault", accountFile, "{{quote .Namespace}}", "other", `metadata.namespace is "other", and must be "default"`},
		{"vault", accountFile, "{{quote .Aidbox.ServiceAccount}}", "other", `metadata.name is "other", and must be "aidbox"`},
		{"vault", accountFile, "kind: ServiceAccount", "kind: Secret", `kind is "Secret", and must be "ServiceAccount"`},
		{"vault", accountFile, "apiVersion: v1", "apiVersion: v2", `apiVersion is "v2", and must be "v1"`},
		{"vault", accountFile, "metadata:", "metadata:\n  nmae: x", `unknown field "metadata.nmae"`},
		{"vault", accountFile, "metadata:", "Metadata: {}\nmetadata:", `unknown field "Metadata"`},
		{"vault", accountFile, "  namespace:", "  name: x\n  namespace:", `yaml: unmarshal errors: line 6: key "name" already set in map`},
		{"vault", accountFile, "metadata:", "---\nmetadata:", "gives more than one document"},
		{"vault", accountFile, "metadata:", "metadata: [", "yaml: line 5: did not find expected"},
		{"vault", accountFile, "{{quote .Name}}", "{{quote .Nmae}}", accountFile + ":9:40: executing"},
		{"vault", accountFile, "{{quote .Name}}", "{{quote .Name}", accountFile + ":9: bad character"},
		{"azure-workload", accountFile, "{{quote .}}", `""`, "annotation azure.workload.identity/client-id is \"\", and must be"},

		{"vault", vaultFile, "provider: vault", "provider: azure", `provider is azure, not vault`},
		{"vault", vaultFile, "roleName:", "role:", `parameter roleName is "", not "aidbox"`},
		{"vault", vaultFile, "{{quote .Vault.CSIAddress}}", "{{quote .Vault.Address}}", `parameter vaultAddress is "http://127.0.0.1:8200", not "http://vault.default:8200"`},
		{"vault", vaultFile, "    objects:", "    audience: x\n    objects:", `parameter audience is "x", not ""`},
		{"vault", vaultFile, "    objects:", "    vaultSkipTLSVerify: \"true\"\n    objects:", `parameter vaultSkipTLSVerify is "true", not "false"`},
		{"vault", vaultFile, "secretKey: {{quote .Key}}", "", "client-secret: has no secretKey"},
		{"vault", vaultFile, "secretKey:", "secretkey:", "client-secret: has no secretKey"},
		{"vault", vaultFile, "{{quote .Key}}", "{{quote .Key}}\n      - objectName: more", "also more"},
		{"vault", vaultFile, "objects: |", "objects:", "json: cannot unmarshal array"},

		{"azure-kubelet", azureFile, `useVMManagedIdentity: "true"`, `useVMManagedIdentity: "false"`, `parameter useVMManagedIdentity is "false", not "true"`},
		{"azure-kubelet", azureFile, "    objects:", "    clientID: x\n    objects:", `parameter clientID is "x", not ""`},
		{"azure-workload", azureFile, `useVMManagedIdentity: "false"`, `useVMManagedIdentity: "true"`, "parameter useVMManagedIdentity"},
		{"azure-system", azureFile, "usePodIdentity: \"false\"", `usePodIdentity: "true"`, "parameter usePodIdentity"},
		{"azure-system", azureFile, "objectType: secret", "objectType: key", `objectType is "key", not secret`},
		{"azure-system", azureFile, "objectType: secret", "objectType: secret\n          objectVersion: abc", "objectVersion is pinned, which stops rotation"},
		{"azure-system", azureFile, "objectAlias: {{quote .Name}}", "", "no object makes the file idp-key"},
		{"azure-system", azureFile, "- |\n", "-\n", "parameter objects cannot be read, so nothing is mounted: yaml: unmarshal errors"},
		{"azure-system", azureFile, "array:", "items:", "no object makes the file client-secret"},
		{"azure-system", azureFile, "objects: |\n      array:", "objects: |", "parameter objects cannot be read, so nothing is mounted: yaml"},

		{"vault", configMapFile, "{{quote .VaultConfigKey}}", "other.json", "data[vault-config.json] is not that of the delivery"},
		{"vault", configMapFile, "{{literal 4 .VaultConfig}}", "{}", "json: cannot unmarshal object"},

		{"vault", deploymentFile, "{{.}}", "2", "spec.replicas is 2, and must be 1"},
		{"azure-workload", deploymentFile, "azure.workload.identity/use:", "azure.workload.identity/used:", `the pod has no label azure.workload.identity/use: "true"`},
		{"vault", deploymentFile, "- name: {{quote .Container}}", "- name: web", "has no container named aidbox"},
		{"vault", deploymentFile, "{{quote .VaultConfigChecksum}}", "x", "annotation secretctl.dev/vault-config-checksum"},
		{"vault", deploymentFile, "serviceAccountName: {{quote .Aidbox.ServiceAccount}}", "", `serviceAccountName is "", and must be "aidbox"`},
		{"vault", deploymentFile, "{{quote .Aidbox.Image}}", "nginx", `image is "nginx"`},
		{"vault", deploymentFile, "{{.Aidbox.Port}}", "80", "containerPort 8080 is missing"},
		{"vault-everything", deploymentFile, "{{json .Aidbox.Resources}}", "{}", "resources are not the delivery's"},
		{"vault", deploymentFile, "name: BOX_VAULT_CONFIG", "name: AIDBOX_VAULT_CONFIG", `env "BOX_VAULT_CONFIG" is missing`},
		{"vault", deploymentFile, "name: BOX_VAULT_CONFIG", "name: BOX_CONFIG", `env "BOX_VAULT_CONFIG" is missing`},
		{"vault-everything", deploymentFile, "{{- range .Aidbox.Env}}\n            - {{json .}}\n{{- end}}", "", `env "BOX_DB_HOST" is missing`},
		{"vault-everything", deploymentFile, "{{- with .Aidbox.EnvFrom}}", `{{- with ""}}`, "item 0 of the delivery's aidbox.envFrom is missing"},
		{"vault", deploymentFile, "mountPath: {{quote .MountPath}}", "mountPath: /x", `nothing is mounted at "/run/vault-secrets"`},
		{"vault", deploymentFile, "mountPath: {{quote .MountPath}}", "mountPath: {{quote .MountPath}}\n              subPath: x", "has a subPath"},
		{"vault", deploymentFile, "mountPath: {{quote .VaultConfigFolder}}", "mountPath: {{quote .VaultConfigFolder}}\n              subPathExpr: x", "has a subPath"},
		{"vault", deploymentFile, "            readOnly: true\n            volumeAttributes:", "            volumeAttributes:", `volume "secrets" is not a read-only mount of SecretProviderClass aidbox-vault-secrets`},
		{"vault", deploymentFile, "            name: {{quote .ConfigMap}}", "            name: other", `volume "vault-config" is not a read-only mount of ConfigMap`},
		{"vault", deploymentFile, "runAsUser: 1000", "runAsUser: on it", "json: cannot unmarshal string"},
	} {
		t.Run(tt.file+" "+tt.new, func(t *testing.T) {
			dir := edited(t, tt.file, tt.old, tt.new)
			_, err := objectsOf(deliveries[tt.delivery](), Options{Templates: dir})
			if !isUsage(err) {
				t.Fatalf("got %v", err)
			}
			if msg := err.Error(); !strings.HasPrefix(msg, "template "+filepath.Join(dir, tt.file)+":") || !strings.Contains(msg, tt.want) || strings.Contains(msg, "\n") {
				t.Errorf("got  %s\nwant %s", msg, tt.want)
			}
		})
	}
}

func TestTemplateMayAddToTheObject(t *testing.T) {
	for _, tt := range []struct{ delivery, file, old, new string }{
		{"vault", accountFile, "metadata:", "# mine\r\nmetadata:\r\n  annotations: {team: a}"},
		{"vault", accountFile, "apiVersion", "\n\napiVersion"},
		{"vault", vaultFile, "    objects:", "    vaultSkipTLSVerify: \"false\"\n    objects:"},
		{"vault", vaultFile, "secretKey:", "filePermission: 0640\n        encoding: utf-8\n        secretKey:"},
		{"azure-system", azureFile, "objectType:", "filePermission: 0640\n          objectType:"},
		{"vault", configMapFile, "\ndata:", "\ndata:\n  more: x"},
		{"vault", deploymentFile, "\n  replicas: {{.}}", ""},
		{"vault", deploymentFile, "      containers:", "      containers:\n        - name: sidecar\n          image: x"},
		{"vault", deploymentFile, "{{quote .MountPath}}", `{{printf "%s/" .MountPath}}`},
	} {
		t.Run(tt.file+" "+tt.new, func(t *testing.T) {
			got := mustRender(t, deliveries[tt.delivery](), Options{Templates: edited(t, tt.file, tt.old, tt.new)})
			if cmp.Equal(got, mustRender(t, deliveries[tt.delivery](), Options{})) {
				t.Error("the template had no effect")
			}
		})
	}
}

func TestFolderWithoutKnownTemplatesIsAnError(t *testing.T) {
	for _, tt := range []struct{ folder, want string }{
		{t.TempDir(), "templates: the folder has none"},
		{folder(t, "notes.txt", ""), "templates: the folder has none"},
		{folder(t, "deploymnet.yaml.tmpl", ""), `templates: unknown template "deploymnet.yaml.tmpl"`},
	} {
		_, err := objectsOf(vaultDelivery(), Options{Templates: tt.folder})
		if err == nil || err.Error() != tt.want || !strings.Contains(hint.Of(err), "deployment.yaml.tmpl, ") {
			t.Errorf("got %v, hint %q", err, hint.Of(err))
		}
	}
}

func TestErrorsDoNotQuoteEnvironmentValues(t *testing.T) {
	d := vaultEverything()
	d.Aidbox.Env[0].Value = "canary-value"
	_, err := objectsOf(d, Options{Templates: edited(t, deploymentFile, "{{json .}}", `{name: BOX_DB_HOST, value: "canary-value2"}`)})
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
}

func TestIdentityThatTheProviderWouldMisreadIsRefused(t *testing.T) {
	for _, identity := range []config.Identity{
		{Type: config.IdentityKubelet}, {Type: config.IdentityWorkload},
	} {
		if _, err := objectsOf(azureDelivery(identity), Options{}); err == nil {
			t.Errorf("%+v was rendered", identity)
		}
	}
}

package cmd_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sigsyaml "sigs.k8s.io/yaml"

	"github.com/secretctl/secretctl/cmd"
	"github.com/secretctl/secretctl/internal/config"
)

// initIn runs init as on a terminal where somebody types, and returns the path of
// the config.
func initIn(t *testing.T, typed []string, args ...string) (path string, code int, narration string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "secretctl.yaml")
	keys, typist := io.Pipe()
	go func() {
		for _, keys := range typed {
			_, _ = io.WriteString(typist, keys)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out, err lockedBuffer
	defer func() { _ = keys.Close() }()
	code = cmd.Run(ctx, append([]string{"init", "-c", path}, args...), cmd.IO{
		In: keys, Out: &out, Err: &err, ErrTerminal: true,
		Prompt:    func(string) ([]byte, error) { return nil, errors.New("nothing is secret here") },
		LookupEnv: func(string) (string, bool) { return "", false },
	})
	return path, code, err.String()
}

func TestInitAsksForWhatNoFlagHasSaid(t *testing.T) {
	path, code, narration := initIn(t, []string{"Fhir\n", "fhir\n"}, // the first is refused
		"--provider", "azure", "--namespace", "prod", "--key-vault", "my-vault", "--subscription-id", "22222222-2222-2222-2222-222222222222",
		"--resource-group", "rg", "--cluster", "aks", "--aidbox-url", "service", "--secret", "one,two", "--client", "app")
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, narration)
	}
	deliveries, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	d := deliveries[0]
	if d.Provider != "azure" || d.Name != "fhir" || d.Namespace != "prod" || d.Azure.KeyVault != "my-vault" || len(d.Secrets) != 2 {
		t.Errorf("%+v", d)
	}
}

func TestInitTakesTheDefaultForAnEmptyAnswer(t *testing.T) {
	path, code, narration := initIn(t, append([]string{"vault\n"}, slices.Repeat([]string{"\n"}, 10)...))
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, narration)
	}
	deliveries, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := deliveries[0]; d.Provider != "vault" || d.Name != "aidbox" || d.Vault.CSIAddress != "http://vault.default:8200" || d.Secrets[0].Name != "client-secret" {
		t.Errorf("%+v", d)
	}
}

// existing is an API server that has Aidbox as a Deployment, its vault config and its
// SecretProviderClass, and as a StatefulSet of a chart.
func existing(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../internal/starter/testdata/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	asJSON := func(text string) []byte {
		out, err := sigsyaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	const namespaces = "/apis/apps/v1/namespaces/default/"
	answers := map[string][]byte{
		namespaces + "deployments/fhir": asJSON(string(text)),
		namespaces + "statefulsets/records": asJSON(`
metadata: {name: records, labels: {app.kubernetes.io/managed-by: Helm}}
spec: {template: {spec: {serviceAccountName: records, containers: [{name: aidbox, image: "healthsamurai/aidboxone:2605"}]}}}`),
		namespaces + "deployments/partly": asJSON(`
metadata: {name: partly}
spec: {template: {spec: {
  containers: [{name: aidbox, env: [{name: BOX_VAULT_CONFIG, value: /etc/aidbox/vault.json}], volumeMounts: [{name: c, mountPath: /etc/aidbox/}, {name: s, mountPath: /secrets}]}],
  volumes: [{name: c, configMap: {name: vault-config}}, {name: s, csi: {driver: secrets-store.csi.k8s.io, volumeAttributes: {secretProviderClass: partly}}}]}}}`),
		namespaces + "deployments/untold": asJSON(`
metadata: {name: untold}
spec: {template: {spec: {
  containers: [{name: aidbox, image: "healthsamurai/aidboxone:2605", volumeMounts: [{name: s, mountPath: /secrets}]}],
  volumes: [{name: s, csi: {driver: secrets-store.csi.k8s.io, volumeAttributes: {secretProviderClass: partly}}}]}}}`),
		"/apis/secrets-store.csi.x-k8s.io/v1/namespaces/default/secretproviderclasses/partly": asJSON(`
spec:
  provider: vault
  parameters:
    roleName: records-reader
    objects: |
      - {objectName: idp, secretPath: kv/data/records/idp, secretKey: password}
      - {objectName: spare, secretPath: kv/data/records/spare, secretKey: key}`),
		"/api/v1/namespaces/default/configmaps/vault-config": asJSON(`data: {vault.json: '{"secret": {
  "idp": {"path": "/secrets/idp", "scope": {"resource_type": "IdentityProvider", "id": "x"}},
  "bq-sa-key": {"path": "/secrets/bq-sa-key.json", "scope": {"resource_type": "AidboxTopicDestination"}}}}'}`),
		"/apis/secrets-store.csi.x-k8s.io/v1/namespaces/default/secretproviderclasses/fhir-secrets": asJSON(`
spec:
  provider: vault
  parameters:
    vaultAddress: "https://vault.example.org:8200"
    roleName: records-reader
    objects: |
      - {objectName: idp, secretPath: kv/data/records/idp, secretKey: password}
      - {objectName: bq-sa-key.json, secretPath: kv/data/records/bq, secretKey: key}`),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if answer := answers[r.URL.Path]; answer != nil {
			_, _ = w.Write(answer)
			return
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}`)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestInitDescribesAnExistingWorkload(t *testing.T) {
	k := &leakTest{t: t, dir: t.TempDir(), seen: map[string]bool{}}
	kubeconfig := k.kubeconfig("cluster", existing(t))
	path, code, narration := initIn(t, nil, "--provider", "vault", "--no-input", "--from-deployment", "fhir", "--kubeconfig", kubeconfig)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, narration)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text)+narration, "hunter2") {
		t.Errorf("a value was copied\n%s\n%s", narration, text)
	}
	for _, want := range []string{"read: container server of Deployment fhir, managed by kustomize", "read: SecretProviderClass fhir-secrets", "its vault config, ConfigMap ", "; secrets: 2", "runs as the ServiceAccount default"} {
		if !strings.Contains(narration, want) {
			t.Errorf("%q is not told\n%s", want, narration)
		}
	}
	deliveries, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	d := deliveries[0]
	if want := (config.Workload{Kind: "Deployment", Name: "fhir", Container: "server", ManagedBy: "kustomize"}); d.Aidbox.Workload != want || d.Aidbox.ScopeFormat != "object" || d.Aidbox.Port != 8765 || d.Aidbox.URL != "service" {
		t.Errorf("%+v", d.Aidbox)
	}
	if d.Vault.CSIAddress != "https://vault.example.org:8200" || d.Vault.Role != "records-reader" || d.Vault.KVMount != "kv" {
		t.Errorf("%+v", d.Vault)
	}
	for name, want := range map[string]string{"idp": "/secrets/idp kv/data/records/idp password", "bq-sa-key": "/secrets/bq-sa-key.json kv/data/records/bq key"} {
		s, _ := d.Secret(name)
		if got := strings.Join([]string{d.MountedFile(s), d.DataPath(s), s.Key}, " "); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	path, code, narration = initIn(t, nil, "--provider", "vault", "--no-input", "--from-deployment", "records", "--kubeconfig", kubeconfig)
	deliveries, err = config.Load(path)
	if code != 0 || err != nil {
		t.Fatalf("exit code %d, %v\n%s", code, err, narration)
	}
	if d := deliveries[0]; d.Aidbox.Workload.Kind != "StatefulSet" || d.Aidbox.Workload.ManagedBy != "helm" || d.Aidbox.ScopeFormat != "object" || d.Aidbox.ServiceAccount != "records" {
		t.Errorf("%+v", d.Aidbox)
	}
}

func TestInitSaysWhatItGuesses(t *testing.T) {
	k := &leakTest{t: t, dir: t.TempDir(), seen: map[string]bool{}}
	path, code, narration := initIn(t, nil, "--no-input", "--from-deployment", "partly", "--kubeconfig", k.kubeconfig("cluster", existing(t)))
	text, err := os.ReadFile(path)
	if code != 0 || err != nil {
		t.Fatalf("exit code %d, %v\n%s", code, err, narration)
	}
	for want, in := range map[string]string{
		"warning: no SecretProviderClass that it mounts says where bq-sa-key is stored: the config has the default, a guess\n":                          narration,
		"warning: spare is mounted, and left out: no vault config that was read names it\n":                                                             narration,
		"warning: its mount at /etc/aidbox/ would hide what render mounts at /etc/aidbox, or keep the container from starting: remove it, or move it\n": narration,
		"path: aidbox/bq-sa-key  # in Vault, below kvMount; a guess: no mounted SecretProviderClass has it\n":                                           string(text),
		"path: records/idp  # in Vault, below kvMount\n":                                                                                                string(text),
	} {
		if !strings.Contains(in, want) {
			t.Errorf("%q is not said\n%s", want, in)
		}
	}
	if strings.Contains(narration, "where idp") || strings.Contains(narration, "at /secrets") {
		t.Errorf("it warns of what it read\n%s", narration)
	}
	_, code, narration = initIn(t, nil, "--no-input", "--from-deployment", "untold", "--kubeconfig", k.kubeconfig("untold", existing(t)))
	if code != 0 || !strings.Contains(narration, "warning: idp is mounted, and left out") || !strings.Contains(narration, "warning: spare is mounted") {
		t.Errorf("without a vault config: exit code %d\n%s", code, narration)
	}
}

func TestInitInventsNothingAboutAnExistingWorkload(t *testing.T) {
	k := &leakTest{t: t, dir: t.TempDir(), seen: map[string]bool{}}
	kubeconfig := k.kubeconfig("cluster", existing(t))
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no such workload":     {[]string{"--provider", "vault", "--from-deployment", "absent"}, 3, "name its namespace with --namespace"},
		"another provider":     {[]string{"--provider", "azure", "--from-deployment", "fhir"}, 2, "warning: SecretProviderClass fhir-secrets was not read: is of provider vault, not azure"},
		"no name of the vault": {[]string{"--provider", "azure", "--from-deployment", "records"}, 2, "the Key Vault of StatefulSet records is not known"},
		"flag of the other":    {[]string{"--provider", "vault", "--key-vault", "contoso"}, 2, "--key-vault is not for provider vault"},
	} {
		path, code, narration := initIn(t, nil, append(test.args, "--no-input", "--kubeconfig", kubeconfig)...)
		if _, err := os.Stat(path); code != test.code || err == nil || !strings.Contains(narration, test.want) {
			t.Errorf("%s: exit code %d, %v\n%s", name, code, err, narration)
		}
	}
}

package cmd_test

import (
	"context"
	"encoding/json"
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

func TestFormAsksForWhatNoFlagHasSaid(t *testing.T) {
	const enter, erase = "\r", "\x15"
	path, code, narration := initIn(t, []string{erase, "Fhir", enter, erase, "fhir", enter}, // the first is refused
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

func TestFormThatIsOnlyConfirmedHasTheDefaults(t *testing.T) {
	path, code, narration := initIn(t, slices.Repeat([]string{"\r"}, 1000))
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

func TestInterruptedFormWritesNothing(t *testing.T) {
	path, code, narration := initIn(t, []string{"\r", "\x03"})
	if _, err := os.Stat(path); code != 130 || err == nil {
		t.Errorf("exit code %d, %v\n%s", code, err, narration)
	}
}

// deployments is an API server that has one Deployment, of the tests of what a
// config takes from one, and the ConfigMap with its vault config.
func deployments(t *testing.T) *httptest.Server {
	t.Helper()
	text, err := os.ReadFile("../internal/starter/testdata/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	deployment, err := sigsyaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	const vaultConfig = `{"secret": {"idp": {"path": "/secrets/idp", "scope": {"resource_type": "IdentityProvider", "id": "x"}}}}`
	configMap, err := json.Marshal(map[string]any{"data": map[string]string{"vault.json": vaultConfig}})
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string][]byte{
		"/apis/secrets-store.csi.x-k8s.io/v1/namespaces/default/secretproviderclasses/fhir-secrets": []byte(`{"spec": {"provider": "vault", "parameters": {
			"roleName": "clinic", "vaultAddress": "https://vault:8200", "objects": "- {objectName: idp, secretPath: kv/data/fhir, secretKey: idp-key}"}}}`),
		"/apis/apps/v1/namespaces/default/deployments/fhir":  deployment,
		"/api/v1/namespaces/default/configmaps/vault-config": configMap,
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
	return server
}

func TestInitTakesOverADeploymentWithoutItsSecrets(t *testing.T) {
	k := &leakTest{t: t, dir: t.TempDir(), seen: map[string]bool{}}
	kubeconfig := k.kubeconfig("cluster", deployments(t).URL)
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
	for _, want := range []string{"container server of deployments/fhir", "BOX_ADMIN_PASSWORD", "1 secrets of its vault config", "read: secretproviderclasses/fhir-secrets"} {
		if !strings.Contains(narration, want) {
			t.Errorf("%q is not told\n%s", want, narration)
		}
	}
	deliveries, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	d := deliveries[0]
	if s, ok := d.Secret("idp"); !ok || d.MountedFile(s) != "/secrets/idp" || d.Aidbox.ScopeFormat != "object" || d.Aidbox.Workload.Name != "fhir" || *d.Aidbox.Replicas != 2 {
		t.Errorf("%+v", d)
	}
	if s, _ := d.Secret("idp"); d.Vault.Role != "clinic" || d.Vault.KVMount != "kv" || d.Vault.CSIAddress != "https://vault:8200" || s.Path != "fhir" || s.Key != "idp-key" {
		t.Errorf("not as the SecretProviderClass says: %+v, %+v", d.Vault, s)
	}
	_, code, narration = initIn(t, nil, "--provider", "azure", "--no-input", "--from-deployment", "fhir", "--kubeconfig", kubeconfig)
	if code != 0 || !strings.Contains(narration, "secretproviderclasses/fhir-secrets was not taken over: its provider is vault, not azure") {
		t.Errorf("exit code %d\n%s", code, narration)
	}
	path, code, narration = initIn(t, nil, "--provider", "vault", "--no-input", "--from-deployment", "absent", "--kubeconfig", kubeconfig)
	if _, err := os.Stat(path); code != 3 || err == nil || !strings.Contains(narration, "name its namespace with --namespace") {
		t.Errorf("exit code %d, %v\n%s", code, err, narration)
	}
}

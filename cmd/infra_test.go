package cmd_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"

	"github.com/secretctl/secretctl/cmd"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

const infraConfig = `apiVersion: secretctl.dev/v1
provider: azure
azure:
  keyVault: contoso
  tenantID: 00000000-0000-0000-0000-000000000000
  identity: {type: system}
  subscriptionID: 22222222-2222-2222-2222-222222222222
  resourceGroup: aidbox-rg
  location: eastus
  cluster: aidbox-aks
secrets:
  - {name: client-secret, scope: [Client/basic]}
`

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: aidbox-aks, cluster: {server: "https://aks.example"}}]
users: [{name: user, user: {token: kubeconfig-canary}}]
contexts: [{name: aidbox-aks, context: {cluster: aidbox-aks, user: user}}]
current-context: aidbox-aks
`

// emptySubscription is Azure without any resource, but for a kubeconfig.
type emptySubscription struct{}

func (emptySubscription) Do(req *http.Request) (*http.Response, error) {
	status, body := http.StatusNotFound, `{"error": {"code": "ResourceNotFound"}}`
	switch {
	case strings.HasSuffix(req.URL.Path, "/checkNameAvailability"):
		status, body = http.StatusOK, `{"nameAvailable": true}`
	case strings.HasSuffix(req.URL.Path, "/listClusterUserCredential"):
		status, body = http.StatusOK, `{"kubeconfigs": [{"value": "`+base64.StdEncoding.EncodeToString([]byte(kubeconfig))+`"}]}`
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
}

// onAzure runs secretctl in an empty subscription.
func onAzure(t *testing.T, terminal bool, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secretctl.yaml")
	if err := os.WriteFile(file, []byte(infraConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, narration bytes.Buffer
	code = cmd.Run(t.Context(), append(args, "-v", "-c", file), cmd.IO{
		In: strings.NewReader(""), Out: &out, Err: &narration, OutTerminal: terminal,
		LookupEnv: func(string) (string, bool) { return "", false },
		Azure:     azure.Access{Credential: &azfake.TokenCredential{}, Transport: emptySubscription{}},
	})
	return code, out.String(), narration.String()
}

func TestInfraPlansWhatIsMissing(t *testing.T) {
	code, stdout, stderr := onAzure(t, false, "infra", "--dry-run")
	want := `group    create  resource group aidbox-rg          in eastus
vault    create  Key Vault contoso                 RBAC authorization, soft delete; in eastus
cluster  create  AKS cluster aidbox-rg/aidbox-aks  OIDC issuer, workload identity, nodes: 1; in eastus
`
	if code != 0 || stdout != want || !strings.Contains(stderr, "plan, nothing was changed: 3 to create, 0 to update, 0 unchanged") {
		t.Errorf("%d\n%s\n%s", code, stdout, stderr)
	}
	code, stdout, _ = onAzure(t, false, "infra", "--dry-run", "--phase", "vault", "-o", "json")
	if code != 0 || strings.Count(stdout, `"action": "create"`) != 1 || !strings.Contains(stdout, `"dryRun": true`) {
		t.Errorf("%d\n%s", code, stdout)
	}
}

func TestInfraThatIsRefusedSaysWhy(t *testing.T) {
	code, stdout, stderr := onAzure(t, false, "infra", "-o", "json") // which refuses every write
	if code != 3 || !strings.Contains(stdout, `"message": "azure: resource group aidbox-rg: answered 404 ResourceNotFound"`) || !strings.Contains(stderr, "error: azure: ") {
		t.Errorf("%d\n%s\n%s", code, stdout, stderr)
	}
}

func TestKubeconfigGoesWhereItIsAskedFor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	tests := []struct {
		terminal bool
		args     []string
		code     int
		stdout   string
	}{
		{false, nil, 0, kubeconfig},
		{true, nil, 2, ""},
		{true, []string{"--file", "-"}, 0, kubeconfig},
		{true, []string{"--file", file}, 0, ""},
	}
	for _, test := range tests {
		code, stdout, stderr := onAzure(t, test.terminal, append([]string{"infra", "kubeconfig"}, test.args...)...)
		if code != test.code || stdout != test.stdout {
			t.Errorf("%v: %d\n%s\n%s", test.args, code, stdout, stderr)
		}
		if strings.Contains(stderr, "canary") {
			t.Errorf("%v: the credential is told:\n%s", test.args, stderr)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "kubeconfig-canary") {
		t.Error(string(text), err)
	}
}

// onHelmAndAzure has a helm that shows in its error all that it was given.
func (k *leakTest) onHelmAndAzure(t *testing.T) {
	conf := k.config("install.yaml", "http://127.0.0.1:1", "http://127.0.0.1:1", "http://127.0.0.1:1", "CANARY_VALUE")
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "helm"), []byte("#!/bin/sh\necho Error: \"$@\" >&2\nset >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	for code, args := range map[int][]string{0: {"install", "--dry-run"}, 3: {"install", "-v"}, 2: {"infra", "kubeconfig"}} {
		if got, _ := k.run(append(args, "-c", conf)...); got != code {
			t.Errorf("%v: exit code %d", args, got)
		}
	}
}

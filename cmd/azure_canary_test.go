package cmd_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/aidbox"
	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/internal/sandbox/mount"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/test/entra"
	"github.com/secretctl/secretctl/test/sandboxtest"
)

const azureCanaryConfig = `apiVersion: secretctl.dev/v1
provider: azure
canary: true
azure: {keyVault: contoso-aidbox, subscriptionID: %s, resourceGroup: aidbox-rg, cluster: aidbox-aks, identity: {type: %s}}
aidbox: {url: %s}
secrets:
  - {name: client-secret, scope: [Client/basic], value: {env: %s}, expiresIn: 90d}
  - {name: filed, scope: [Client], value: {file: %s}}
resources:
  - type: Client
    id: basic
    secrets: {secret: client-secret}
    body: {grant_types: [client_credentials, basic]}
    accessPolicy: allow
`

// azureConfig writes a config file and returns its path.
func (k *leakTest) azureConfig(name, subscription, identity, aidbox, env string) string {
	k.t.Helper()
	source, path := filepath.Join(k.dir, "source"), filepath.Join(k.dir, name)
	text := fmt.Sprintf(azureCanaryConfig, subscription, identity, aidbox, env, source)
	for _, err := range []error{os.WriteFile(source, []byte(canaries["CANARY_VALUE"]), 0o600), os.WriteFile(path, []byte(text), 0o600)} {
		if err != nil {
			k.t.Fatal(err)
		}
	}
	return path
}

func (k *leakTest) whenAzureIsWell(t *testing.T) {
	vault := sandboxtest.StartKeyVault(t, keyvault.Options{Name: "contoso-aidbox"})
	manager, err := keyvault.StartAzure(keyvault.AzureOptions{KeyVaults: []*keyvault.Server{vault.Server}, Wrap: entra.New().Wrap})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(manager.Close)
	canaries["AZURE_TOKEN"] = manager.Token
	k.azure = azure.Access{Credential: token(manager.Token), Transport: manager.Client}
	root := filepath.Join(k.dir, "azure", "mounted")
	aidbox, err := aidbox.Start(aidbox.Options{
		VaultConfig: "/etc/aidbox/vault-config.json", Root: root, CacheTTL: time.Millisecond, RootSecret: canaries["AIDBOX_CLIENT_SECRET"],
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(aidbox.Close)
	first := k.azureConfig("azure-first.yaml", manager.Subscription, "kubelet", aidbox.URL, "CANARY_VALUE")
	next := k.azureConfig("azure-next.yaml", manager.Subscription, "kubelet", aidbox.URL, "CANARY_NEXT")
	ok := func(args ...string) string {
		t.Helper()
		code, out := k.run(args...)
		if code != 0 {
			t.Fatalf("secretctl %v: exit code %d\n%s", args, code, out)
		}
		return out
	}
	ok("provision", "-c", first, "--dry-run", "-v")
	ok("provision", "-c", first, "-v")
	ok("provision", "-c", first, "-o", "json")
	workload := k.azureConfig("workload.yaml", manager.Subscription, "workload", aidbox.URL, "CANARY_VALUE")
	ok("provision", "-c", workload, "-v")
	ok("diff", "-c", workload, "--only", "store", "-v", "-o", "json")
	if code, out := k.run("diff", "-c", next, "--only", "store"); code != 1 || !strings.Contains(out, "is not that of environment variable CANARY_NEXT") {
		t.Errorf("another value: exit code %d\n%s", code, out)
	}
	kube := k.kubeconfig("tokens", k.startTokens(t))
	if code, out := k.run("doctor", "-c", workload, "--kubeconfig", kube, "-v", "-o", "json"); code != 1 || !strings.Contains(out, "AADSTS") { // it is no token of the cluster's
		t.Errorf("doctor: exit code %d\n%s", code, out)
	}
	mount, err := mount.Start(t.Context(), mount.Options{
		Manifests: []byte(ok("render", "-c", first, "-v")), Root: root, Interval: 20 * time.Millisecond,
		Azure: manager,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mount.Close)
	ok("client", "apply", "-c", first, "-v")
	local := []string{"--mount-path", filepath.Join(root, "run/azure-secrets"), "--vault-config", filepath.Join(root, "etc/aidbox/vault-config.json")}
	for _, format := range []string{"text", "json", "junit"} {
		ok(append(local, "verify", "--all", "-c", first, "-v", "-o", format)...)
	}
	ok(append(local, "rotate", "client-secret", "-c", next, "-v")...)
	ok("rotate", "client-secret", "-c", first, "--no-verify")
	vault.DelayAccess(2)
	ok("provision", "-c", next, "--phase", "store", "-v")

	k.azure.Credential = token(vault.NewToken(keyvault.SecretsUser))
	if code, _ := k.run("provision", "-c", first, "--phase", "store", "--timeout", "1s"); code != 124 {
		t.Errorf("without the role: exit code %d", code)
	}
}

// startTokens starts an API server that makes tokens of ServiceAccounts and no more.
func (k *leakTest) startTokens(t *testing.T) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if !strings.HasSuffix(r.URL.Path, "/token") {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = fmt.Fprintf(w, `{"status": {"token": "e30.e30.%s"}}`, canaries["KUBERNETES_TOKEN"])
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// echoing answers as the servers of Azure do, and repeats the whole request, or a
// value alone, wherever a text can stand.
type echoing struct {
	status      int
	shape, text string
}

func (e echoing) Do(r *http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: e.status, Header: http.Header{}, Request: r, Body: http.NoBody}
	resp.Header.Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") == "" {
		resp.StatusCode = http.StatusUnauthorized
		resp.Header.Set("WWW-Authenticate", `Bearer authorization="https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000", resource="https://vault.azure.net"`)
		return resp, nil
	}
	text := e.text
	if text == "" {
		var sent []byte
		if r.Body != nil {
			sent, _ = io.ReadAll(r.Body)
		}
		text = fmt.Sprintf("%s %s %v %s", r.Method, r.URL, r.Header, sent)
	}
	resp.Body = io.NopCloser(strings.NewReader(strings.ReplaceAll(e.shape, "ECHO", fmt.Sprintf("%q", text))))
	return resp, nil
}

func (k *leakTest) whenAzureEchoes(t *testing.T) {
	canaries["AZURE_TOKEN"] = "TokenOfAzurec4n4ry" // which could be a code
	kube := k.kubeconfig("echoed-tokens", k.startTokens(t))
	for name, shape := range map[string]string{
		"errors":  `{"error": {"code": ECHO, "message": ECHO, "innererror": {"code": ECHO}}}`,
		"secrets": `{"id": ECHO, "value": ECHO, "tags": {"managed-by": ECHO, "secretctl-delivery": ECHO}, "contentType": ECHO, "properties": {"tenantId": ECHO}, "name": ECHO}`,
		"ids":     `{"id": "https://contoso-aidbox.vault.azure.net/secrets/client-secret/0123", "value": "other", "tags": {"managed-by": ECHO, "secretctl-delivery": ECHO}}`,
		"pages":   `<html>ECHO`,
	} {
		for _, status := range []int{200, 400, 401, 403, 404, 409, 500} {
			conf := k.azureConfig(fmt.Sprintf("azure-%s-%d.yaml", name, status), "00000000-0000-0000-0000-000000000001", "workload", "http://127.0.0.1:1", "CANARY_VALUE")
			for _, args := range [][]string{
				{"provision", "--phase", "store"},
				{"provision", "--phase", "identity,grant", "-o", "json"},
				{"render"},
				{"diff", "--only", "store", "-o", "json"},
				{"doctor", "--kubeconfig", kube, "-o", "json"},
				{"verify", "mount", "-o", "json"},
				{"rotate", "client-secret", "--no-verify"},
			} {
				if status == 500 && (name != "errors" || args[0] != "rotate") {
					continue // each is tried again for some seconds
				}
				for what, text := range map[string]string{"request": "", "value": canaries["CANARY_VALUE"], "token": canaries["AZURE_TOKEN"]} {
					if status == 500 && text != "" {
						continue
					}
					t.Run(fmt.Sprintf("%s %s %d %v", what, name, status, args), func(t *testing.T) {
						t.Parallel()
						own := &leakTest{t: t, dir: k.dir, seen: map[string]bool{}}
						own.azure = azure.Access{Credential: token(canaries["AZURE_TOKEN"]), Transport: echoing{status, shape, text}}
						if code, out := own.run(append(args, "-c", conf, "-v", "--timeout", "5s")...); code == 0 {
							t.Errorf("exit code 0:\n%s", out)
						}
					})
				}
			}
		}
	}
}

package sandboxtest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
)

// The ids of the roles on a Key Vault.
const (
	OfficerRole = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
	UserRole    = "4633458b-17de-408a-b874-0445c86b69e6"
)

// StartAzure starts an Azure with one Key Vault.
func StartAzure(t *testing.T, v *KeyVault, o keyvault.AzureOptions) *ARM {
	t.Helper()
	o.KeyVaults = []*keyvault.Server{v.Server}
	a, err := keyvault.StartAzure(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return &ARM{a, a.Token}
}

// ARM asks the resource manager under its real name.
type ARM struct {
	*keyvault.Azure
	Bearer string
}

// Group is the id of the resource group.
func (a *ARM) Group() string {
	return "/subscriptions/" + a.Subscription + "/resourceGroups/" + a.ResourceGroup
}

// Call returns the status, the error code, and what else is in the answer.
func (a *ARM) Call(t *testing.T, method, path, body string) (status int, code string, answer map[string]any) {
	t.Helper()
	if !strings.Contains(path, "api-version") {
		path += "?api-version=2024-01-01"
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "https://management.azure.com"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.Bearer)
	resp, err := a.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if refusal, ok := answer["error"].(map[string]any); ok {
		code, _ = refusal["code"].(string)
	}
	return resp.StatusCode, code, answer
}

// Principal is that of the cluster's kubelet identity.
func (a *ARM) Principal(t *testing.T) string {
	t.Helper()
	_, _, cluster := a.Call(t, http.MethodGet, a.Group()+"/providers/Microsoft.ContainerService/managedClusters/"+a.Cluster, "")
	kubelet := cluster["properties"].(map[string]any)["identityProfile"].(map[string]any)["kubeletidentity"].(map[string]any)
	if kubelet["clientId"] != a.KubeletClientID {
		t.Fatalf("kubelet identity %v", kubelet)
	}
	return kubelet["objectId"].(string)
}

// Want makes a call that has to be answered with that status and code.
func (a *ARM) Want(t *testing.T, method, path, body string, status int, code string) {
	t.Helper()
	gotStatus, gotCode, _ := a.Call(t, method, path, body)
	if gotStatus != status || gotCode != code {
		t.Errorf("%s %s: %d %s, want %d %s", method, path, gotStatus, gotCode, status, code)
	}
}

// WithoutRetries are options of Azure's own clients, which judge the answers of a stand-in.
func WithoutRetries(transport policy.Transporter) policy.ClientOptions {
	return policy.ClientOptions{Transport: transport, Retry: policy.RetryOptions{MaxRetries: -1}}
}

// WantToken has a credential of Azure's own log in, and expects that token, or an error
// that says refused.
func WantToken(t *testing.T, credential azcore.TokenCredential, want, refused string) {
	t.Helper()
	token, err := credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	switch {
	case refused != "" && (err == nil || !strings.Contains(err.Error(), refused)):
		t.Errorf("error %v, want %s", err, refused)
	case refused == "" && (err != nil || token.Token != want):
		t.Errorf("token %q, error %v", token.Token, err)
	}
}

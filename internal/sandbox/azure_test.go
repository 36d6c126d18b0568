package sandbox_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/sandbox"
)

const (
	officerRole = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
	userRole    = "4633458b-17de-408a-b874-0445c86b69e6"
)

func startAzure(t *testing.T, v *sandbox.KeyVault, o sandbox.AzureOptions) *armCaller {
	t.Helper()
	o.KeyVaults = []*sandbox.KeyVault{v}
	a, err := sandbox.StartAzure(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return &armCaller{a, a.Token}
}

// armCaller asks the resource manager under its real name.
type armCaller struct {
	*sandbox.Azure
	token string
}

func (a *armCaller) group() string {
	return "/subscriptions/" + a.Subscription + "/resourceGroups/" + a.ResourceGroup
}

// call returns the status, the error code, and what else is in the answer.
func (a *armCaller) call(t *testing.T, method, path, body string) (status int, code string, answer map[string]any) {
	t.Helper()
	if !strings.Contains(path, "api-version") {
		path += "?api-version=2024-01-01"
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "https://management.azure.com"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
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

// principal is that of the cluster's kubelet identity.
func (a *armCaller) principal(t *testing.T) string {
	t.Helper()
	_, _, cluster := a.call(t, http.MethodGet, a.group()+"/providers/Microsoft.ContainerService/managedClusters/"+a.Cluster, "")
	kubelet := cluster["properties"].(map[string]any)["identityProfile"].(map[string]any)["kubeletidentity"].(map[string]any)
	if kubelet["clientId"] != a.KubeletClientID {
		t.Fatalf("kubelet identity %v", kubelet)
	}
	return kubelet["objectId"].(string)
}

func (a *armCaller) want(t *testing.T, method, path, body string, status int, code string) {
	t.Helper()
	gotStatus, gotCode, _ := a.call(t, method, path, body)
	if gotStatus != status || gotCode != code {
		t.Errorf("%s %s: %d %s, want %d %s", method, path, gotStatus, gotCode, status, code)
	}
}

func TestAzureRefusesAsTheResourceManagerDoes(t *testing.T) {
	a := startAzure(t, startKeyVault(t, sandbox.KeyVaultOptions{Name: "contoso"}), sandbox.AzureOptions{})
	cluster := a.group() + "/providers/Microsoft.ContainerService/managedClusters/"
	a.want(t, http.MethodGet, cluster+a.Cluster, "", http.StatusOK, "")
	a.want(t, http.MethodGet, strings.ToUpper(cluster+a.Cluster), "", http.StatusOK, "")
	a.want(t, http.MethodGet, cluster+"other", "", http.StatusNotFound, "ResourceNotFound")
	a.want(t, http.MethodGet, cluster+a.Cluster+"?api-version=", "", http.StatusBadRequest, "MissingApiVersionParameter")
	a.want(t, http.MethodDelete, cluster+a.Cluster, "", http.StatusMethodNotAllowed, "MethodNotAllowed")
	a.want(t, http.MethodPut, cluster+"other", "{}", http.StatusNotFound, "InvalidResourceType")
	a.want(t, http.MethodPut, cluster+"other", "{", http.StatusBadRequest, "InvalidRequestContent")
	a.token = a.PodToken(a.KubeletClientID)
	a.want(t, http.MethodGet, cluster+a.Cluster, "", http.StatusForbidden, "AuthorizationFailed")
	a.token = "another"
	a.want(t, http.MethodGet, cluster+a.Cluster, "", http.StatusUnauthorized, "InvalidAuthenticationToken")
}

func TestAzureRoleCountsInTheKeyVault(t *testing.T) {
	v := startKeyVault(t, sandbox.KeyVaultOptions{Name: "contoso"})
	a := startAzure(t, v, sandbox.AzureOptions{SystemIdentity: true})
	setSecret(t, keyVaultClient(t, v, v.Token), "a", "one")
	principal := a.principal(t)
	read := func(who string) error {
		return errorOf(keyVaultClient(t, v, a.PodToken(who)).GetSecret(t.Context(), "a", "", nil))
	}
	wantRefusal(t, read(a.KubeletClientID), byRBAC)

	vault := a.group() + "/providers/Microsoft.KeyVault/vaults/contoso"
	assignment := vault + "/providers/Microsoft.Authorization/roleAssignments/"
	body := func(role string) string {
		return `{"properties": {"principalId": "` + principal + `", "roleDefinitionId": "/x/` + role + `"}}`
	}
	a.want(t, http.MethodPut, assignment+"no-guid", body(userRole), http.StatusBadRequest, "InvalidRoleAssignmentId")
	a.want(t, http.MethodPut, assignment+"00000000-0000-0000-0000-000000000001", body(userRole), http.StatusCreated, "")
	if err := read(a.KubeletClientID); err != nil {
		t.Errorf("with the role: %v", err)
	}
	wantRefusal(t, read("system"), byRBAC)
	a.want(t, http.MethodPut, assignment+"00000000-0000-0000-0000-000000000002", body(userRole), http.StatusConflict, "RoleAssignmentExists")
	a.want(t, http.MethodPut, assignment+"00000000-0000-0000-0000-000000000002", body(officerRole), http.StatusCreated, "")

	filter := "api-version=1&$filter=principalId%20eq%20'" + principal + "'"
	count := func(path string) int {
		_, _, answer := a.call(t, http.MethodGet, path, "")
		return len(answer["value"].([]any))
	}
	got := []int{
		count(vault + "/providers/Microsoft.Authorization/roleAssignments?" + filter),
		count(a.group() + "/providers/Microsoft.Authorization/roleAssignments?" + filter),
		count(vault + "/secrets/a/providers/Microsoft.Authorization/roleAssignments?" + filter),
		count(vault + "/providers/Microsoft.Authorization/roleAssignments?api-version=1&$filter=principalId%20eq%20'other'"),
	}
	if diff := cmp.Diff([]int{2, 2, 2, 0}, got); diff != "" {
		t.Errorf("assignments at, above, below, of another (-want +got):\n%s", diff)
	}
}

func TestAzureTakesOneCredentialForASubject(t *testing.T) {
	a := startAzure(t, startKeyVault(t, sandbox.KeyVaultOptions{Name: "contoso"}), sandbox.AzureOptions{ResourceGroup: "rg", Cluster: "aks"})
	identity := a.group() + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/reader"
	credential := identity + "/federatedIdentityCredentials/"
	const body = `{"properties": {"issuer": "i", "subject": "s", "audiences": ["a"]}}`
	a.want(t, http.MethodPut, credential+"one", body, http.StatusNotFound, "ParentResourceNotFound")
	a.want(t, http.MethodPut, identity, `{}`, http.StatusBadRequest, "LocationRequired")
	_, _, made := a.call(t, http.MethodPut, identity, `{"location": "eastus"}`)
	_, _, again := a.call(t, http.MethodPut, identity, `{"location": "eastus"}`)
	if diff := cmp.Diff(made, again); diff != "" {
		t.Errorf("made again, it differs:\n%s", diff)
	}
	a.want(t, http.MethodPut, credential+"one", body, http.StatusCreated, "")
	a.want(t, http.MethodPut, credential+"one", body, http.StatusOK, "")
	a.want(t, http.MethodPut, credential+"two", body, http.StatusConflict, "Conflict")
	for path, n := range map[string]int{
		credential[:len(credential)-1]: 1,
		"/subscriptions/" + a.Subscription + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities":                                                                       1,
		"/subscriptions/" + a.Subscription + "/providers/Microsoft.KeyVault/vaults":                                                                                              1,
		"/subscriptions/" + a.Subscription + "/resourceGroups/MC_rg_aks_eastus/resources?api-version=1&$filter=resourceType%20eq%20'Microsoft.Compute/virtualMachineScaleSets'":  1,
		"/subscriptions/" + a.Subscription + "/resourceGroups/MC_rg_aks_eastus/resources?api-version=1&$filter=resourceType%20eq%20'Microsoft.ContainerService/ManagedClusters'": 0,
		a.group() + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities":                                                                                                1,
		"/subscriptions/other/providers/Microsoft.KeyVault/vaults":                                                                                                               0,
	} {
		if _, _, answer := a.call(t, http.MethodGet, path, ""); len(answer["value"].([]any)) != n {
			t.Errorf("%s: %v, want %d", path, answer["value"], n)
		}
	}
	if a.PodToken("nobody") != "" {
		t.Error("a token for nobody")
	}
}

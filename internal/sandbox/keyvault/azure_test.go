package keyvault_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/test/sandboxtest"
)

func TestAzureRefusesAsTheResourceManagerDoes(t *testing.T) {
	a := sandboxtest.StartAzure(t, sandboxtest.StartKeyVault(t, keyvault.Options{Name: "contoso"}), keyvault.AzureOptions{})
	cluster := a.Group() + "/providers/Microsoft.ContainerService/managedClusters/"
	a.Want(t, http.MethodGet, cluster+a.Cluster, "", http.StatusOK, "")
	a.Want(t, http.MethodGet, strings.ToUpper(cluster+a.Cluster), "", http.StatusOK, "")
	a.Want(t, http.MethodGet, cluster+"other", "", http.StatusNotFound, "ResourceNotFound")
	a.Want(t, http.MethodGet, cluster+a.Cluster+"?api-version=", "", http.StatusBadRequest, "MissingApiVersionParameter")
	a.Want(t, http.MethodDelete, cluster+a.Cluster, "", http.StatusMethodNotAllowed, "MethodNotAllowed")
	a.Want(t, http.MethodPut, cluster+"other", "{}", http.StatusNotFound, "InvalidResourceType")
	a.Want(t, http.MethodPut, cluster+"other", "{", http.StatusBadRequest, "InvalidRequestContent")
	a.Bearer = a.PodToken(a.KubeletClientID)
	a.Want(t, http.MethodGet, cluster+a.Cluster, "", http.StatusForbidden, "AuthorizationFailed")
	a.Bearer = "another"
	a.Want(t, http.MethodGet, cluster+a.Cluster, "", http.StatusUnauthorized, "InvalidAuthenticationToken")
}

func TestAzureRoleCountsInTheKeyVault(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{Name: "contoso"})
	a := sandboxtest.StartAzure(t, v, keyvault.AzureOptions{SystemIdentity: true})
	sandboxtest.SetSecret(t, sandboxtest.KeyVaultClient(t, v, v.Token), "a", "one")
	principal := a.Principal(t)
	read := func(who string) error {
		return errorOf(sandboxtest.KeyVaultClient(t, v, a.PodToken(who)).GetSecret(t.Context(), "a", "", nil))
	}
	wantRefusal(t, read(a.KubeletClientID), byRBAC)

	vault := a.Group() + "/providers/Microsoft.KeyVault/vaults/contoso"
	assignment := vault + "/providers/Microsoft.Authorization/roleAssignments/"
	body := func(role string) string {
		return `{"properties": {"principalId": "` + principal + `", "roleDefinitionId": "/x/` + role + `"}}`
	}
	a.Want(t, http.MethodPut, assignment+"no-guid", body(sandboxtest.UserRole), http.StatusBadRequest, "InvalidRoleAssignmentId")
	a.Want(t, http.MethodPut, assignment+"00000000-0000-0000-0000-000000000001", body(sandboxtest.UserRole), http.StatusCreated, "")
	if err := read(a.KubeletClientID); err != nil {
		t.Errorf("with the role: %v", err)
	}
	wantRefusal(t, read("system"), byRBAC)
	a.Want(t, http.MethodDelete, assignment+"00000000-0000-0000-0000-000000000001", "", http.StatusOK, "")
	wantRefusal(t, read(a.KubeletClientID), byRBAC)
	a.Want(t, http.MethodPut, assignment+"00000000-0000-0000-0000-000000000001", body(sandboxtest.UserRole), http.StatusCreated, "")
	a.Want(t, http.MethodPut, assignment+"00000000-0000-0000-0000-000000000002", body(sandboxtest.UserRole), http.StatusConflict, "RoleAssignmentExists")
	a.Want(t, http.MethodPut, assignment+"00000000-0000-0000-0000-000000000002", body(sandboxtest.OfficerRole), http.StatusCreated, "")

	filter := "api-version=1&$filter=principalId%20eq%20'" + principal + "'"
	count := func(path string) int {
		_, _, answer := a.Call(t, http.MethodGet, path, "")
		return len(answer["value"].([]any))
	}
	got := []int{
		count(vault + "/providers/Microsoft.Authorization/roleAssignments?" + filter),
		count(a.Group() + "/providers/Microsoft.Authorization/roleAssignments?" + filter),
		count(vault + "/secrets/a/providers/Microsoft.Authorization/roleAssignments?" + filter),
		count(vault + "/providers/Microsoft.Authorization/roleAssignments?api-version=1&$filter=principalId%20eq%20'other'"),
	}
	if diff := cmp.Diff([]int{2, 2, 2, 0}, got); diff != "" {
		t.Errorf("assignments at, above, below, of another (-want +got):\n%s", diff)
	}
}

func TestAzureTakesOneCredentialForASubject(t *testing.T) {
	a := sandboxtest.StartAzure(t, sandboxtest.StartKeyVault(t, keyvault.Options{Name: "contoso"}), keyvault.AzureOptions{ResourceGroup: "rg", Cluster: "aks"})
	identity := a.Group() + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/reader"
	credential := identity + "/federatedIdentityCredentials/"
	const body = `{"properties": {"issuer": "i", "subject": "s", "audiences": ["a"]}}`
	a.Want(t, http.MethodPut, credential+"one", body, http.StatusNotFound, "ParentResourceNotFound")
	a.Want(t, http.MethodPut, identity, `{}`, http.StatusBadRequest, "LocationRequired")
	_, _, made := a.Call(t, http.MethodPut, identity, `{"location": "eastus"}`)
	_, _, again := a.Call(t, http.MethodPut, identity, `{"location": "eastus"}`)
	if diff := cmp.Diff(made, again); diff != "" {
		t.Errorf("made again, it differs:\n%s", diff)
	}
	a.Want(t, http.MethodPut, credential+"one", body, http.StatusCreated, "")
	a.Want(t, http.MethodPut, credential+"one", body, http.StatusOK, "")
	a.Want(t, http.MethodPut, credential+"two", body, http.StatusConflict, "Conflict")
	for path, n := range map[string]int{
		credential[:len(credential)-1]: 1,
		"/subscriptions/" + a.Subscription + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities":                                                                       1,
		"/subscriptions/" + a.Subscription + "/providers/Microsoft.KeyVault/vaults":                                                                                              1,
		"/subscriptions/" + a.Subscription + "/resourceGroups/MC_rg_aks_eastus/resources?api-version=1&$filter=resourceType%20eq%20'Microsoft.Compute/virtualMachineScaleSets'":  1,
		"/subscriptions/" + a.Subscription + "/resourceGroups/MC_rg_aks_eastus/resources?api-version=1&$filter=resourceType%20eq%20'Microsoft.ContainerService/ManagedClusters'": 0,
		a.Group() + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities":                                                                                                1,
		"/subscriptions/other/providers/Microsoft.KeyVault/vaults":                                                                                                               0,
	} {
		if _, _, answer := a.Call(t, http.MethodGet, path, ""); len(answer["value"].([]any)) != n {
			t.Errorf("%s: %v, want %d", path, answer["value"], n)
		}
	}
	a.Want(t, http.MethodDelete, credential+"one", "", http.StatusOK, "")
	a.Want(t, http.MethodPut, credential+"two", body, http.StatusCreated, "")
	if a.PodToken("nobody") != "" {
		t.Error("a token for nobody")
	}
}

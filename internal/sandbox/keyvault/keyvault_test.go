package keyvault_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/test/sandboxtest"
)

const canary = "canary-7f3a"

func errorOf[T any](_ T, err error) error { return err }

func wantForbidden(t *testing.T, err error) {
	t.Helper()
	var failed *azcore.ResponseError
	if !errors.As(err, &failed) || failed.StatusCode != http.StatusForbidden || !strings.Contains(err.Error(), "ForbiddenByRbac") {
		t.Errorf("%v, want a refusal by RBAC", err)
	}
	if err != nil && strings.Contains(err.Error(), canary) {
		t.Error("the refusal quotes the value")
	}
}

func TestRolesDecide(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{})
	officer := sandboxtest.KeyVaultClient(t, v, v.Token)
	sandboxtest.SetSecret(t, officer, "a", canary)
	sandboxtest.SetSecret(t, officer, "gone", canary)
	if _, err := officer.DeleteSecret(t.Context(), "gone", nil); err != nil {
		t.Fatal(err)
	}
	reads := []func(*azsecrets.Client) error{
		func(c *azsecrets.Client) error { return errorOf(c.GetSecret(t.Context(), "a", "", nil)) },
		func(c *azsecrets.Client) error {
			return errorOf(c.NewListSecretPropertiesVersionsPager("a", nil).NextPage(t.Context()))
		},
		func(c *azsecrets.Client) error { return errorOf(c.GetDeletedSecret(t.Context(), "gone", nil)) },
	}
	writes := []func(*azsecrets.Client) error{
		func(c *azsecrets.Client) error {
			return errorOf(c.SetSecret(t.Context(), "a", azsecrets.SetSecretParameters{Value: to.Ptr(canary)}, nil))
		},
		func(c *azsecrets.Client) error {
			return errorOf(c.UpdateSecretProperties(t.Context(), "a", "", azsecrets.UpdateSecretPropertiesParameters{}, nil))
		},
		func(c *azsecrets.Client) error { return errorOf(c.DeleteSecret(t.Context(), "a", nil)) },
		func(c *azsecrets.Client) error { return errorOf(c.RecoverDeletedSecret(t.Context(), "gone", nil)) },
	}
	user := sandboxtest.KeyVaultClient(t, v, v.NewToken(keyvault.SecretsUser))
	nobody := sandboxtest.KeyVaultClient(t, v, v.NewToken("Key Vault Contributor"))
	for _, read := range reads {
		if err := read(user); err != nil {
			t.Errorf("as a user: %v", err)
		}
		wantForbidden(t, read(nobody))
	}
	for _, write := range writes {
		wantForbidden(t, write(user))
		wantForbidden(t, write(nobody))
	}
}

func TestRoleOnASecretCountsForThatSecret(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{Name: "contoso"})
	a := sandboxtest.StartAzure(t, v, keyvault.AzureOptions{})
	for _, name := range []string{"a", "b"} {
		sandboxtest.SetSecret(t, sandboxtest.KeyVaultClient(t, v, v.Token), name, "one")
	}
	assignment := a.Group() + "/providers/Microsoft.KeyVault/vaults/contoso/secrets/A/providers/Microsoft.Authorization/roleAssignments/1"
	a.Want(t, http.MethodPut, assignment, `{"properties": {"principalId": "`+a.Principal(t)+`", "roleDefinitionId": "/x/`+sandboxtest.OfficerRole+`"}}`, http.StatusCreated, "")
	owner := sandboxtest.KeyVaultClient(t, v, a.PodToken(a.KubeletClientID))
	value := "two"
	set := func(name string) error {
		return errorOf(owner.SetSecret(t.Context(), name, azsecrets.SetSecretParameters{Value: &value}, nil))
	}
	if err := set("a"); err != nil {
		t.Errorf("the secret that the role is on: %v", err)
	}
	wantForbidden(t, set("b"))
	wantForbidden(t, errorOf(owner.GetSecret(t.Context(), "b", "", nil)))
}

func TestRoleAssignmentCountsInTheKeyVault(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{Name: "contoso"})
	a := sandboxtest.StartAzure(t, v, keyvault.AzureOptions{SystemIdentity: true})
	sandboxtest.SetSecret(t, sandboxtest.KeyVaultClient(t, v, v.Token), "a", "one")
	principal := a.Principal(t)
	read := func(who string) error {
		return errorOf(sandboxtest.KeyVaultClient(t, v, a.PodToken(who)).GetSecret(t.Context(), "a", "", nil))
	}
	wantForbidden(t, read(a.KubeletClientID))

	vault := a.Group() + "/providers/Microsoft.KeyVault/vaults/contoso"
	assignment := vault + "/providers/Microsoft.Authorization/roleAssignments/"
	body := func(role string) string {
		return `{"properties": {"principalId": "` + principal + `", "roleDefinitionId": "/x/` + role + `"}}`
	}
	a.Want(t, http.MethodPut, assignment+"1", body(sandboxtest.UserRole), http.StatusCreated, "")
	if err := read(a.KubeletClientID); err != nil {
		t.Errorf("with the role: %v", err)
	}
	wantForbidden(t, read("system"))
	a.Want(t, http.MethodPut, assignment+"2", body(sandboxtest.OfficerRole), http.StatusCreated, "")

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
	for _, name := range []string{"1", "2"} {
		a.Want(t, http.MethodDelete, assignment+name, "", http.StatusOK, "")
	}
	wantForbidden(t, read(a.KubeletClientID))
}

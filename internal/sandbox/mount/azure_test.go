package mount_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/internal/sandbox/mount"
	"github.com/secretctl/secretctl/test/sandboxtest"
)

const azureParameters = `  provider: azure
  parameters:
    keyvaultName: contoso
    tenantID: 00000000-0000-0000-0000-000000000000
    useVMManagedIdentity: "true"
    userAssignedIdentityID: 11111111-1111-1111-1111-111111111111
    objects: |
      array:
        - |
          objectName: stored-name
          objectType: secret
          objectAlias: client-secret
`

// azureManifests are the pod's with parameters of Azure's provider.
func azureManifests(t *testing.T) string {
	t.Helper()
	before, rest, _ := strings.Cut(podManifests, "  provider: vault\n")
	_, after, found := strings.Cut(rest, "---\n")
	if !found {
		t.Fatal("the manifests have changed")
	}
	return before + azureParameters + "---\n" + after
}

func TestMountReadsAsTheIdentityThatIsNamed(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{Name: "contoso"})
	a := sandboxtest.StartAzure(t, v, keyvault.AzureOptions{})
	sandboxtest.SetSecret(t, sandboxtest.KeyVaultClient(t, v, v.Token), "stored-name", "first")
	root := t.TempDir()
	start := func(old, replacement string) error {
		m, err := mount.Start(t.Context(), mount.Options{
			Manifests: []byte(strings.Replace(azureManifests(t), old, replacement, 1)), Root: root, Azure: a.Azure,
		})
		if err == nil {
			m.Close()
		}
		return err
	}
	const named = "11111111-1111-1111-1111-111111111111"
	if err := start("", ""); err == nil || !strings.Contains(err.Error(), "Identity not found") {
		t.Errorf("of an identity that does not exist: %v", err)
	}
	if err := start("keyvaultName: contoso", "keyvaultName: other"); err == nil || !strings.Contains(err.Error(), "lookup other.vault.azure.net: no such host") {
		t.Errorf("from a Key Vault that does not exist: %v", err)
	}
	err := start(named, a.KubeletClientID)
	if err == nil || !strings.Contains(err.Error(), "ForbiddenByRbac") {
		t.Errorf("without a role: %v", err)
	}
	assignment := a.Group() + "/providers/Microsoft.KeyVault/vaults/contoso/providers/Microsoft.Authorization/roleAssignments/00000000-0000-0000-0000-000000000001"
	a.Want(t, http.MethodPut, assignment, `{"properties": {"principalId": "`+a.Principal(t)+`", "roleDefinitionId": "/x/`+sandboxtest.UserRole+`"}}`, http.StatusCreated, "")
	if err := start(named, a.KubeletClientID); err != nil {
		t.Errorf("with the role: %v", err)
	}
	if content, err := os.ReadFile(filepath.Join(root, "run/vault-secrets/client-secret")); err != nil || string(content) != "first" {
		t.Errorf("content %q, %v", content, err)
	}
}

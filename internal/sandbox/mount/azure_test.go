package mount_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
        - |
          objectName: encoded
          objectType: secret
          objectEncoding: base64
          filePermission: "0400"
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

func TestMountReadsFromKeyVault(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{Name: "contoso"})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	sandboxtest.SetSecret(t, client, "stored-name", "first")
	sandboxtest.SetSecret(t, client, "encoded", "AAEC")
	root := t.TempDir()
	m, err := mount.Start(t.Context(), mount.Options{Manifests: []byte(azureManifests(t)), Root: root, KeyVaults: []*keyvault.Server{v}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	read := func() map[string]string {
		t.Helper()
		got := map[string]string{}
		for _, name := range []string{"client-secret", "encoded"} {
			content, err := os.ReadFile(filepath.Join(root, "run/vault-secrets", name))
			if err != nil {
				t.Fatal(err)
			}
			got[name] = string(content)
		}
		return got
	}
	if diff := cmp.Diff(map[string]string{"client-secret": "first", "encoded": "\x00\x01\x02"}, read()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	sandboxtest.SetSecret(t, client, "stored-name", "second")
	if err := m.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := read()["client-secret"]; got != "second" {
		t.Errorf("after a rotation: %q", got)
	}
}

func TestMountRefusesWhatAzuresProviderDoes(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"no vault", "keyvaultName: contoso", `keyvaultName: ""`, "keyvaultName is not set"},
		{"another vault", "keyvaultName: contoso", "keyvaultName: other", "lookup other.vault.azure.net: no such host"},
		{"no tenant", "tenantID:", "tenant:", "tenantId is not set"},
		{"no identity", `useVMManagedIdentity: "true"`, `useVMManagedIdentity: "false"`, "failed to get credentials"},
		{"two identities", "userAssignedIdentityID:", "clientID:", "service account tokens is not set"},
		{"pod identity too", "useVMManagedIdentity:", "usePodIdentity: \"true\"\n    useVMManagedIdentity:", "cannot enable both"},
		{"no such cloud", "tenantID:", "cloudName: Azure\n    tenantID:", "cloudName Azure is not valid"},
		{"no objects", "objects: |", "other: |", "objects is not set"},
		{"maps, not texts", "- |\n          objectName: stored-name", "- objectName: stored-name", "failed to yaml unmarshal objects"},
		{"no such secret", "objectName: stored-name", "objectName: none", "objectName:none, objectVersion:: GET https://contoso.vault.azure.net/secrets/none RESPONSE 404 Not Found ERROR CODE: SecretNotFound"},
		{"a key", "objectType: secret", "objectType: key", "objectType:key"},
		{"no octal permission", `filePermission: "0400"`, `filePermission: rw`, "is no octal number"},
		{"not in that encoding", "objectEncoding: base64", "objectEncoding: hex", "the value is not in hex"},
		{"no such encoding", "objectEncoding: base64", "objectEncoding: rot13", "invalid encoding type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := sandboxtest.StartKeyVault(t, keyvault.Options{Name: "contoso"})
			client := sandboxtest.KeyVaultClient(t, v, v.Token)
			sandboxtest.SetSecret(t, client, "stored-name", "first")
			sandboxtest.SetSecret(t, client, "encoded", "canary+/")
			manifests := azureManifests(t)
			if !strings.Contains(manifests, c.old) {
				t.Fatalf("%q is not in the manifests", c.old)
			}
			m, err := mount.Start(t.Context(), mount.Options{
				Manifests: []byte(strings.Replace(manifests, c.old, c.new, 1)), Root: t.TempDir(), KeyVaults: []*keyvault.Server{v},
			})
			if err == nil {
				m.Close()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("error %q\nwant   %q", err, c.want)
			}
		})
	}
}

func TestMountReadsAsTheIdentityThatIsNamed(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{Name: "contoso"})
	a := sandboxtest.StartAzure(t, v, keyvault.AzureOptions{})
	for name, value := range map[string]string{"stored-name": "first", "encoded": "AAEC"} {
		sandboxtest.SetSecret(t, sandboxtest.KeyVaultClient(t, v, v.Token), name, value)
	}
	const named = "11111111-1111-1111-1111-111111111111"
	start := func(clientID string) error {
		m, err := mount.Start(t.Context(), mount.Options{
			Manifests: []byte(strings.Replace(azureManifests(t), named, clientID, 1)), Root: t.TempDir(), Azure: a.Azure,
		})
		if err == nil {
			m.Close()
		}
		return err
	}
	if err := start(named); err == nil || !strings.Contains(err.Error(), "Identity not found") {
		t.Errorf("of an identity that is not there: %v", err)
	}
	if err := start(a.KubeletClientID); err == nil || !strings.Contains(err.Error(), "RESPONSE 403 Forbidden") {
		t.Errorf("without a role: %v", err)
	}
	assignment := a.Group() + "/providers/Microsoft.KeyVault/vaults/contoso/providers/Microsoft.Authorization/roleAssignments/00000000-0000-0000-0000-000000000001"
	a.Want(t, http.MethodPut, assignment, `{"properties": {"principalId": "`+a.Principal(t)+`", "roleDefinitionId": "/x/`+sandboxtest.UserRole+`"}}`, http.StatusCreated, "")
	if err := start(a.KubeletClientID); err != nil {
		t.Errorf("with the role: %v", err)
	}
}

// twoVaults is a pod with a volume for each of two Key Vaults.
func twoVaults(t *testing.T) string {
	t.Helper()
	text := azureManifests(t)
	class := azureParameters[:strings.Index(azureParameters, "        - |\n          objectName: encoded")]
	for _, c := range []struct{ old, new string }{
		{"          volumeMounts:\n", "          volumeMounts:\n            - {name: more, mountPath: /run/more, readOnly: true}\n"},
		{"      volumes:\n", "      volumes:\n        - name: more\n          csi: {driver: secrets-store.csi.k8s.io, readOnly: true, volumeAttributes: {secretProviderClass: more}}\n"},
	} {
		if !strings.Contains(text, c.old) {
			t.Fatalf("%q is not in the manifests", c.old)
		}
		text = strings.Replace(text, c.old, c.new, 1)
	}
	return text + "---\napiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\nmetadata: {name: more, namespace: default}\nspec:\n" +
		strings.Replace(class, "contoso", "Fabrikam", 1)
}

func TestMountReadsFromSeveralKeyVaults(t *testing.T) {
	contoso, fabrikam := sandboxtest.StartKeyVault(t, keyvault.Options{Name: "contoso"}), sandboxtest.StartKeyVault(t, keyvault.Options{Name: "fabrikam"})
	for v, value := range map[*keyvault.Server]string{contoso: "first", fabrikam: "other"} {
		sandboxtest.SetSecret(t, sandboxtest.KeyVaultClient(t, v, v.Token), "stored-name", value)
		sandboxtest.SetSecret(t, sandboxtest.KeyVaultClient(t, v, v.Token), "encoded", "AAEC")
	}
	root := t.TempDir()
	options := mount.Options{Manifests: []byte(twoVaults(t)), Root: root, KeyVaults: []*keyvault.Server{contoso, fabrikam}}
	m, err := mount.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	read := func() string {
		var got []string
		for _, folder := range []string{"run/vault-secrets", "run/more"} {
			content, err := os.ReadFile(filepath.Join(root, folder, "client-secret"))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(content))
		}
		return strings.Join(got, " ")
	}
	if got := read(); got != "first other" {
		t.Errorf("files %q", got)
	}
	// A volume that cannot be published again does not keep the other one from it.
	if _, err := sandboxtest.KeyVaultClient(t, contoso, contoso.Token).DeleteSecret(t.Context(), "encoded", nil); err != nil {
		t.Fatal(err)
	}
	sandboxtest.SetSecret(t, sandboxtest.KeyVaultClient(t, fabrikam, fabrikam.Token), "stored-name", "new")
	if err := m.Publish(t.Context()); err == nil || !strings.Contains(err.Error(), `volume "secrets"`) {
		t.Errorf("error %v", err)
	}
	if got := read(); got != "first new" {
		t.Errorf("after a rotation: %q", got)
	}
	options.KeyVaults = options.KeyVaults[:1]
	if _, err := mount.Start(t.Context(), options); err == nil || !strings.Contains(err.Error(), `volume "more": failed to mount secrets store objects for pod default/aidbox: lookup Fabrikam.vault.azure.net`) {
		t.Errorf("without the other one: %v", err)
	}
}

package sandbox_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/sandbox"
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
	v := startKeyVault(t, sandbox.KeyVaultOptions{Name: "contoso"})
	client := keyVaultClient(t, v, v.Token)
	setSecret(t, client, "stored-name", "first")
	setSecret(t, client, "encoded", "AAEC")
	root := t.TempDir()
	m, err := sandbox.StartMount(t.Context(), sandbox.MountOptions{Manifests: []byte(azureManifests(t)), Root: root, KeyVault: v})
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
	setSecret(t, client, "stored-name", "second")
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
			v := startKeyVault(t, sandbox.KeyVaultOptions{Name: "contoso"})
			client := keyVaultClient(t, v, v.Token)
			setSecret(t, client, "stored-name", "first")
			setSecret(t, client, "encoded", "canary+/")
			manifests := azureManifests(t)
			if !strings.Contains(manifests, c.old) {
				t.Fatalf("%q is not in the manifests", c.old)
			}
			m, err := sandbox.StartMount(t.Context(), sandbox.MountOptions{
				Manifests: []byte(strings.Replace(manifests, c.old, c.new, 1)), Root: t.TempDir(), KeyVault: v,
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

func TestMountNeedsARoleInKeyVault(t *testing.T) {
	v := startKeyVault(t, sandbox.KeyVaultOptions{Name: "contoso"})
	setSecret(t, keyVaultClient(t, v, v.Token), "stored-name", "first")
	_, err := sandbox.StartMount(t.Context(), sandbox.MountOptions{
		Manifests: []byte(azureManifests(t)), Root: t.TempDir(), KeyVault: v, KeyVaultToken: v.NewToken("Reader"),
	})
	if err == nil || !strings.Contains(err.Error(), "RESPONSE 403 Forbidden") {
		t.Errorf("%v, want it forbidden", err)
	}
}

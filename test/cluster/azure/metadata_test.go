package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/test/sandboxtest"
	"github.com/secretctl/secretctl/test/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// Azure's own client asks, so that it is the judge of the answers.
func TestMetadataKnowsTheNodesIdentities(t *testing.T) {
	a := sandboxtest.StartAzure(t, sandboxtest.StartKeyVault(t, keyvault.Options{Name: "contoso"}), keyvault.AzureOptions{SystemIdentity: true})
	_, _, made := a.Call(t, http.MethodPut, a.Group()+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/elsewhere", `{"location": "eastus"}`)
	elsewhere, _ := made["properties"].(map[string]any)["clientId"].(string)
	for name, c := range map[string]struct {
		id            azidentity.ManagedIDKind
		want, refused string
	}{
		"kubelet":              {azidentity.ClientID(a.KubeletClientID), a.PodToken(a.KubeletClientID), ""},
		"add-on":               {azidentity.ClientID(a.AddonClientID), a.PodToken(a.AddonClientID), ""},
		"one more":             {azidentity.ClientID(a.NodeClientID), a.PodToken(a.NodeClientID), ""},
		"system":               {nil, a.PodToken("system"), ""},
		"not one of the nodes": {azidentity.ClientID(elsewhere), "", "Identity not found"},
	} {
		t.Run(name, func(t *testing.T) {
			credential, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{
				ID: c.id, ClientOptions: sandboxtest.WithoutRetries(metadataOf{a.Azure, t.TempDir()}),
			})
			if err != nil {
				t.Fatal(err)
			}
			sandboxtest.WantToken(t, credential, c.want, c.refused)
		})
	}
}

// metadataOf takes a request to the metadata service without a network.
type metadataOf struct {
	azure  *keyvault.Azure
	faults string
}

func (m metadataOf) Do(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	(&cloud{azure: m.azure, faults: m.faults}).metadata(w, req)
	return w.Result(), nil
}

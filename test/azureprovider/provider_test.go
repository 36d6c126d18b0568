// Package azureprovider tests rendered manifests with the code that reads them: that of
// the Azure provider for the Secrets Store CSI driver.
package azureprovider

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/secrets-store-csi-driver-provider-azure/pkg/provider/types"
	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
	csiv1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/render"
	"github.com/secretctl/secretctl/internal/store/keyvault"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

const (
	tenant = "00000000-0000-0000-0000-000000000000"
	client = "11111111-1111-1111-1111-111111111111"
)

const conf = `apiVersion: secretctl.dev/v1
provider: azure
azure:
  keyVault: contoso-aidbox
  tenantID: ` + tenant + `
  cloud: %s
  identity: %s
secrets:
  - {name: client-secret, scope: [Client/basic]}
  - {name: a.b_c, objectName: idp-key, scope: [IdentityProvider]}
  - {name: other, objectName: client-secret, keyVault: Fabrikam, scope: [Client]}
`

// read is what the provider reads from a SecretProviderClass.
type read struct {
	Vault, Cloud, Tenant       string
	PodIdentity, VMIdentity    bool
	UserAssigned, Client       string
	Files                      map[string]string // object name by file name
	SeveralVersions, Permitted bool
}

// readBy reads parameters with the provider's own functions.
func readBy(t *testing.T, parameters map[string]string) read {
	t.Helper()
	got := read{
		Vault: types.GetKeyVaultName(parameters), Cloud: types.GetCloudName(parameters), Tenant: types.GetTenantID(parameters),
		UserAssigned: types.GetUserAssignedIdentityID(parameters), Client: types.GetClientID(parameters), Files: map[string]string{}, Permitted: true,
	}
	var err error
	if got.PodIdentity, err = types.GetUsePodIdentity(parameters); err != nil {
		t.Error(err)
	}
	if got.VMIdentity, err = types.GetUseVMManagedIdentity(parameters); err != nil {
		t.Error(err)
	}
	if proxy, err := types.GetUseAzureTokenProxy(parameters); proxy || err != nil || types.GetCloudEnvFileName(parameters) != "" {
		t.Errorf("token proxy %v (%v), or a custom cloud", proxy, err)
	}
	objects, err := types.GetObjectsArray(types.GetObjects(parameters))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range objects.Array {
		var o types.KeyVaultObject
		if err := yaml.Unmarshal([]byte(text), &o); err != nil {
			t.Fatal(err)
		}
		if o.GetObjectUID() != "secret/"+o.ObjectName || o.ObjectVersion != "" {
			t.Errorf("object %+v", o)
		}
		got.SeveralVersions = got.SeveralVersions || !o.IsSyncingSingleVersion()
		mode, err := o.GetFilePermission(0o644)
		got.Permitted = got.Permitted && err == nil && mode == 0o644
		got.Files[o.GetFileName()] = o.ObjectName
	}
	return got
}

func TestTheProviderReadsWhatTheConfigSays(t *testing.T) {
	for identity, who := range map[string]read{
		"{type: kubelet, clientID: " + client + "}":  {VMIdentity: true, UserAssigned: client},
		"{type: workload, clientID: " + client + "}": {Client: client},
		"{type: system}": {VMIdentity: true},
	} {
		for _, cloud := range []string{"AzurePublicCloud", "AzureUSGovernmentCloud", "AzureChinaCloud", "AzureGermanCloud"} {
			t.Run(identity+" "+cloud, func(t *testing.T) {
				d := load(t, fmt.Sprintf(conf, cloud, identity))
				who.Cloud, who.Tenant, who.Permitted = cloud, tenant, true
				own, other := who, who
				own.Vault, own.Files = "contoso-aidbox", map[string]string{"client-secret": "client-secret", "a.b_c": "idp-key"}
				other.Vault, other.Files = "Fabrikam", map[string]string{"other": "client-secret"}
				got := map[string]read{}
				for _, class := range classes(t, d) {
					got[class.Name] = readBy(t, class.Spec.Parameters)
				}
				want := map[string]read{"aidbox-azure-secrets": own, "aidbox-azure-secrets-fabrikam": other}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		}
	}
}

func load(t *testing.T, text string) *config.Delivery {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secretctl.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}

func classes(t *testing.T, d *config.Delivery) (all []csiv1.SecretProviderClass) {
	t.Helper()
	objects, err := render.Objects(d, keyvault.NewProvider(azure.Access{}), render.Options{Only: []string{"SecretProviderClass"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		var class csiv1.SecretProviderClass
		if err := sigsyaml.UnmarshalStrict(o.YAML, &class); err != nil {
			t.Fatal(err)
		}
		if class.Spec.Provider != "azure" || strings.Contains(string(o.YAML), "\t") {
			t.Errorf("provider %s", class.Spec.Provider)
		}
		all = append(all, class)
	}
	return all
}

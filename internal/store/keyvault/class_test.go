package keyvault

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

var provider = NewProvider(azure.Access{})

func classDelivery(identity, clientID string) *config.Delivery {
	return &config.Delivery{
		Name: "aidbox", Provider: config.ProviderAzure,
		Azure:   &config.Azure{KeyVault: "kv", TenantID: "t", Cloud: "AzurePublicCloud", Identity: config.Identity{Type: identity, ClientID: clientID}},
		Secrets: []config.Secret{{Name: "file", ObjectName: "object", KeyVault: "kv"}},
	}
}

func TestClassIsComparedByItsMeaning(t *testing.T) {
	const objects = "array:\n  - |\n    objectName: object\n    objectType: secret\n    objectAlias: file\n"
	kubelet := classDelivery(config.IdentityKubelet, "c")
	storetest.CompareClasses(t, provider, dialect, kubelet, storetest.ClassRows{
		{"as rendered", nil, "", ""},
		{"another style", []string{"objects", objects}, "", ""},
		{"the older key of the tenant", []string{"tenantID", "", "tenantId", "t"}, "", ""},
		{"defaults left out", []string{"cloudName", "", "usePodIdentity", ""}, "", ""},
		{"another case", []string{"keyvaultName", "KV"}, "", ""},
		{"another Key Vault", []string{"keyvaultName", "x"}, `parameter keyvaultName is "x"`, ""},
		{"both identities", []string{"clientID", "c"}, `parameter clientID is "c", not ""`, ""},
		{"pinned", []string{"objects", objects + "    objectVersion: \"1\"\n"}, "stops rotation", ""},
		{"one version", []string{"objects", objects + "    objectVersionHistory: 1\n    objectFormat: PEM\n"}, "", ""},
		{"several versions", []string{"objects", objects + "    objectVersionHistory: 3\n"}, "objectVersionHistory is 3, which makes a folder of versions", ""},
		{"another format", []string{"objects", objects + "    objectFormat: pfx\n"}, "objectFormat is pfx, not pem", ""},
		{"encoded", []string{"objects", objects + "    objectEncoding: hex\n"}, "encoding is hex, not utf-8", ""},
		{"a list of maps", []string{"objects", "array:\n  - objectName: object\n"}, "cannot be read", ""},
		{"an object that is no map", []string{"objects", "array:\n  - object\n"}, "object 0: ", ""},
		{"a key", []string{"objects", strings.ReplaceAll(objects, ": secret", ": key")}, `objectType is "key"`, ""},
		{"another object", []string{"objects", strings.ReplaceAll(objects, ": object", ": other")}, `objectName is "other"`, ""},
		{"a key of Vault's", []string{"objects", objects + "    encoding: utf-8\n"}, "", "does not know the key encoding"},
	})
	unknown := classDelivery(config.IdentityKubelet, "")
	unknown.Azure.TenantID = "" // which nobody has looked up
	storetest.CompareClasses(t, provider, dialect, unknown, storetest.ClassRows{
		{"nothing known", []string{"tenantID", "other", "userAssignedIdentityID", "other"}, "", ""},
		{"nothing known, and wrong", []string{"clientID", "c"}, `parameter clientID is "c", not ""`, ""},
	})
	for _, identity := range []string{config.IdentityAddon, config.IdentityNode} {
		storetest.CompareClasses(t, provider, dialect, classDelivery(identity, "c"), storetest.ClassRows{
			{identity, nil, "", ""},
			{identity + ", of another", []string{"userAssignedIdentityID", "x"}, `parameter userAssignedIdentityID is "x", not "c"`, ""},
		})
	}
	storetest.CompareClasses(t, provider, dialect, classDelivery(config.IdentityWorkload, "c"), storetest.ClassRows{
		{"workload", nil, "", ""},
		{"identity binding", []string{"useAzureTokenProxy", "true"}, `parameter useAzureTokenProxy is "true"`, ""},
		{"workload, as the nodes", []string{"useVMManagedIdentity", "true"}, `parameter useVMManagedIdentity is "true"`, ""},
	})
}

func TestClassHasTheTypeAndEncodingThatTheConfigSays(t *testing.T) {
	d := classDelivery(config.IdentitySystem, "")
	d.Secrets[0].ObjectEncoding = config.EncodingHex
	const objects = "array:\n  - |\n    objectName: object\n    objectType: secret\n    objectAlias: file\n"
	storetest.CompareClasses(t, provider, dialect, d, storetest.ClassRows{
		{"as rendered", nil, "", ""},
		{"as wanted", []string{"objects", objects + "    objectEncoding: hex\n"}, "", ""},
		{"left out", []string{"objects", objects}, "encoding is utf-8, not hex", ""},
	})
	d.Secrets[0] = config.Secret{Name: "name", File: "file", ObjectName: "object", KeyVault: "kv", ObjectType: config.ObjectCert}
	storetest.CompareClasses(t, provider, dialect, d, storetest.ClassRows{
		{"a certificate", nil, "", ""},
		{"its secret", []string{"objects", objects}, `objectType is "secret", not cert`, ""},
	})
	if got := provider.StatusID(d.Secrets[0]); got != "cert/object" {
		t.Error(got)
	}
}

func TestClassesAreReadBack(t *testing.T) {
	kept := func(d config.Delivery) config.Delivery {
		d.Name = ""
		d.Secrets = slices.Clone(d.Secrets)
		d.Secrets[0].KeyVault = "" // the delivery's own
		return d
	}
	for identity, clientID := range map[string]string{config.IdentityKubelet: "c", config.IdentityWorkload: "c", config.IdentitySystem: ""} {
		d := classDelivery(identity, clientID)
		storetest.ReadClassesBack(t, provider, dialect, d, kept)
		d.Secrets = append(d.Secrets, config.Secret{Name: `o"d\d`, ObjectName: "ä", KeyVault: "Fabrikam"})
		storetest.ReadClassesBack(t, provider, dialect, d, kept)
	}
}

func TestClassThatNoDeliveryCanHaveIsRefused(t *testing.T) {
	for says, parameters := range map[string][]string{
		"objects":                               {"objects", "{"},
		"identity":                              {"useVMManagedIdentity", "false", "userAssignedIdentityID", ""},
		"identity binding (useAzureTokenProxy)": {"useAzureTokenProxy", "true"},
		"is a storage":                          {"objects", "array:\n  - |\n    objectName: x\n    objectType: storage\n"},
	} {
		live := storetest.Live(classes(classDelivery(config.IdentityKubelet, "c"))[0], dialect)
		for i := 0; i < len(parameters); i += 2 {
			live.Parameters[parameters[i]] = parameters[i+1]
		}
		if err := read(live, &config.Delivery{}); !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	d := classDelivery(config.IdentityKubelet, "c")
	live := storetest.Live(classes(d)[0], dialect)
	live.Parameters["tenantID"] = "other"
	if err := read(live, d); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("two tenants: %v", err)
	}
}

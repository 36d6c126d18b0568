package keyvault

import (
	"cmp"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
	secretsstorev1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

const (
	defaultCloud    = "AzurePublicCloud"
	identityBinding = "useAzureTokenProxy" // of AKS; its tokens have another audience
)

// classes returns a SecretProviderClass for each Key Vault of the delivery.
func classes(d *config.Delivery) []store.Class {
	var all []store.Class
	for _, name := range d.KeyVaults() {
		class := store.Class{Name: d.ClassName(name), Provider: config.ProviderAzure, Parameters: []store.Parameter{
			{Name: "keyvaultName", Value: name},
			{Name: "tenantID", Value: d.Azure.TenantID},
			{Name: "cloudName", Value: d.Azure.Cloud},
			{Name: "usePodIdentity", Value: "false"},
			{Name: "useVMManagedIdentity", Value: fmt.Sprint(!isWorkload(d))},
		}}
		if d.Azure.TenantID == "" {
			class.Unknown = append(class.Unknown, "tenantID")
		}
		if kind := d.Azure.Identity.Type; kind != config.IdentitySystem {
			who := "userAssignedIdentityID" // without it the provider silently uses another identity
			if kind == config.IdentityWorkload {
				who = "clientID"
			}
			class.Parameters = append(class.Parameters, store.Parameter{Name: who, Value: d.Azure.Identity.ClientID})
			if d.Azure.Identity.ClientID == "" {
				class.Unknown = append(class.Unknown, who)
			}
		}
		for _, s := range d.Secrets {
			if d.ClassName(s.KeyVault) != class.Name {
				continue
			}
			object := store.Object{{Name: "objectName", Value: s.ObjectName}, {Name: "objectType", Value: s.KeyVaultType()}, {Name: "objectAlias", Value: s.FileName()}}
			if s.StoredEncoding() != config.EncodingUTF8 {
				object = append(object, store.Parameter{Name: "objectEncoding", Value: s.StoredEncoding()})
			}
			class.Secrets, class.Objects = append(class.Secrets, s), append(class.Objects, object)
		}
		all = append(all, class)
	}
	return all
}

var dialect = store.Dialect{
	Parameters: []string{"clientID", "cloudName", "keyvaultName", "tenantID", identityBinding, "useVMManagedIdentity", "usePodIdentity", "userAssignedIdentityID"},
	Parameter: func(parameters map[string]string, name string) string {
		value := strings.TrimSpace(parameters[name])
		switch name {
		case "keyvaultName": // whose case does not matter
			return strings.ToLower(value)
		case "tenantID":
			return cmp.Or(value, strings.TrimSpace(parameters["tenantId"]))
		case "cloudName":
			return cmp.Or(value, defaultCloud)
		case "usePodIdentity", "useVMManagedIdentity", identityBinding:
			return cmp.Or(value, "false")
		}
		return value
	},
	Keys:    []string{"objectName", "objectType", "objectAlias", "objectVersion", "objectVersionHistory", "objectFormat", "objectEncoding", "filePermission"},
	Objects: objects,
	Text: func(objects []store.Object) string {
		text := new(strings.Builder)
		text.WriteString("array:\n")
		for _, o := range objects {
			text.WriteString("  - |\n" + o.YAML("    ", "    "))
		}
		return text.String()
	},
	File:    func(object store.Fields) string { return cmp.Or(object["objectAlias"], object["objectName"]) },
	Differs: differs,
}

// objects reads the parameter objects: a list of strings, each of them an object in YAML.
func objects(text string) ([]store.Fields, error) {
	var list struct {
		Array []string `yaml:"array"`
	}
	if err := yaml.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	all := make([]store.Fields, len(list.Array))
	for i, item := range list.Array {
		if err := yaml.Unmarshal([]byte(item), &all[i]); err != nil {
			return nil, fmt.Errorf("object %d: %w", i, err)
		}
	}
	return all, nil
}

func differs(wanted store.Object, got store.Fields) string {
	want := store.Values(wanted)
	encoding, must := cmp.Or(got["objectEncoding"], config.EncodingUTF8), cmp.Or(want["objectEncoding"], config.EncodingUTF8)
	switch {
	case encoding != must:
		return fmt.Sprintf("encoding is %s, not %s, which changes the value", encoding, must)
	case got["objectName"] != want["objectName"]:
		return fmt.Sprintf("objectName is %q, not %q", got["objectName"], want["objectName"])
	case got["objectType"] != want["objectType"]:
		return fmt.Sprintf("objectType is %q, not %s", got["objectType"], want["objectType"])
	case got["objectVersion"] != "":
		return "objectVersion is pinned, which stops rotation"
	}
	return otherFile(got)
}

// otherFile says why the provider makes more than one file, or one in another format; "" if
// it does not.
func otherFile(object store.Fields) string {
	switch history, format := cmp.Or(object["objectVersionHistory"], "0"), cmp.Or(object["objectFormat"], "pem"); {
	case history != "0" && history != "1":
		return "objectVersionHistory is " + history + ", which makes a folder of versions"
	case !strings.EqualFold(format, "pem"):
		return "objectFormat is " + format + ", not pem"
	}
	return ""
}

// read is the inverse of classes. It is called for one class after the other.
func read(live secretsstorev1.SecretProviderClassSpec, d *config.Delivery) error {
	all, err := objects(live.Parameters["objects"])
	if err != nil {
		return store.Invalid("parameter objects: " + hint.OneLine(err.Error()))
	}
	parameter := func(name string) string { return dialect.Parameter(live.Parameters, name) }
	name := strings.TrimSpace(live.Parameters["keyvaultName"])
	section := config.Azure{KeyVault: name, TenantID: parameter("tenantID"), Cloud: parameter("cloudName")}
	switch {
	case parameter(identityBinding) == "true":
		return store.Invalid("uses identity binding (" + identityBinding + "), which secretctl does not support")
	case parameter("clientID") != "":
		section.Identity = config.Identity{Type: config.IdentityWorkload, ClientID: parameter("clientID")}
	case parameter("userAssignedIdentityID") != "":
		section.Identity = config.Identity{Type: config.IdentityKubelet, ClientID: parameter("userAssignedIdentityID")}
	case parameter("useVMManagedIdentity") == "true":
		section.Identity = config.Identity{Type: config.IdentitySystem}
	default:
		return store.Invalid("has an identity of a type that secretctl does not support")
	}
	if d.Azure == nil {
		d.Provider, d.Azure = config.ProviderAzure, new(section)
	}
	if section.KeyVault = d.Azure.KeyVault; section != *d.Azure {
		return store.Invalid("has another tenant or identity than the SecretProviderClass before it")
	}
	if name == d.Azure.KeyVault {
		name = "" // the delivery's own
	}
	for _, o := range all {
		if why := otherFile(o); why != "" {
			return store.Invalid(fmt.Sprintf("object %s: %s, which secretctl does not support", o["objectName"], why))
		}
		s := config.Secret{Name: dialect.File(o), ObjectName: o["objectName"], KeyVault: name, ObjectEncoding: o["objectEncoding"]}
		switch o["objectType"] {
		case config.ObjectSecret:
		case config.ObjectCert, config.ObjectKey:
			s.ObjectType = o["objectType"]
		default:
			return store.Invalid(fmt.Sprintf("object %s: is a %s, which is not supported", o["objectName"], o["objectType"]))
		}
		d.Secrets = append(d.Secrets, s)
	}
	return nil
}

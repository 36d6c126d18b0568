package verify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	secretsstorev1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"

	"github.com/secretctl/secretctl/internal/config"
)

// class is a SecretProviderClass of the delivery: that of one Key Vault, or the
// one of all secrets.
type class struct {
	name, keyVault string
	secrets        []config.Secret
}

func classesOf(d *config.Delivery) (classes []class) {
	for _, s := range d.Secrets {
		name := d.ClassName(s.KeyVault)
		at := slices.IndexFunc(classes, func(c class) bool { return c.name == name })
		if at < 0 {
			at = len(classes)
			classes = append(classes, class{name: name, keyVault: s.KeyVault})
		}
		classes[at].secrets = append(classes[at].secrets, s)
	}
	return classes
}

// compare says what of a SecretProviderClass does not mean what the delivery
// means, and what is odd but does no harm. A default that is left out means what
// it means when it is written.
func (c class) compare(d *config.Delivery, spec secretsstorev1.SecretProviderClassSpec) (wrong, odd []string) {
	if string(spec.Provider) != d.Provider {
		return []string{fmt.Sprintf("provider is %s, not %s", spec.Provider, d.Provider)}, nil
	}
	want := c.parameters(d)
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if got := parameter(spec.Parameters, key); got != want[key] {
			wrong = append(wrong, fmt.Sprintf("%s is %q, not %q", key, got, want[key]))
		}
	}
	got, more, err := classObjects(d, spec.Parameters["objects"])
	if err != nil {
		return append(wrong, "parameter objects cannot be read, so nothing is mounted: "+err.Error()), nil
	}
	odd = append(odd, more...)
	for _, secret := range c.secrets {
		object, named := got[secret.Name]
		delete(got, secret.Name)
		switch where := object.differs(d, secret); {
		case !named:
			wrong = append(wrong, "no object makes the file "+secret.Name)
		case where != "":
			wrong = append(wrong, secret.Name+": "+where)
		}
	}
	if len(got) > 0 {
		odd = append(odd, "also "+strings.Join(slices.Sorted(maps.Keys(got)), ", "))
	}
	return wrong, odd
}

// parameters returns what the parameters must come to, "" for what must not be
// there. What the config leaves to be looked up, and was not, is none of them.
func (c class) parameters(d *config.Delivery) map[string]string {
	if d.Provider == config.ProviderVault {
		return map[string]string{
			"roleName": d.Vault.Role, "vaultAddress": strings.TrimRight(d.Vault.CSIAddress, "/"), "vaultNamespace": d.Vault.Namespace,
			"vaultKubernetesMountPath": d.Vault.AuthMount, "audience": d.Vault.Audience,
		}
	}
	want := map[string]string{
		"keyvaultName": strings.ToLower(cmp.Or(c.keyVault, d.Azure.KeyVault)), "cloudName": d.Azure.Cloud,
		"usePodIdentity": "false", "useVMManagedIdentity": "true", "userAssignedIdentityID": "", "clientID": "",
	}
	who := ""
	switch d.Azure.Identity.Type {
	case config.IdentityKubelet:
		who = "userAssignedIdentityID"
	case config.IdentityWorkload:
		who, want["useVMManagedIdentity"] = "clientID", "false"
	}
	for key, value := range map[string]string{"tenantID": d.Azure.TenantID, who: d.Azure.Identity.ClientID} {
		if want[key] = value; value == "" {
			delete(want, key)
		}
	}
	return want
}

// parameter returns a parameter, or what the provider takes it for when it is
// left out.
func parameter(parameters map[string]string, key string) string {
	value := strings.TrimSpace(parameters[key])
	switch key {
	case "vaultKubernetesMountPath":
		return strings.Trim(cmp.Or(value, "kubernetes"), "/")
	case "vaultAddress":
		return strings.TrimRight(value, "/")
	case "keyvaultName": // whose case does not matter
		return strings.ToLower(value)
	case "tenantID":
		return cmp.Or(value, parameters["tenantId"])
	case "cloudName":
		return cmp.Or(value, "AzurePublicCloud")
	case "usePodIdentity", "useVMManagedIdentity":
		return cmp.Or(value, "false")
	}
	return value
}

// classObject is one object of either provider.
type classObject struct {
	ObjectName string `yaml:"objectName"`

	SecretPath string `yaml:"secretPath"`
	SecretKey  string `yaml:"secretKey"`
	Encoding   string `yaml:"encoding"`

	ObjectType     string `yaml:"objectType"`
	ObjectAlias    string `yaml:"objectAlias"`
	ObjectVersion  string `yaml:"objectVersion"`
	ObjectEncoding string `yaml:"objectEncoding"`

	FilePermission any            `yaml:"filePermission"`
	Other          map[string]any `yaml:",inline"`
}

// differs says in what an object is not what the secret wants.
func (o classObject) differs(d *config.Delivery, s config.Secret) string {
	encoding := cmp.Or(o.Encoding, o.ObjectEncoding, "utf-8")
	switch {
	case encoding != "utf-8":
		return "encoding is " + encoding + ", which changes the value"
	case d.Provider == config.ProviderAzure && o.ObjectName != s.ObjectName:
		return fmt.Sprintf("objectName is %q, not %q", o.ObjectName, s.ObjectName)
	case d.Provider == config.ProviderAzure && o.ObjectType != "secret":
		return fmt.Sprintf("objectType is %q, not secret", o.ObjectType)
	case o.ObjectVersion != "":
		return "objectVersion is pinned, which stops rotation"
	case d.Provider == config.ProviderAzure:
		return ""
	}
	path := strings.Trim(strings.TrimPrefix(strings.TrimPrefix(o.SecretPath, "/"), "v1/"), "/")
	switch {
	case path == d.Vault.KVMount+"/"+s.Path:
		return fmt.Sprintf("secretPath %q lacks the data/ of KV version 2: %s", o.SecretPath, d.DataPath(s))
	case path != d.DataPath(s):
		return fmt.Sprintf("secretPath is %q, not %q", o.SecretPath, d.DataPath(s))
	case o.SecretKey == "":
		return "has no secretKey, so the file is Vault's whole answer and new on every fetch"
	case o.SecretKey != s.Key:
		return fmt.Sprintf("secretKey is %q, not %q", o.SecretKey, s.Key)
	}
	return ""
}

// classObjects reads the objects as the provider does, by the name of the file
// that each makes. Keys that the provider drops without a word are odd.
func classObjects(d *config.Delivery, text string) (byFile map[string]classObject, odd []string, err error) {
	var list []classObject
	if d.Provider == config.ProviderAzure {
		list, err = azureObjects(text)
	} else {
		err = yaml.Unmarshal([]byte(text), &list)
	}
	if err != nil {
		return nil, nil, err
	}
	byFile = map[string]classObject{}
	for _, o := range list {
		file := o.ObjectName
		if d.Provider == config.ProviderAzure {
			file = cmp.Or(o.ObjectAlias, o.ObjectName)
		}
		for _, key := range slices.Sorted(maps.Keys(o.Other)) {
			odd = append(odd, fmt.Sprintf("%s: the provider does not know the key %s and ignores it", file, key))
		}
		byFile[file] = o
	}
	return byFile, odd, nil
}

// azureObjects reads a list of texts, each of which is an object.
func azureObjects(text string) ([]classObject, error) {
	var outer struct {
		Array []string `yaml:"array"`
	}
	if err := yaml.Unmarshal([]byte(text), &outer); err != nil {
		return nil, err
	}
	var list []classObject
	for _, item := range outer.Array {
		var o classObject
		if err := yaml.Unmarshal([]byte(item), &o); err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

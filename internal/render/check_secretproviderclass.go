package render

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	spcv1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"

	"github.com/secretctl/secretctl/internal/config"
)

// The objects as each provider reads them. Keys that it would drop silently, as
// it does a misspelt one, are errors here.
type (
	vaultObject struct {
		ObjectName     string `yaml:"objectName"`
		SecretPath     string `yaml:"secretPath"`
		SecretKey      string `yaml:"secretKey"`
		FilePermission int32  `yaml:"filePermission"`
		Encoding       string `yaml:"encoding"`
	}
	azureObject struct {
		ObjectName     string `yaml:"objectName"`
		ObjectType     string `yaml:"objectType"`
		ObjectAlias    string `yaml:"objectAlias"`
		ObjectVersion  string `yaml:"objectVersion"`
		ObjectEncoding string `yaml:"objectEncoding"`
		FilePermission string `yaml:"filePermission"`
	}
)

func (v *view) checkSecretProviderClass(o *spcv1.SecretProviderClass) error {
	if err := differs("spec.provider", string(o.Spec.Provider), v.Provider); err != nil {
		return err
	}
	want, err := v.parameters()
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if err := differs("parameter "+key, o.Spec.Parameters[key], want[key]); err != nil {
			return err
		}
	}
	got, err := v.mounted(o.Spec.Parameters["objects"])
	if err != nil {
		return fmt.Errorf("parameter objects: %w", err)
	}
	return v.checkMounted(got)
}

// parameters returns what the provider's parameters must be, "" for what must
// not be there.
func (v *view) parameters() (map[string]string, error) {
	if v.Provider == config.ProviderVault {
		return map[string]string{
			"roleName":                 v.Vault.Role,
			"vaultAddress":             v.Vault.CSIAddress,
			"vaultNamespace":           v.Vault.Namespace,
			"vaultKubernetesMountPath": v.Vault.AuthMount,
			"audience":                 v.Vault.Audience,
		}, nil
	}
	want := map[string]string{
		"keyvaultName": v.Azure.KeyVault, "tenantID": v.Azure.TenantID, "cloudName": v.Azure.Cloud,
		"usePodIdentity": "false", "useVMManagedIdentity": "true", "userAssignedIdentityID": "", "clientID": "",
	}
	identity := v.Azure.Identity
	switch identity.Type {
	case config.IdentityKubelet:
		want["userAssignedIdentityID"] = identity.ClientID
	case config.IdentityWorkload:
		want["useVMManagedIdentity"], want["clientID"] = "false", identity.ClientID
	case config.IdentitySystem:
		return want, nil
	default:
		return nil, fmt.Errorf("identity type %q is none that the provider has", identity.Type)
	}
	if identity.ClientID == "" {
		// Without one the provider takes another identity, and does not say so.
		return nil, fmt.Errorf("identity type %s has no client ID", identity.Type)
	}
	return want, nil
}

// mounted reads the objects parameter as the provider does.
func (v *view) mounted(objects string) ([]viewSecret, error) {
	if v.Provider == config.ProviderVault {
		return vaultMounted(objects)
	}
	return azureMounted(objects)
}

func vaultMounted(text string) (got []viewSecret, err error) {
	if values, ok := quotedValues(text, "- objectName: ", "  secretPath: ", "  secretKey: "); ok {
		for o := range slices.Chunk(values, 3) {
			got = append(got, viewSecret{Name: o[0], Path: o[1], Key: o[2]})
		}
		return got, nil
	}
	var objects []vaultObject
	if err := strict(text).Decode(&objects); err != nil && !errors.Is(err, io.EOF) {
		return nil, oneLine(err)
	}
	for _, o := range objects {
		got = append(got, viewSecret{Name: o.ObjectName, Path: o.SecretPath, Key: o.SecretKey})
	}
	return got, nil
}

func azureMounted(text string) (got []viewSecret, err error) {
	const name, alias = "  - |\n    objectName: ", "    objectType: secret\n    objectAlias: "
	inner, array := strings.CutPrefix(text, "array:\n")
	if values, ok := quotedValues(inner, name, alias); ok && array {
		for o := range slices.Chunk(values, 2) {
			got = append(got, viewSecret{ObjectName: o[0], Name: o[1]})
		}
		return got, nil
	}
	var list struct {
		Array []string `yaml:"array"`
	}
	if err := strict(text).Decode(&list); err != nil && !errors.Is(err, io.EOF) {
		return nil, oneLine(err)
	}
	for i, item := range list.Array {
		var o azureObject
		if err := strict(item).Decode(&o); err != nil {
			return nil, fmt.Errorf("object %d: %w", i, oneLine(err))
		}
		if o.ObjectVersion != "" {
			return nil, fmt.Errorf("object %q has a version, which stops its rotation", o.ObjectName)
		}
		if o.ObjectType != "secret" {
			return nil, fmt.Errorf("object %q has type %q, and must have secret", o.ObjectName, o.ObjectType)
		}
		got = append(got, viewSecret{Name: o.ObjectAlias, ObjectName: o.ObjectName})
	}
	return got, nil
}

// quotedValues returns the values of a text that is the given prefixes over and
// over, each with a value in double quotes and nothing to unescape in it. That is
// the form of the embedded templates, and for thousands of objects this is ten
// times as fast as reading YAML, which is what is left for every other form.
func quotedValues(text string, prefixes ...string) (values []string, ok bool) {
	for text != "" {
		rest, begins := strings.CutPrefix(text, prefixes[len(values)%len(prefixes)]+`"`)
		value, after, ends := strings.Cut(rest, "\"\n")
		if !begins || !ends || strings.ContainsFunc(value, needsYAML) {
			return nil, false
		}
		values, text = append(values, value), after
	}
	return values, len(values) > 0 && len(values)%len(prefixes) == 0
}

func needsYAML(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }

func strict(text string) *yaml.Decoder {
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	return d
}

// checkMounted compares the objects with the secrets, one by one and in order.
func (v *view) checkMounted(got []viewSecret) error {
	if len(got) != len(v.Secrets) {
		return fmt.Errorf("parameter objects: has %d objects, and the delivery %d secrets", len(got), len(v.Secrets))
	}
	for i, want := range v.Secrets {
		if v.Provider == config.ProviderVault {
			want.ObjectName = ""
		} else {
			want.Path, want.Key = "", ""
		}
		if got[i] != want {
			return fmt.Errorf("parameter objects: object %d is not secret %q of the delivery: %+v", i, want.Name, got[i])
		}
	}
	return nil
}

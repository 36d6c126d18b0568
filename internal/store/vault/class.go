package vault

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"go.yaml.in/yaml/v3"
	secretsstorev1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

// defaultAuthMount is where the provider logs in by default.
const defaultAuthMount = "kubernetes"

// classes returns the one SecretProviderClass of the delivery.
func classes(d *config.Delivery) []store.Class {
	class := store.Class{
		Name: d.SecretProviderClassName(), Provider: config.ProviderVault, Secrets: d.Secrets,
		Parameters: []store.Parameter{{Name: "roleName", Value: d.Vault.Role}},
	}
	add := func(name, value string) {
		if value != "" {
			class.Parameters = append(class.Parameters, store.Parameter{Name: name, Value: value})
		}
	}
	if !d.Vault.ByAgent() {
		add("vaultAddress", d.Vault.CSIAddress)
	}
	add("vaultNamespace", d.Vault.Namespace)
	add("vaultKubernetesMountPath", d.Vault.AuthMount)
	add("audience", d.Vault.Audience)
	add("vaultCACertPath", d.Vault.CSICACertPath)
	add("vaultCADirectory", d.Vault.CSICADirectory)
	add("vaultTLSServerName", d.Vault.CSITLSServerName)
	if d.Vault.CSISkipTLSVerify {
		add("vaultSkipTLSVerify", "true")
	}
	for _, s := range d.Secrets {
		object := store.Object{{Name: "objectName", Value: s.FileName()}, {Name: "secretPath", Value: d.DataPath(s)}, {Name: "secretKey", Value: s.Key}}
		if s.StoredEncoding() != config.EncodingUTF8 {
			object = append(object, store.Parameter{Name: "encoding", Value: s.StoredEncoding()})
		}
		class.Objects = append(class.Objects, object)
	}
	return []store.Class{class}
}

var dialect = store.Dialect{
	Parameters: []string{
		"audience", "roleName", "vaultAddress", "vaultCACertPath", "vaultCADirectory", "vaultKubernetesMountPath", "vaultNamespace",
		"vaultSkipTLSVerify", "vaultTLSServerName",
	},
	Parameter: func(parameters map[string]string, name string) string {
		value := strings.TrimSpace(parameters[name])
		switch name {
		case "vaultKubernetesMountPath": // which has another name too
			return strings.Trim(cmp.Or(value, strings.TrimSpace(parameters["vaultAuthMountPath"]), defaultAuthMount), "/")
		case "vaultAddress":
			return strings.TrimRight(value, "/")
		case "vaultSkipTLSVerify":
			return cmp.Or(value, "false")
		}
		return value
	},
	Keys: []string{"objectName", "secretPath", "secretKey", "method", "secretArgs", "filePermission", "encoding"},
	Objects: func(text string) (objects []store.Fields, err error) {
		return objects, yaml.Unmarshal([]byte(text), &objects)
	},
	Text: func(objects []store.Object) string {
		var text strings.Builder
		for _, o := range objects {
			text.WriteString(o.YAML("- ", "  "))
		}
		return text.String()
	},
	File:    func(object store.Fields) string { return object["objectName"] },
	Differs: differs,
}

// differs is [store.Dialect.Differs].
func differs(wanted store.Object, got store.Fields) string {
	want := store.Values(wanted)
	isPath := apiPath(got["secretPath"])
	encoding, must := cmp.Or(got["encoding"], config.EncodingUTF8), cmp.Or(want["encoding"], config.EncodingUTF8)
	switch {
	case encoding != must:
		return fmt.Sprintf("encoding is %s, not %s, which changes the value", encoding, must)
	case isPath == strings.Replace(want["secretPath"], "/data/", "/", 1):
		return fmt.Sprintf("secretPath is %q, without the data/ of KV version 2: %s", got["secretPath"], want["secretPath"])
	case isPath != want["secretPath"]:
		return fmt.Sprintf("secretPath is %q, not %q", got["secretPath"], want["secretPath"])
	case got["secretKey"] == "":
		return "has no secretKey, so the file is Vault's whole response and changes on every fetch"
	case got["secretKey"] != want["secretKey"]:
		return fmt.Sprintf("secretKey is %q, not %q", got["secretKey"], want["secretKey"])
	}
	return otherRequest(got)
}

// apiPath returns a secretPath without the start that the provider adds where it is missing.
func apiPath(secretPath string) string {
	return strings.Trim(strings.TrimPrefix(strings.TrimPrefix(secretPath, "/"), "v1/"), "/")
}

// otherRequest says why the provider does more than read the path; "" if it does not.
func otherRequest(object store.Fields) string {
	if method := cmp.Or(object["method"], http.MethodGet); method != http.MethodGet {
		return fmt.Sprintf("method is %q, not GET", method)
	}
	if _, found := object["secretArgs"]; found {
		return "has secretArgs, which change the request"
	}
	return ""
}

// read is the inverse of classes. It leaves alone what the class does not have, such as
// the name of the policy. It is called for one class after the other.
func read(live secretsstorev1.SecretProviderClassSpec, d *config.Delivery) error {
	objects, err := dialect.Objects(live.Parameters["objects"])
	if err != nil {
		return store.Invalid("parameter objects: " + hint.OneLine(err.Error()))
	}
	parameter := func(name string) string { return dialect.Parameter(live.Parameters, name) }
	if parameter("vaultTLSClientCertPath") != "" {
		return store.Invalid("has a client certificate (vaultTLSClientCertPath), which secretctl does not support")
	}
	section := config.Vault{
		Role:      strings.ToLower(parameter("roleName")), // as Vault does
		Namespace: parameter("vaultNamespace"), Audience: parameter("audience"),
		CSIAddress: cmp.Or(parameter("vaultAddress"), config.CSIAgent), AuthMount: parameter("vaultKubernetesMountPath"),
		CSICACertPath: parameter("vaultCACertPath"), CSICADirectory: parameter("vaultCADirectory"),
		CSITLSServerName: parameter("vaultTLSServerName"), CSISkipTLSVerify: parameter("vaultSkipTLSVerify") == "true",
	}
	if d.Vault == nil {
		d.Provider, d.Vault = config.ProviderVault, new(section)
	}
	v := d.Vault
	if section.KVMount = v.KVMount; section != *v {
		return store.Invalid("has another address, role or namespace than the SecretProviderClass before it")
	}
	for _, o := range objects {
		mount, path, isV2 := strings.Cut(apiPath(o["secretPath"]), "/data/")
		switch {
		case !isV2 || o["secretKey"] == "":
			return store.Invalid(fmt.Sprintf("object %s: is not a key in a KV engine of version 2", o["objectName"]))
		case otherRequest(o) != "":
			return store.Invalid(fmt.Sprintf("object %s: %s, which secretctl does not support", o["objectName"], otherRequest(o)))
		case v.KVMount != "" && v.KVMount != mount:
			return store.Invalid(fmt.Sprintf("object %s: is in the KV mount %s, others are in %s", o["objectName"], mount, v.KVMount))
		}
		v.KVMount = mount
		d.Secrets = append(d.Secrets, config.Secret{Name: o["objectName"], Path: path, Key: o["secretKey"], Encoding: o["encoding"]})
	}
	return nil
}

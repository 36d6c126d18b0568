package vault

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

func classDelivery() *config.Delivery {
	return &config.Delivery{
		Name: "aidbox", Provider: config.ProviderVault,
		Vault:   &config.Vault{CSIAddress: "http://vault.default:8200", KVMount: "secret", AuthMount: "kubernetes", Role: "aidbox"},
		Secrets: []config.Secret{{Name: "client-secret", Path: "aidbox/client", Key: "client-secret"}},
	}
}

func TestClassIsComparedByItsMeaning(t *testing.T) {
	objects := func(text string) []string { return []string{"objects", text} }
	storetest.CompareClasses(t, Provider, dialect, classDelivery(), storetest.ClassRows{
		{"as rendered", nil, "", ""},
		{"another role", []string{"roleName", "other"}, `parameter roleName is "other", not "aidbox"`, ""},
		{"an audience", []string{"audience", "x"}, `parameter audience is "x", not ""`, ""},
		{"another mount", []string{"vaultKubernetesMountPath", "k8s"}, `parameter vaultKubernetesMountPath is "k8s"`, ""},
		{"the default mount left out", []string{"vaultKubernetesMountPath", ""}, "", ""},
		{"another mount, by its other name", []string{"vaultKubernetesMountPath", "", "vaultAuthMountPath", "k8s"}, `parameter vaultKubernetesMountPath is "k8s"`, ""},
		{"a slash behind the address", []string{"vaultAddress", "http://vault.default:8200/"}, "", ""},
		{"another address", []string{"vaultAddress", "http://x"}, `parameter vaultAddress is "http://x"`, ""},
		{"a CA", []string{"vaultCACertPath", "/ca"}, `parameter vaultCACertPath is "/ca", not ""`, ""},
		{"a folder of CAs", []string{"vaultCADirectory", "/ca"}, `parameter vaultCADirectory is "/ca", not ""`, ""},
		{"another server", []string{"vaultTLSServerName", "x"}, `parameter vaultTLSServerName is "x", not ""`, ""},
		{"no verification", []string{"vaultSkipTLSVerify", "true"}, `parameter vaultSkipTLSVerify is "true", not "false"`, ""},
		{"verification", []string{"vaultSkipTLSVerify", "false"}, "", ""},
		{"the agent", []string{"vaultAddress", ""}, `parameter vaultAddress is "", not "http://vault.default:8200"`, ""},
		{"not YAML", objects("{"), "nothing is mounted", ""},
		{"no objects", objects(""), "no object makes the file client-secret", ""},
		{"another style", objects("- {objectName: client-secret, secretPath: /v1/secret/data/aidbox/client/, secretKey: client-secret}"), "", ""},
		{"without data", objects("- {objectName: client-secret, secretPath: secret/aidbox/client, secretKey: client-secret}"), "without the data/", ""},
		{"another path", objects("- {objectName: client-secret, secretPath: secret/data/x, secretKey: client-secret}"), `secretPath is "secret/data/x"`, ""},
		{"the whole answer", objects("- {objectName: client-secret, secretPath: secret/data/aidbox/client}"), "no secretKey", ""},
		{"another key", objects("- {objectName: client-secret, secretPath: secret/data/aidbox/client, secretKey: x}"), `secretKey is "x"`, ""},
		{"encoded", objects("- {objectName: client-secret, secretPath: secret/data/aidbox/client, secretKey: client-secret, encoding: hex}"), "encoding is hex, not utf-8", ""},
		{"a key twice", objects("- {objectName: client-secret, objectName: client-secret}"), "mapping key \"objectName\" already defined", ""},
		{"a text", objects("- client-secret"), "is not an object with keys", ""},
		{"a file twice", objects("- {objectName: client-secret}\n- {objectName: client-secret, secretPath: secret/data/aidbox/client, secretKey: client-secret}"), "several objects make the file client-secret", ""},
		{"a misspelt key", objects("- {objectName: client-secret, secretPath: secret/data/aidbox/client, secretKey: client-secret, filePermissions: 0640}"), "", "does not know the key filePermissions"},
		{"GET said", objects("- {objectName: client-secret, secretPath: secret/data/aidbox/client, secretKey: client-secret, method: GET}"), "", ""},
		{"another method", objects("- {objectName: client-secret, secretPath: secret/data/aidbox/client, secretKey: client-secret, method: PUT}"), `method is "PUT", not GET`, ""},
		{"arguments", objects("- {objectName: client-secret, secretPath: secret/data/aidbox/client, secretKey: client-secret, secretArgs: {version: 1}}"), "has secretArgs, which change the request", ""},
		{"another file", objects("- {objectName: client-secret, secretPath: secret/data/aidbox/client, secretKey: client-secret}\n- {objectName: more}"), "", "also more"},
	})
}

func TestClassHasTheEncodingThatTheConfigSays(t *testing.T) {
	d := classDelivery()
	d.Secrets[0].Encoding = config.EncodingHex
	object := func(more string) []string {
		return []string{"objects", "- {objectName: client-secret, secretPath: secret/data/aidbox/client, secretKey: client-secret" + more + "}"}
	}
	storetest.CompareClasses(t, Provider, dialect, d, storetest.ClassRows{
		{"as rendered", nil, "", ""},
		{"as wanted", object(", encoding: hex"), "", ""},
		{"another", object(", encoding: base64"), "encoding is base64, not hex", ""},
		{"left out", object(""), "encoding is utf-8, not hex", ""},
	})
}

func TestClassIsReadBack(t *testing.T) {
	kept := func(d config.Delivery) config.Delivery {
		d.Name = ""
		return d
	}
	d := classDelivery()
	storetest.ReadClassesBack(t, Provider, dialect, d, kept)
	d.Vault.Namespace, d.Vault.Audience, d.Vault.AuthMount, d.Vault.KVMount = "admin/clinic", "vault", "k8s/prod", "kv/team"
	d.Vault.CSICACertPath, d.Vault.CSICADirectory, d.Vault.CSITLSServerName, d.Vault.CSISkipTLSVerify = "/ca/ca.crt", "/ca", "vault", true
	d.Secrets = append(d.Secrets, config.Secret{Name: `o"d\d`, Path: "ä b", Key: "#\t1", Encoding: config.EncodingBase64})
	storetest.ReadClassesBack(t, Provider, dialect, d, kept)
}

func TestClassNamesNoAddressWhereTheAgentHasIt(t *testing.T) {
	d := classDelivery()
	d.Vault.CSIAddress = config.CSIAgent
	if got, named := store.Values(classes(d)[0].Parameters)["vaultAddress"]; named {
		t.Errorf("vaultAddress is %q", got)
	}
	storetest.ReadClassesBack(t, Provider, dialect, d, func(d config.Delivery) config.Delivery {
		d.Name = ""
		return d
	})
}

func TestClassHasTheNameOfTheFile(t *testing.T) {
	d := classDelivery()
	d.Secrets[0].File = "key.json"
	if got := dialect.File(store.Values(classes(d)[0].Objects[0])); got != "key.json" {
		t.Error(got)
	}
	if got := Provider.StatusID(d.Secrets[0]); got != "key.json" {
		t.Error(got)
	}
}

// The provider adds v1/ only where it is missing, and Vault ignores the case of a role.
func TestClassIsReadAsTheProviderTakesIt(t *testing.T) {
	live := storetest.Live(classes(classDelivery())[0], dialect)
	live.Parameters["roleName"] = "Records-Reader"
	delete(live.Parameters, "vaultKubernetesMountPath")
	live.Parameters["vaultAuthMountPath"] = "k8s-eu"
	live.Parameters["objects"] = "- {objectName: a, secretPath: /v1/kv/data/records/a, secretKey: k}"
	var d config.Delivery
	if err := read(live, &d); err != nil || d.Vault.Role != "records-reader" || d.Vault.AuthMount != "k8s-eu" || d.Vault.KVMount != "kv" || d.Secrets[0].Path != "records/a" {
		t.Errorf("%v, %+v, %+v", err, d.Vault, d.Secrets)
	}
}

func TestClassesOfSeveralVaultsAreNoDelivery(t *testing.T) {
	for name, value := range map[string]string{"vaultAddress": "https://other:8200", "roleName": "other", "vaultNamespace": "other"} {
		var d config.Delivery
		first, second := storetest.Live(classes(classDelivery())[0], dialect), storetest.Live(classes(classDelivery())[0], dialect)
		if err := errors.Join(read(first, &d), read(second, &d)); err != nil {
			t.Error(err)
		}
		second.Parameters[name] = value
		if err := read(second, &d); !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), "has another address, role or namespace") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClassThatNoDeliveryCanHaveIsRefused(t *testing.T) {
	for text, says := range map[string]string{
		"{": "objects",
		"- {objectName: a, secretPath: secret/a, secretKey: k}":                                                        "KV engine of version 2",
		"- {objectName: a, secretPath: secret/data/a}":                                                                 "KV engine of version 2",
		"- {objectName: a, secretPath: x/data/a, secretKey: k}\n- {objectName: b, secretPath: y/data/a, secretKey: k}": "is in the KV mount y, others are in x",
	} {
		live := storetest.Live(classes(classDelivery())[0], dialect)
		live.Parameters["objects"] = text
		if err := read(live, &config.Delivery{}); !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
	live := storetest.Live(classes(classDelivery())[0], dialect)
	live.Parameters["vaultTLSClientCertPath"] = "/vault/tls/client.crt"
	if err := read(live, &config.Delivery{}); !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), "client certificate") {
		t.Error(err)
	}
}

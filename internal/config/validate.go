package config

import (
	"fmt"
	"maps"
)

// choices returns the keys that take one of a few words, and the words.
func choices() map[string][]string {
	all := map[string][]string{
		"apiVersion":               {APIVersion},
		"provider":                 Providers(),
		"aidbox.scopeFormat":       {ScopeReferences, ScopeObject},
		"resources[].type":         resourceTypeNames,
		"resources[].accessPolicy": {AccessAllow},
	}
	for _, p := range providerTable() {
		maps.Copy(all, p.choices)
	}
	return all
}

// validate reports what could not work in a delivery, taken by itself.
func (doc *document) validate() {
	d, root := doc.delivery, doc.root
	root.key("apiVersion").require(d.APIVersion, oneOf(APIVersion))
	root.key("name").check(d.Name, dnsLabel)
	root.key("namespace").check(d.Namespace, dnsLabel)
	root.key("mountPath").check(d.MountPath, mountPath)
	of, known := d.provider()
	if root.key("provider").require(d.Provider, oneOf(Providers()...)); known {
		doc.validateProvider(of)
	}
	doc.validateAidbox()
	doc.validateSecrets()
	doc.validateResources()
	if len(doc.problems) > 0 {
		return
	}
	if size := len(d.VaultConfig()); size > MaxVaultConfig {
		root.key("secrets").report(fmt.Sprintf("make a vault config of %d bytes, and a ConfigMap holds %d", size, MaxVaultConfig),
			"split the delivery: several documents, each with its own name")
	}
}

func (doc *document) validateAidbox() {
	a, at := doc.delivery.Aidbox, doc.root.key("aidbox")
	at.checkAll([]written{
		{"url", a.URL, aidboxAddress},
		{"scopeFormat", a.ScopeFormat, oneOf(ScopeReferences, ScopeObject)},
		{"deployment", a.Deployment, deploymentName},
		{"serviceAccount", a.ServiceAccount, dnsName},
		{"image", a.Image, image},
		{"probe", a.Probe, probe},
	})
	if *a.Replicas < 0 {
		at.key("replicas").report("is below 0", "write 0 or more")
	}
	if a.Port < 1 || a.Port > 65535 {
		at.key("port").report("is not between 1 and 65535", "such as 8080")
	}
	at.key("admin").key("client").check(a.Admin.Client, fhirID)
	source := at.key("admin").key("secret")
	source.checkSource(a.Admin.Secret)
	if a.Admin.Secret.Generate != nil {
		source.key("generate").report("gives no secret that Aidbox knows", "name where it is: env, file or stdin")
	}
	for i, e := range a.Env {
		name := at.key("env").item(i).key("name")
		switch e.Name {
		case "":
			name.report("is missing", "each variable has one")
		case "AIDBOX_VAULT_CONFIG", "BOX_VAULT_CONFIG":
			name.report("is a variable that secretctl sets itself", "remove it")
		}
	}
}

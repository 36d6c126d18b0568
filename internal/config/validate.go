package config

import (
	"fmt"
	"slices"
)

// choices has the keys that take one of a few words.
var choices = map[string][]string{
	"apiVersion":               {APIVersion},
	"provider":                 {ProviderVault, ProviderAzure},
	"vault.policyScope":        {PolicyExact, PolicyPrefix},
	"azure.cloud":              {"AzurePublicCloud", "AzureUSGovernmentCloud", "AzureChinaCloud", "AzureGermanCloud"},
	"azure.identity.type":      {IdentityKubelet, IdentityWorkload, IdentitySystem},
	"aidbox.scopeFormat":       {ScopeReferences, ScopeObject},
	"resources[].type":         {"Client", "IdentityProvider", "TokenIntrospector", "AidboxTopicDestination"},
	"resources[].accessPolicy": {AccessAllow},
}

var (
	apiVersions  = oneOf(choices["apiVersion"]...)
	providers    = oneOf(choices["provider"]...)
	policyScopes = oneOf(choices["vault.policyScope"]...)
	clouds       = oneOf(choices["azure.cloud"]...)
	identities   = oneOf(choices["azure.identity.type"]...)
	scopeFormats = oneOf(choices["aidbox.scopeFormat"]...)
)

// Providers returns the stores that there are.
func Providers() []string { return slices.Clone(choices["provider"]) }

// validate reports what could not work in a delivery, taken by itself.
func (doc *document) validate() {
	d, root := doc.delivery, doc.root
	root.key("apiVersion").require(d.APIVersion, apiVersions)
	root.key("name").check(d.Name, dnsLabel)
	root.key("namespace").check(d.Namespace, dnsLabel)
	root.key("mountPath").check(d.MountPath, mountPath)
	if root.key("provider").require(d.Provider, providers) {
		doc.validateProvider()
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

func (doc *document) validateProvider() {
	d, root := doc.delivery, doc.root
	other := map[string]string{ProviderVault: ProviderAzure, ProviderAzure: ProviderVault}[d.Provider]
	if section := root.key(other); section.node != nil {
		section.report("is not for this provider", "remove it, or change provider")
	}
	if d.Provider == ProviderVault {
		doc.validateVault()
	} else {
		doc.validateAzure()
	}
}

func (doc *document) validateVault() {
	v, at := doc.delivery.Vault, doc.root.key("vault")
	at.checkAll([]written{
		{"address", v.Address, address},
		{"csiAddress", v.CSIAddress, address},
		{"namespace", v.Namespace, kvPath},
		{"kvMount", v.KVMount, kvPath},
		{"authMount", v.AuthMount, kvPath},
		{"role", v.Role, vaultName},
		{"policy", v.Policy, vaultName},
		{"policyScope", v.PolicyScope, policyScopes},
		{"tokenTTL", v.TokenTTL, duration},
		{"kubernetesHost", v.KubernetesHost, address},
	})
	if v.Policy == "root" || v.Policy == "default" { // it may follow from the role
		at.key("policy").report("is a policy that Vault keeps for itself", "set vault.policy to another name")
	}
}

func (doc *document) validateAzure() {
	a, at := doc.delivery.Azure, doc.root.key("azure")
	at.key("keyVault").require(a.KeyVault, keyVault)
	at.checkAll([]written{
		{"tenantID", a.TenantID, uuid},
		{"cloud", a.Cloud, clouds},
		{"subscriptionID", a.SubscriptionID, uuid},
		{"resourceGroup", a.ResourceGroup, azureGroup},
		{"location", a.Location, azureLocation},
		{"cluster", a.Cluster, azureCluster},
	})
	identity := at.key("identity")
	identity.key("type").check(a.Identity.Type, identities)
	clientID := identity.key("clientID")
	switch {
	case a.Identity.Type == IdentityWorkload && a.Identity.ClientID == "" && (a.SubscriptionID == "" || a.ResourceGroup == ""):
		clientID.report("is missing", "write it, or azure.subscriptionID and azure.resourceGroup, with which it is looked up")
	case a.Identity.Type == IdentitySystem && clientID.node != nil && a.Identity.ClientID != "":
		clientID.report("is not for a system-assigned identity, which has none", "remove it, or change identity.type")
	default:
		clientID.check(a.Identity.ClientID, uuid)
	}
}

func (doc *document) validateAidbox() {
	a, at := doc.delivery.Aidbox, doc.root.key("aidbox")
	at.checkAll([]written{
		{"url", a.URL, aidboxAddress},
		{"scopeFormat", a.ScopeFormat, scopeFormats},
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

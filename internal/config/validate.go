package config

import "fmt"

var (
	providers    = oneOf(ProviderVault, ProviderAzure)
	policyScopes = oneOf(PolicyExact, PolicyPrefix)
	identities   = oneOf(IdentityKubelet, IdentityWorkload, IdentitySystem)
	scopeFormats = oneOf(ScopeReferences, ScopeObject)
	clouds       = oneOf("AzurePublicCloud", "AzureUSGovernmentCloud", "AzureChinaCloud", "AzureGermanCloud")
	apiVersions  = oneOf(APIVersion)
)

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
	at.key("address").check(v.Address, address)
	at.key("csiAddress").check(v.CSIAddress, address)
	at.key("namespace").check(v.Namespace, kvPath)
	at.key("kvMount").check(v.KVMount, kvPath)
	at.key("authMount").check(v.AuthMount, kvPath)
	at.key("role").check(v.Role, vaultName)
	at.key("policy").check(v.Policy, vaultName)
	at.key("policyScope").check(v.PolicyScope, policyScopes)
	at.key("tokenTTL").check(v.TokenTTL, duration)
	at.key("kubernetesHost").check(v.KubernetesHost, address)
	if v.Policy == "root" || v.Policy == "default" { // it may follow from the role
		at.key("policy").report("is a policy that Vault keeps for itself", "set vault.policy to another name")
	}
}

func (doc *document) validateAzure() {
	a, at := doc.delivery.Azure, doc.root.key("azure")
	at.key("keyVault").require(a.KeyVault, keyVault)
	at.key("tenantID").check(a.TenantID, uuid)
	at.key("cloud").check(a.Cloud, clouds)
	at.key("subscriptionID").check(a.SubscriptionID, uuid)
	at.key("resourceGroup").check(a.ResourceGroup, azureGroup)
	at.key("location").check(a.Location, azureLocation)
	at.key("cluster").check(a.Cluster, azureCluster)
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
	at.key("url").check(a.URL, aidboxAddress)
	at.key("scopeFormat").check(a.ScopeFormat, scopeFormats)
	at.key("deployment").check(a.Deployment, deploymentName)
	at.key("serviceAccount").check(a.ServiceAccount, dnsName)
	at.key("image").check(a.Image, image)
	at.key("probe").check(a.Probe, probe)
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

package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ProviderAzure is Azure Key Vault.
const ProviderAzure = "azure"

// The values of azure.identity.type.
const (
	IdentityKubelet  = "kubelet"
	IdentityWorkload = "workload"
	IdentitySystem   = "system"
	IdentityAddon    = "addon" // of AKS's add-on for Key Vault
	IdentityNode     = "node"  // another identity of the nodes
)

// The values of secrets[].objectType.
const (
	ObjectSecret = "secret"
	ObjectCert   = "cert"
	ObjectKey    = "key"
)

var azureChoices = map[string][]string{
	"secrets[].objectType":     {ObjectSecret, ObjectCert, ObjectKey},
	"secrets[].objectEncoding": encodings,
	"azure.cloud":              {"AzurePublicCloud", "AzureUSGovernmentCloud", "AzureChinaCloud", "AzureGermanCloud"},
	"azure.identity.type":      {IdentityKubelet, IdentityWorkload, IdentitySystem, IdentityAddon, IdentityNode},
}

var azureProvider = provider{
	name:           ProviderAzure,
	secretKeys:     []string{"keyVault", "expiresIn", "objectType", "objectEncoding"},
	choices:        azureChoices,
	setDefaults:    setAzureDefaults,
	validate:       validateAzure,
	validateSecret: validateAzureSecret,
	// Key Vault ignores the case of names.
	stored: func(d *Delivery, s Secret) string {
		return strings.ToLower(cmp.Or(s.KeyVault, d.Azure.KeyVault) + "/" + s.ObjectName)
	},
	claim:       claimAzure,
	provisioned: provisionedInAzure,
}

// Azure is the Key Vault that holds the secrets, and the identity that reads them.
type Azure struct {
	KeyVault       string   `json:"keyVault"`
	TenantID       string   `json:"tenantID,omitempty"`
	Cloud          string   `json:"cloud,omitempty"`
	Identity       Identity `json:"identity"`
	SubscriptionID string   `json:"subscriptionID,omitempty"`
	ResourceGroup  string   `json:"resourceGroup,omitempty"`
	Location       string   `json:"location,omitempty"`
	Cluster        string   `json:"cluster,omitempty"`
}

// Identity is the identity with which the CSI provider reads the Key Vault.
type Identity struct {
	Type     string `json:"type,omitempty"`
	ClientID string `json:"clientID,omitempty"`
}

func setAzureDefaults(d *Delivery) {
	if d.Azure == nil {
		d.Azure = &Azure{}
	}
	d.Azure.Cloud = cmp.Or(d.Azure.Cloud, "AzurePublicCloud")
	d.Azure.Identity.Type = cmp.Or(d.Azure.Identity.Type, IdentityKubelet)
	for i := range d.Secrets {
		s := &d.Secrets[i]
		s.ObjectName = cmp.Or(s.ObjectName, s.Name)
		s.KeyVault = cmp.Or(s.KeyVault, d.Azure.KeyVault)
	}
}

// KeyVaults returns the Key Vaults that hold the secrets, in the order of the secrets, each
// once, whatever the case.
func (d *Delivery) KeyVaults() []string {
	var vaults []string
	for _, s := range d.Secrets {
		name := cmp.Or(s.KeyVault, d.Azure.KeyVault)
		if !slices.ContainsFunc(vaults, func(v string) bool { return strings.EqualFold(v, name) }) {
			vaults = append(vaults, name)
		}
	}
	return vaults
}

// VaultSuffix is appended to the names of the folder and the SecretProviderClass of a Key
// Vault. For azure.keyVault it is "".
func (d *Delivery) VaultSuffix(keyVault string) string {
	if keyVault == "" || d.Azure == nil || strings.EqualFold(keyVault, d.Azure.KeyVault) {
		return ""
	}
	return "-" + strings.ToLower(keyVault)
}

// KeyVaultType returns the objectType of a secret.
func (s Secret) KeyVaultType() string { return cmp.Or(s.ObjectType, ObjectSecret) }

// MountFolder returns the folder of the container that holds a secret's file. A mount has
// the secrets of one Key Vault, so each further Key Vault has a folder beside mountPath.
func (d *Delivery) MountFolder(s Secret) string { return d.MountPath + d.VaultSuffix(s.KeyVault) }

// ClassName returns the name of the rendered SecretProviderClass for a Key Vault.
func (d *Delivery) ClassName(keyVault string) string {
	return d.SecretProviderClassName() + d.VaultSuffix(keyVault)
}

// WorkloadIdentity returns the client id that the pod's ServiceAccount is bound to; "" if
// the identity is not of type workload.
func (d *Delivery) WorkloadIdentity() string {
	if d.Azure == nil || d.Azure.Identity.Type != IdentityWorkload {
		return ""
	}
	return d.Azure.Identity.ClientID
}

// ManagedIdentityName returns the name of the identity that provisioning creates for
// workload identity if the config names none.
func (d *Delivery) ManagedIdentityName() string { return d.Name + "-azure-secrets" }

// RotateIdentityName is ManagedIdentityName for the rotate job.
func (d *Delivery) RotateIdentityName() string { return d.ManagedIdentityName() + rotateSuffix }

// Subject returns the subject of the tokens of a ServiceAccount in the delivery's namespace.
func (d *Delivery) Subject(account string) string {
	return "system:serviceaccount:" + d.Namespace + ":" + account
}

// Lifetime returns how long a version of the secret is valid; 0 for ever.
func (s Secret) Lifetime() time.Duration {
	lifetime, _ := parseLifetime(s.ExpiresIn)
	return lifetime
}

// maxObjectName is how long the name of a Key Vault secret may be.
const maxObjectName = 127

var (
	keyVault      = like(`[A-Za-z][-A-Za-z0-9]{1,22}[A-Za-z0-9]`, "must be the name of a Key Vault", "3 to 24 letters, digits and -, beginning with a letter and not ending in -; not its address")
	objectName    = like(fmt.Sprintf(`[0-9A-Za-z-]{1,%d}`, maxObjectName), "must be the name of a Key Vault secret", "1 to 127 of A-Z, a-z, 0-9 and -")
	azureGroup    = like(`[-\w.()]{1,90}`, "must be the name of a resource group", "at most 90 of A-Z, a-z, 0-9, -, _, ., ( and )")
	azureLocation = like(`[a-z0-9]+`, "must be an Azure location", "such as eastus")
	azureCluster  = like(`\w([-\w]{0,61}\w)?`, "must be the name of an AKS cluster", "at most 63 of A-Z, a-z, 0-9, - and _")
)

func validateAzure(d *Delivery, at *place) {
	a := d.Azure
	at.key("keyVault").require(a.KeyVault, keyVault)
	at.checkAll([]written{
		{"tenantID", a.TenantID, uuid},
		{"cloud", a.Cloud, oneOf(azureChoices["azure.cloud"]...)},
		{"subscriptionID", a.SubscriptionID, uuid},
		{"resourceGroup", a.ResourceGroup, azureGroup},
		{"location", a.Location, azureLocation},
		{"cluster", a.Cluster, azureCluster},
	})
	identity := at.key("identity")
	identity.key("type").check(a.Identity.Type, oneOf(azureChoices["azure.identity.type"]...))
	clientID := identity.key("clientID")
	switch {
	case a.Identity.Type == IdentityWorkload && a.Identity.ClientID == "" && (a.SubscriptionID == "" || a.ResourceGroup == ""):
		clientID.report("is missing", "write it, or azure.subscriptionID and azure.resourceGroup, to look it up")
	case a.Identity.Type == IdentityNode && a.Identity.ClientID == "":
		clientID.report("is missing", "write it: nodes may have several identities; az identity list shows their client ids")
	case a.Identity.Type == IdentitySystem && clientID.node != nil && a.Identity.ClientID != "":
		clientID.report("is not for a system-assigned identity, which has none", "remove it, or change identity.type")
	default:
		clientID.check(a.Identity.ClientID, uuid)
	}
}

func validateAzureSecret(_ *Delivery, s Secret, at *place, named bool) {
	at.key("keyVault").check(s.KeyVault, keyVault)
	at.key("expiresIn").check(s.ExpiresIn, lifetime)
	s.validateEncoding(at, "objectEncoding", s.ObjectEncoding)
	if at.key("objectType").check(s.ObjectType, oneOf(azureChoices["secrets[].objectType"]...)) && s.KeyVaultType() != ObjectSecret {
		for _, key := range []string{"value", "objectEncoding", "expiresIn", "maxAge"} {
			if other := at.key(key); other.node != nil {
				other.report("is only for objectType: secret", "remove it: Key Vault itself makes certificates and keys")
			}
		}
	}
	object := at.key("objectName")
	if message, hint := objectName(s.ObjectName); message != "" && (named || object.node != nil) {
		object.report(message, hint+"; without it, the name is used")
	}
}

// claimAzure claims the Key Vault secrets that a delivery gives a value. A generated value
// never replaces an existing one.
func claimAzure(shared claims, doc *document) {
	for i, s := range doc.delivery.Secrets {
		if !s.Value.IsZero() && s.Value.Generate == nil {
			shared.add(doc.secretAt(i), strings.ToLower(s.KeyVault+"/"+s.ObjectName), []string{doc.delivery.Name},
				"the same Key Vault secret as in %s, and both give it a value", "leave value out in all but one of them")
		}
	}
}

func provisionedInAzure(d *Delivery) []string {
	var all []string
	for _, name := range d.KeyVaults() {
		all = append(all, "key vault\x00"+strings.ToLower(name))
	}
	// Azure accepts one change of an identity at a time. The identity is in the resource
	// group, or has the client id.
	if d.Azure.ResourceGroup != "" {
		all = append(all, "group\x00"+strings.ToLower(d.Azure.SubscriptionID+"/"+d.Azure.ResourceGroup))
	}
	if d.Azure.Identity.ClientID != "" {
		all = append(all, "identity\x00"+strings.ToLower(d.Azure.Identity.ClientID))
	}
	return all
}

// Package config owns the delivery: what the user writes in secretctl.yaml, the
// defaults of what is left out, and every name that follows from it. It refuses
// what could not work, all of it at once, before anything is attempted.
package config

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/secretctl/secretctl/internal/secret"
)

// APIVersion is the only one there is.
const APIVersion = "secretctl.dev/v1"

// The values of provider, aidbox.scopeFormat, vault.policyScope,
// azure.identity.type and a resource's accessPolicy.
const (
	ProviderVault = "vault"
	ProviderAzure = "azure"

	ScopeReferences = "references"
	ScopeObject     = "object"

	PolicyExact  = "exact"
	PolicyPrefix = "prefix"

	IdentityKubelet  = "kubelet"
	IdentityWorkload = "workload"
	IdentitySystem   = "system"

	AccessAllow = "allow"
)

// Delivery is one document of the config file: some secrets, the store they are
// in, and the Aidbox that they go to.
type Delivery struct {
	APIVersion string     `json:"apiVersion"`
	Name       string     `json:"name,omitempty"`
	Provider   string     `json:"provider"`
	Namespace  string     `json:"namespace,omitempty"`
	Context    string     `json:"context,omitempty"` // of the kubeconfig; "" means its current one
	Vault      *Vault     `json:"vault,omitempty"`
	Azure      *Azure     `json:"azure,omitempty"`
	Aidbox     Aidbox     `json:"aidbox"`
	MountPath  string     `json:"mountPath,omitempty"`
	Canary     bool       `json:"canary,omitempty"` // adds a secret and a Client for rotation tests
	Secrets    []Secret   `json:"secrets"`
	Resources  []Resource `json:"resources,omitempty"`
}

// Vault is the HashiCorp Vault that holds the secrets.
type Vault struct {
	Address        string `json:"address,omitempty"`
	CSIAddress     string `json:"csiAddress,omitempty"`
	Namespace      string `json:"namespace,omitempty"`
	KVMount        string `json:"kvMount,omitempty"`
	AuthMount      string `json:"authMount,omitempty"`
	Role           string `json:"role,omitempty"`
	Policy         string `json:"policy,omitempty"`
	PolicyScope    string `json:"policyScope,omitempty"`
	TokenTTL       string `json:"tokenTTL,omitempty"` // as time.ParseDuration reads it
	Audience       string `json:"audience,omitempty"`
	KubernetesHost string `json:"kubernetesHost,omitempty"`
}

// Azure is the Key Vault that holds the secrets, and who may read them.
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

// Identity is what the CSI provider reads the Key Vault as.
type Identity struct {
	Type     string `json:"type,omitempty"`
	ClientID string `json:"clientID,omitempty"`
}

// Aidbox is the FHIR server, and how it is deployed.
type Aidbox struct {
	URL            string                      `json:"url,omitempty"`
	Admin          Admin                       `json:"admin"`
	ScopeFormat    string                      `json:"scopeFormat,omitempty"`
	Deployment     string                      `json:"deployment,omitempty"`
	ServiceAccount string                      `json:"serviceAccount,omitempty"`
	Image          string                      `json:"image,omitempty"`
	Replicas       *int32                      `json:"replicas,omitempty"`
	Port           int32                       `json:"port,omitempty"`
	Probe          string                      `json:"probe,omitempty"`
	Env            []corev1.EnvVar             `json:"env,omitempty"`
	EnvFrom        []corev1.EnvFromSource      `json:"envFrom,omitempty"`
	Resources      corev1.ResourceRequirements `json:"resources"`
}

// Admin is the Client that secretctl acts as.
type Admin struct {
	Client string        `json:"client,omitempty"`
	Secret secret.Source `json:"secret,omitzero"`
}

// Secret is one value in the store, and one file in the mount.
type Secret struct {
	Name       string        `json:"name"`
	Path       string        `json:"path,omitempty"`
	Key        string        `json:"key,omitempty"`
	ObjectName string        `json:"objectName,omitempty"`
	KeyVault   string        `json:"keyVault,omitempty"`
	ExpiresIn  string        `json:"expiresIn,omitempty"` // "90d" or "12h"; see Lifetime
	Scope      []string      `json:"scope"`               // "Type/id" or "Type"
	Value      secret.Source `json:"value,omitzero"`
}

// Resource is an Aidbox resource that refers to secrets.
type Resource struct {
	Type         string            `json:"type"`
	ID           string            `json:"id"`
	Secrets      map[string]string `json:"secrets"` // field path -> secret name
	Body         map[string]any    `json:"body,omitempty"`
	AccessPolicy string            `json:"accessPolicy,omitempty"`
}

// Ref returns "Type/id", as in a FHIR reference.
func (r Resource) Ref() string { return r.Type + "/" + r.ID }

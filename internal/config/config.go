// Package config owns the delivery: what the user writes in secretctl.yaml, the defaults
// of what is left out, and every name that follows from it. It reports everything that
// cannot work at once, before anything is attempted.
package config

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/secretctl/secretctl/internal/secret"
)

// APIVersion is the only version of the config file.
const APIVersion = "secretctl.dev/v1"

// The values of aidbox.scopeFormat, of the workload's kind and managedBy, and of a resource's accessPolicy.
const (
	ScopeReferences = "references"
	ScopeObject     = "object"

	KindDeployment  = "Deployment"
	KindStatefulSet = "StatefulSet"

	RunAsImage         = "image"     // user 1000, as in the Aidbox image
	RunAsCluster       = "cluster"   // a user that the cluster picks, as OpenShift does
	ManagedBySecretctl = "secretctl" // render writes the whole workload
	ManagedByKustomize = "kustomize" // render writes a component that patches it
	ManagedByHelm      = "helm"      // render writes values for the Aidbox chart

	AccessAllow = "allow"
)

// Delivery is one document of the config file: secrets, the store that holds them, and the
// Aidbox that uses them.
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
	RotateJob  *RotateJob `json:"rotateJob,omitempty"`
	Secrets    []Secret   `json:"secrets"`
	Resources  []Resource `json:"resources,omitempty"`

	// From is where the address of each server and the tokenTTL were set, by path:
	// "secretctl.yaml:4", "default", or the flag or variable that overrides the file.
	From map[string]string `json:"-"`
}

// Defaulted reports whether the config leaves out the setting at a path that From has.
func (d *Delivery) Defaulted(path string) bool { return d.From[path] == fromDefault }

// Setting names the setting at a path, and where to change it.
func (d *Delivery) Setting(path string) string {
	switch from := d.From[path]; {
	case from == "" || from == fromDefault:
		return path
	case strings.Contains(from, ":"): // a line of the file
		return from + ": " + path
	default:
		return from
	}
}

// Aidbox is the FHIR server, and how it is deployed.
type Aidbox struct {
	URL            string                      `json:"url,omitempty"`
	Admin          Admin                       `json:"admin"`
	ScopeFormat    string                      `json:"scopeFormat,omitempty"`
	Workload       Workload                    `json:"workload"`
	ServiceAccount string                      `json:"serviceAccount,omitempty"`
	Image          string                      `json:"image,omitempty"`
	RunAs          string                      `json:"runAs,omitempty"`
	Replicas       *int32                      `json:"replicas,omitempty"`
	Port           int32                       `json:"port,omitempty"`
	Probe          string                      `json:"probe,omitempty"`
	Env            []corev1.EnvVar             `json:"env,omitempty"`
	EnvFrom        []corev1.EnvFromSource      `json:"envFrom,omitempty"`
	Resources      corev1.ResourceRequirements `json:"resources"`
}

// Workload is what runs Aidbox in the cluster, and who manages it.
type Workload struct {
	Kind      string `json:"kind,omitempty"`
	Name      string `json:"name,omitempty"`
	Container string `json:"container,omitempty"`
	ManagedBy string `json:"managedBy,omitempty"`
	HelmKey   string `json:"helmKey,omitempty"` // of the Aidbox chart in the values of an umbrella chart
}

// Admin is the Client that secretctl acts as.
type Admin struct {
	Client string        `json:"client,omitempty"`
	Secret secret.Source `json:"secret,omitzero"`
}

// Secret is one value in the store, and one file in the mount.
type Secret struct {
	Name       string `json:"name"`
	Path       string `json:"path,omitempty"`
	Key        string `json:"key,omitempty"`
	ObjectName string `json:"objectName,omitempty"`
	KeyVault   string `json:"keyVault,omitempty"`
	ExpiresIn  string `json:"expiresIn,omitempty"` // "90d" or "12h"; see Lifetime
	File       string `json:"file,omitempty"`      // see FileName
	MaxAge     string `json:"maxAge,omitempty"`    // as ExpiresIn; see DueAfter

	Encoding       string `json:"encoding,omitempty"`       // with Vault
	ObjectType     string `json:"objectType,omitempty"`     // with Key Vault, as is the next
	ObjectEncoding string `json:"objectEncoding,omitempty"` // see InFile

	Scope []string      `json:"scope"` // "Type/id" or "Type"
	Value secret.Source `json:"value,omitzero"`
}

// Resource is an Aidbox resource that refers to secrets.
type Resource struct {
	Type         string            `json:"type"`
	ID           string            `json:"id"`
	Secrets      map[string]string `json:"secrets"` // field path -> secret name
	Body         map[string]any    `json:"body,omitempty"`
	AccessPolicy any               `json:"accessPolicy,omitempty"` // [AccessAllow], the body of one, or nil
}

// Ref returns "Type/id", as in a FHIR reference.
func (r Resource) Ref() string { return r.Type + "/" + r.ID }

package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"
	"strings"
	"time"
)

// The names in this file follow from the delivery, and are computed nowhere else.

const (
	// VaultConfigFile is where the vault config is mounted in the Aidbox container.
	VaultConfigFile = "/etc/aidbox/" + VaultConfigKey
	// VaultConfigKey is its key in the ConfigMap.
	VaultConfigKey = "vault-config.json"

	canaryName = "secretctl-canary"
)

// SecretProviderClassName returns the name of the rendered SecretProviderClass.
func (d *Delivery) SecretProviderClassName() string {
	return d.Name + "-" + d.Provider + "-secrets"
}

// Owner marks what the delivery owns in a shared store.
func (d *Delivery) Owner() string { return d.Namespace + "/" + d.Name }

// maxID is how long an id in FHIR may be.
const maxID = 64

// ScopeClientID returns the id of the Client that verify creates outside every scope and
// deletes again. It is always the same, so that the next run finds a leftover.
func (d *Delivery) ScopeClientID() string {
	return shortName("secretctl-scope-"+d.Namespace+"-"+d.Name, maxID)
}

// shortName replaces the end of a name that is longer than most by a part of its hash.
func shortName(name string, most int) string {
	if len(name) <= most {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:most-9] + "-" + hex.EncodeToString(sum[:4])
}

// ConfigMapName returns the name of the ConfigMap that holds the vault config.
func (d *Delivery) ConfigMapName() string { return d.Name + "-vault-config" }

// Resource returns the API resource of the workload's kind: deployments.
func (w Workload) Resource() string { return strings.ToLower(w.Kind) + "s" }

// String returns the workload as a message names it: Deployment aidbox.
func (w Workload) String() string { return w.Kind + " " + w.Name }

// MountedFile returns the path of a secret's file in the Aidbox container.
func (d *Delivery) MountedFile(s Secret) string { return path.Join(d.MountFolder(s), s.FileName()) }

// FileName returns the name of the secret's file in its folder.
func (s Secret) FileName() string { return cmp.Or(s.File, s.Name) }

// DueAfter returns the age at which a value is due for rotation; 0 for never.
func (s Secret) DueAfter() time.Duration {
	age, _ := parseLifetime(s.MaxAge)
	return age
}

// AccessPolicyID returns the id of the AccessPolicy of a resource with accessPolicy.
func (d *Delivery) AccessPolicyID(r Resource) string {
	body, _ := r.AccessPolicy.(map[string]any)
	id, _ := body["id"].(string)
	return cmp.Or(id, "secretctl-"+r.ID)
}

// CanarySecret returns the name of the secret that canary: true adds, which is also the id
// of its Client.
func (d *Delivery) CanarySecret() string { return canaryName }

// Secret returns the secret with that name.
func (d *Delivery) Secret(name string) (Secret, bool) {
	i := slices.IndexFunc(d.Secrets, func(s Secret) bool { return s.Name == name })
	if i < 0 {
		return Secret{}, false
	}
	return d.Secrets[i], true
}

// InScope reports whether a resource may use the secret: "Type/id" or "Type" is in its scope.
func (s Secret) InScope(resourceType, id string) bool {
	return slices.Contains(s.Scope, resourceType+"/"+id) || slices.Contains(s.Scope, resourceType)
}

// aidboxService is the start of an aidbox.url that leads through the API server.
const aidboxService = "service"

// Service reports whether aidbox.url leads through the API server of the cluster, without a
// port-forward: "service" to a ready pod of the workload, for which name is "", and
// "service/NAME" or "service/NAME:PORT" to a Service. port is a number, a name or "".
func (a Aidbox) Service() (name, port string, ok bool) {
	if a.URL == aidboxService {
		return "", "", true
	}
	rest, ok := strings.CutPrefix(a.URL, aidboxService+"/")
	name, port, _ = strings.Cut(rest, ":")
	return name, port, ok
}

// SplitScope splits "Type/id"; id is "" if the scope is a type.
func SplitScope(scope string) (resourceType, id string) {
	resourceType, id, _ = strings.Cut(scope, "/")
	return resourceType, id
}

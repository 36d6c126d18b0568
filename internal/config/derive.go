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

// The names below follow from the delivery and are computed nowhere else.

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

// Owner is what marks the delivery's own in a store that others share.
func (d *Delivery) Owner() string { return d.Namespace + "/" + d.Name }

// maxID is how long an id in FHIR may be.
const maxID = 64

// ScopeClientID returns the id of the Client that verify makes outside every scope and
// deletes again. It is always the same, so that the next run finds one that was left.
func (d *Delivery) ScopeClientID() string {
	id := "secretctl-scope-" + d.Namespace + "-" + d.Name
	if len(id) <= maxID {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return id[:maxID-9] + "-" + hex.EncodeToString(sum[:4])
}

// ConfigMapName returns the name of the ConfigMap that holds the vault config.
func (d *Delivery) ConfigMapName() string { return d.Name + "-vault-config" }

// Resource returns what the API calls the workload's kind.
func (w Workload) Resource() string { return strings.ToLower(w.Kind) + "s" }

// String returns the workload as a message names it: Deployment aidbox.
func (w Workload) String() string { return w.Kind + " " + w.Name }

// MountedFile returns the path of a secret's file in the Aidbox container.
func (d *Delivery) MountedFile(s Secret) string { return path.Join(d.MountFolder(s), s.FileName()) }

// FileName returns the name of the secret's file in its folder.
func (s Secret) FileName() string { return cmp.Or(s.File, s.Name) }

// DueAfter returns how long after it was written a value is to be rotated; 0 for never.
func (s Secret) DueAfter() time.Duration {
	age, _ := parseLifetime(s.MaxAge)
	return age
}

// AccessPolicyID returns the id of the AccessPolicy of a resource that has
// accessPolicy set.
func (d *Delivery) AccessPolicyID(r Resource) string {
	body, _ := r.AccessPolicy.(map[string]any)
	id, _ := body["id"].(string)
	return cmp.Or(id, "secretctl-"+r.ID)
}

// CanarySecret returns the name of the secret that canary: true adds; the
// Client that uses it has the same id.
func (d *Delivery) CanarySecret() string { return canaryName }

// Secret returns the secret with that name.
func (d *Delivery) Secret(name string) (Secret, bool) {
	i := slices.IndexFunc(d.Secrets, func(s Secret) bool { return s.Name == name })
	if i < 0 {
		return Secret{}, false
	}
	return d.Secrets[i], true
}

// InScope says whether a resource may use the secret: its scope has "Type/id"
// or "Type".
func (s Secret) InScope(resourceType, id string) bool {
	return slices.Contains(s.Scope, resourceType+"/"+id) || slices.Contains(s.Scope, resourceType)
}

// aidboxService is what aidbox.url begins with where Aidbox is reached through the
// API server of its cluster.
const aidboxService = "service"

// Service says whether aidbox.url has Aidbox reached through the API server of its
// cluster, with nothing forwarded by hand: "service" for a ready pod of the
// Deployment, then name is "", or "service/NAME" and "service/NAME:PORT" for one
// that a Service chooses. port is a number or a name; "" where none is given.
func (a Aidbox) Service() (name, port string, ok bool) {
	if a.URL == aidboxService {
		return "", "", true
	}
	rest, ok := strings.CutPrefix(a.URL, aidboxService+"/")
	name, port, _ = strings.Cut(rest, ":")
	return name, port, ok
}

// SplitScope cuts "Type/id" in two; id is "" where the scope names a type alone.
func SplitScope(scope string) (resourceType, id string) {
	resourceType, id, _ = strings.Cut(scope, "/")
	return resourceType, id
}

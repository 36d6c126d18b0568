package config

import (
	"bytes"
	"encoding/json"
	"slices"
)

// MaxVaultConfig is what a ConfigMap holds at most, in bytes.
const MaxVaultConfig = 1 << 20

type vaultConfigEntry struct {
	Path  string `json:"path"`
	Scope any    `json:"scope"`
}

type objectScope struct {
	ResourceType string `json:"resource_type"`
	ID           string `json:"id,omitempty"`
}

// VaultConfig returns the vault config, the JSON file that tells Aidbox which
// file holds each secret and which resources may use it, in the dialect that
// aidbox.scopeFormat names. The same delivery gives the same bytes.
func (d *Delivery) VaultConfig() []byte {
	var out bytes.Buffer
	out.WriteString("{\"secret\": {")
	for i, s := range d.Secrets {
		entry := vaultConfigEntry{Path: d.MountedFile(s), Scope: slices.Clone(s.Scope)}
		if d.Aidbox.ScopeFormat == ScopeObject {
			resourceType, id := SplitScope(s.Scope[0])
			entry.Scope = objectScope{resourceType, id}
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString("\n  ")
		out.Write(asJSON(s.Name))
		out.WriteString(": ")
		out.Write(asJSON(entry))
	}
	out.WriteString("\n}}\n")
	return out.Bytes()
}

// asJSON encodes strings and structs of strings, which cannot fail.
func asJSON(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}

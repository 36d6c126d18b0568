package config

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// MaxConfigMap is the size of the largest ConfigMap, in bytes.
const MaxConfigMap = 1 << 20

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

// VaultConfigEntry is an entry of a vault config, whoever wrote it.
type VaultConfigEntry struct {
	Path        string
	Scope       []string // "Type/id" or "Type", in either dialect
	ScopeFormat string   // the dialect; "" where it is neither
}

// ReadVaultConfig is the inverse of [Delivery.VaultConfig]: it returns the entries by the
// names of their secrets. The error may quote from the text.
func ReadVaultConfig(text []byte) (map[string]VaultConfigEntry, error) {
	var file struct {
		Secret map[string]struct {
			Path  string          `json:"path"`
			Scope json.RawMessage `json:"scope"`
		} `json:"secret"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	entries := map[string]VaultConfigEntry{}
	for name, is := range file.Secret {
		entry := VaultConfigEntry{Path: is.Path}
		var object objectScope
		if json.Unmarshal(is.Scope, &entry.Scope) == nil && entry.Scope != nil {
			entry.ScopeFormat = ScopeReferences
		} else if json.Unmarshal(is.Scope, &object) == nil && object.ResourceType != "" {
			entry.ScopeFormat, entry.Scope = ScopeObject, []string{strings.TrimSuffix(object.ResourceType+"/"+object.ID, "/")}
		}
		entries[name] = entry
	}
	return entries, nil
}

// asJSON encodes strings and structs of strings, which cannot fail.
func asJSON(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}

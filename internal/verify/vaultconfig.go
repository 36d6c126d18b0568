package verify

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// vaultConfigFile is the file as Aidbox reads it. A scope is a list of strings in
// one dialect and an object in the other.
type vaultConfigFile struct {
	Secret map[string]vaultConfigEntry `json:"secret"`
}

type vaultConfigEntry struct {
	Path  string          `json:"path"`
	Scope json.RawMessage `json:"scope"`
}

// compareVaultConfig compares what a vault config means with what the delivery
// means; order and layout do not matter.
func compareVaultConfig(data []byte, d *config.Delivery, clean *secret.Sanitizer) Result {
	var got, want vaultConfigFile
	if err := json.Unmarshal(data, &got); err != nil {
		return Fail("not a vault config: %s", clean.Line(err.Error())).WithHint("replace it with what secretctl render writes")
	}
	if err := json.Unmarshal(d.VaultConfig(), &want); err != nil {
		return Unknown("%v", err)
	}
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(want.Secret)) {
		entry, present := got.Secret[name]
		switch {
		case !present:
			wrong = append(wrong, name+" is missing")
		case dialect(entry.Scope) != dialect(want.Secret[name].Scope):
			return Fail("the scope of %s is written as %s, but aidbox.scopeFormat is %s", name, dialect(entry.Scope), d.Aidbox.ScopeFormat).
				WithHint("set aidbox.scopeFormat to what this Aidbox reads (references: a list of Type/id; object: resource_type and id), then apply what secretctl render writes")
		default:
			wrong = append(wrong, differences(name, entry, want.Secret[name])...)
		}
	}
	if len(wrong) > 0 {
		return Fail("%s", clean.Line(strings.Join(wrong, "; "))).
			WithHint("apply what secretctl render writes; with scopeFormat object, Aidbox reads the file only at start, so restart it")
	}
	var extra []string
	for name := range got.Secret {
		if _, ours := want.Secret[name]; !ours {
			extra = append(extra, name)
		}
	}
	if slices.Sort(extra); len(extra) > 0 {
		return Warn("path and scope of %s match the config, but the file has others: %s", len(want.Secret), clean.Line(strings.Join(extra, ", "))).
			WithHint("add them to the config, or remove them from the file: render replaces the whole file")
	}
	return Pass("path and scope of %s match the config", count(len(want.Secret), "secret"))
}

func differences(name string, got, want vaultConfigEntry) []string {
	var found []string
	if got.Path != want.Path {
		found = append(found, fmt.Sprintf("%s has path %s, not %s", name, got.Path, want.Path))
	}
	if g, w := scopes(got.Scope), scopes(want.Scope); !slices.Equal(g, w) {
		found = append(found, fmt.Sprintf("%s has scope %s, not %s", name, strings.Join(g, " "), strings.Join(w, " ")))
	}
	return found
}

// dialect names the form of a scope, as aidbox.scopeFormat does.
func dialect(scope json.RawMessage) string {
	switch {
	case len(scope) > 0 && scope[0] == '[':
		return config.ScopeReferences
	case len(scope) > 0 && scope[0] == '{':
		return config.ScopeObject
	}
	return "neither a list nor an object"
}

// scopes returns what a scope of either dialect names, as sorted references.
func scopes(scope json.RawMessage) []string {
	var list []string
	if json.Unmarshal(scope, &list) == nil {
		slices.Sort(list)
		return slices.Compact(list)
	}
	var object struct {
		ResourceType string `json:"resource_type"`
		ID           string `json:"id"`
	}
	if err := json.Unmarshal(scope, &object); err != nil {
		return []string{"that cannot be read"}
	}
	return []string{strings.TrimSuffix(object.ResourceType+"/"+object.ID, "/")}
}

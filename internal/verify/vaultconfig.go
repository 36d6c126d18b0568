package verify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// compareVaultConfig compares what a vault config means with what the delivery
// means; order and layout do not matter.
func compareVaultConfig(data []byte, d *config.Delivery, clean *secret.Sanitizer) Result {
	got, err := config.ReadVaultConfig(data)
	if err != nil {
		return Fail("not a vault config: %s", clean.Line(err.Error())).WithHint("replace it with what secretctl render writes")
	}
	want, err := config.ReadVaultConfig(d.VaultConfig())
	if err != nil {
		return Unknown("%v", err)
	}
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		entry, present := got[name]
		switch {
		case !present:
			wrong = append(wrong, name+" is missing")
		case entry.ScopeFormat != want[name].ScopeFormat:
			return Fail("the scope of %s is written as %s, but aidbox.scopeFormat is %s", name, cmp.Or(entry.ScopeFormat, "neither a list of references nor an object"), d.Aidbox.ScopeFormat).
				WithHint("set aidbox.scopeFormat to what this Aidbox reads (references: a list of Type/id; object: resource_type and id), then apply what secretctl render writes")
		default:
			wrong = append(wrong, differences(name, entry, want[name])...)
		}
	}
	if len(wrong) > 0 {
		return Fail("%s", clean.Line(strings.Join(wrong, "; "))).
			WithHint("apply what secretctl render writes; with scopeFormat object, Aidbox reads the file only at start, so restart it")
	}
	var extra []string
	for name := range got {
		if _, ours := want[name]; !ours {
			extra = append(extra, name)
		}
	}
	if slices.Sort(extra); len(extra) > 0 {
		return Warn("path and scope of %s match the config, but the file has others: %s", len(want), clean.Line(strings.Join(extra, ", "))).
			WithHint("add them to the config, or remove them from the file: render replaces the whole file")
	}
	return Pass("path and scope of %s match the config", Count(len(want), "secret"))
}

func differences(name string, got, want config.VaultConfigEntry) []string {
	var found []string
	if got.Path != want.Path {
		found = append(found, fmt.Sprintf("%s has path %s, not %s", name, got.Path, want.Path))
	}
	if g, w := scopes(got.Scope), scopes(want.Scope); !slices.Equal(g, w) {
		found = append(found, fmt.Sprintf("%s has scope %s, not %s", name, strings.Join(g, " "), strings.Join(w, " ")))
	}
	return found
}

func scopes(all []string) []string { return slices.Compact(slices.Sorted(slices.Values(all))) }

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

// compareVaultConfig compares a vault config with the delivery; order and layout do not matter.
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
		got, present := got[name]
		want := want[name]
		gotScope, wantScope := sorted(got.Scope), sorted(want.Scope)
		switch {
		case !present:
			wrong = append(wrong, name+" is missing")
		case got.ScopeFormat != want.ScopeFormat:
			return Fail("the scope of %s is written as %s, but aidbox.scopeFormat is %s", name, cmp.Or(got.ScopeFormat, "neither a list of references nor an object"), d.Aidbox.ScopeFormat).
				WithHint("set aidbox.scopeFormat to what this Aidbox reads (references: a list of Type/id; object: resource_type and id), then apply what secretctl render writes")
		case got.Path != want.Path:
			wrong = append(wrong, fmt.Sprintf("%s has path %s, not %s", name, got.Path, want.Path))
		case !slices.Equal(gotScope, wantScope):
			wrong = append(wrong, fmt.Sprintf("%s has scope %s, not %s", name, strings.Join(gotScope, " "), strings.Join(wantScope, " ")))
		}
	}
	if len(wrong) > 0 {
		return Fail("%s", clean.Line(strings.Join(wrong, "; "))).
			WithHint("apply what secretctl render writes; with scopeFormat object, Aidbox reads the file only at start, so restart it")
	}
	maps.DeleteFunc(got, func(name string, _ config.VaultConfigEntry) bool { _, ours := want[name]; return ours })
	if extra := slices.Sorted(maps.Keys(got)); len(extra) > 0 {
		return Warn("path and scope of %s match the config, but the file has others: %s", Count(len(want), "secret"), clean.Line(strings.Join(extra, ", "))).
			WithHint("add them to the config, or remove them from the file: render replaces the whole file")
	}
	return Pass("path and scope of %s match the config", Count(len(want), "secret"))
}

func sorted(scopes []string) []string { return slices.Compact(slices.Sorted(slices.Values(scopes))) }

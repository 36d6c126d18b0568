package docs_test

import (
	"strings"
	"testing"

	"github.com/secretctl/secretctl/docs"
	"github.com/secretctl/secretctl/internal/verify"
)

func TestEveryCheckHasASectionOfItsOwn(t *testing.T) {
	seen := map[string]string{}
	for _, id := range verify.IDs() {
		section := docs.Check(id)
		if len(section) < 40 || strings.Contains(section, "<a id") || strings.HasPrefix(section, "#") || strings.Contains(section, "\n#") {
			t.Errorf("%s: %q", id, section)
		}
		if other := seen[section]; other != "" {
			t.Errorf("%s has the section of %s", id, other)
		}
		seen[section] = id
	}
	for _, id := range []string{"", "mount", "mount/", "mount-present", "json"} {
		if section := docs.Check(id); section != "" {
			t.Errorf("%q has a section: %s", id, section)
		}
	}
}

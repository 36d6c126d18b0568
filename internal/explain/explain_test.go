package explain_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/explain"
	"github.com/secretctl/secretctl/internal/verify"
)

func TestEveryCheckIsExplainedWithoutMarks(t *testing.T) {
	noise := regexp.MustCompile("`|\\*\\*|(^|\\s)\\*\\S|\\]\\(|<a |\\|-|(?m)^[|#]")
	for _, id := range verify.IDs() {
		section, ok := explain.Section(id)
		text := explain.Text(section)
		if !ok || len(text) < 40 {
			t.Errorf("%s: nothing is said of it: %q", id, text)
		}
		if found := noise.FindString(text); found != "" {
			t.Errorf("%s: %q is in:\n%s", id, found, text)
		}
		for line := range strings.Lines(text) {
			if utf8.RuneCountInString(line) > 81 && strings.Count(strings.TrimLeft(line, "- "), " ") > 0 {
				t.Errorf("%s: a long line: %s", id, line)
			}
		}
	}
}

func TestSectionEndsWhereTheNextBegins(t *testing.T) {
	for _, id := range verify.IDs() {
		if section, _ := explain.Section(id); strings.Contains(section, "\n#") {
			t.Errorf("%s: %s", id, section)
		}
	}
	for _, id := range []string{"", "mount", "mount/", "mount-present", "json"} {
		if section, ok := explain.Section(id); ok {
			t.Errorf("%q is explained: %s", id, section)
		}
	}
}

func TestTextIsWrappedAndPlain(t *testing.T) {
	got := explain.Text("One `a b` and `path/to` of [checks.md](x.md)\nand [`mount/present`](#x), with `true`.\n" +
		"- *Not there:* **look** twice, and then once more, and then again, until it is there,\n  and go on.\n- Second\n\n" +
		"| head | other |\n|---|---|\n| says | `a \\| b` | c |\n\n\nLast.")
	want := `One "a b" and path/to of docs/checks.md and mount/present, with "true".

- Not there: look twice, and then once more, and then again, until it is there,
  and go on.
- Second

- says: "a | b"; c

Last.
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

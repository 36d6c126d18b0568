package verify

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/hint"
)

var everyGroup = []string{"cluster", "store", "aidbox", "workload", "mount", "client", "auth", "scope", "rotation"}

func TestSelectKeepsTheOrderOfTheGroups(t *testing.T) {
	tests := []struct {
		name  string
		names []string
		all   bool
		want  []string
	}{
		{"nothing named", nil, false, []string{"workload", "mount", "client", "auth"}},
		{"all", nil, true, everyGroup},
		{"some and all", []string{"auth"}, true, everyGroup},
		{"a check", []string{"mount/status", "auth"}, false, []string{"mount/status", "auth"}},
		{"a check of a group that is named", []string{"mount/status", "mount"}, false, []string{"mount"}},
		{"in another order, one twice", []string{"rotation", "mount", "rotation"}, false, []string{"mount", "rotation"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Select(tt.names, tt.all)
			must(t, err)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUnknownGroupIsAUsageErrorThatSuggests(t *testing.T) {
	for name, want := range map[string]string{
		"scop":  `did you mean "scope"? groups: ` + strings.Join(everyGroup, ", "),
		"bogus": "groups: " + strings.Join(everyGroup, ", "),

		"mount/presnt": `did you mean "mount/present"? groups: ` + strings.Join(everyGroup, ", "),
	} {
		_, err := Select([]string{"mount", name}, true)
		var usage interface{ Usage() bool }
		if !errors.As(err, &usage) || hint.Of(err) != want || !strings.Contains(err.Error(), `unknown group or check "`+name+`"`) {
			t.Errorf("%s: got %v, hint %q", name, err, hint.Of(err))
		}
	}
}

func TestEveryCheckIsDocumentedAndNothingElse(t *testing.T) {
	page, err := os.ReadFile("../../docs/checks.md")
	must(t, err)
	var documented, declared []string
	for _, m := range regexp.MustCompile(`(?m)^#+ <a id="([a-z-]+)"></a>`).FindAllSubmatch(page, -1) {
		documented = append(documented, manual+"#"+string(m[1]))
	}
	for _, c := range checks {
		declared = append(declared, c.Doc())
		if c.Title == "" || !strings.Contains(string(page), "`"+c.ID+"`") {
			t.Errorf("%s has no title or no heading", c.ID)
		}
	}
	slices.Sort(documented)
	slices.Sort(declared)
	if diff := cmp.Diff(declared, documented); diff != "" {
		t.Error(diff)
	}
	for _, group := range Groups() {
		if !strings.Contains(string(page), "\n## "+group+"\n") {
			t.Errorf("group %s has no section", group)
		}
	}
}

func TestNounsAgreeWithTheirNumber(t *testing.T) {
	if got := Count(0, "file") + Count(1, "file") + Count(2, "file"); got != "0 files1 file2 files" {
		t.Error(got)
	}
}

func TestLongListIsCut(t *testing.T) {
	pods := strings.Fields("a b c d e f g h i j k l")
	if got, want := list(", ", pods), "a, b, c, d, e, f, g, h, i, j, and 2 more"; got != want {
		t.Errorf("got %q", got)
	}
	if got := list(", ", pods[:maxListed]); strings.Contains(got, "more") || len(pods) != 12 || pods[10] != "k" {
		t.Errorf("got %q, pods %q", got, pods)
	}
}

package config

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/secret"
)

// paths returns the path of every key of t and below, but not below a source or
// a Kubernetes type.
func paths(t reflect.Type, prefix string) []string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Slice {
		return paths(t.Elem(), strings.TrimSuffix(prefix, ".")+"[].")
	}
	if t.Kind() != reflect.Struct || strings.HasPrefix(t.PkgPath(), "k8s.io/") || (t == sourceType && prefix != "") {
		return nil
	}
	var all []string
	for name, field := range new(keys).of(t) {
		all = append(all, prefix+name)
		all = append(all, paths(field, prefix+name+".")...)
	}
	return all
}

func TestConfigReferenceNamesEveryKeyAndNoOther(t *testing.T) {
	text, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := strings.Split(string(text), "\n## ")
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")
	for _, section := range []struct {
		title string
		want  []string
	}{
		{"Keys", paths(reflect.TypeFor[Delivery](), "")},
		{"Sources", paths(reflect.TypeFor[secret.Source](), "")},
		{"Fields that refer to a secret", slices.Collect(maps.Keys(fields))},
	} {
		var got []string
		for _, s := range sections {
			if strings.HasPrefix(s, section.title+"\n") {
				for _, m := range row.FindAllStringSubmatch(s, -1) {
					got = append(got, m[1])
				}
			}
		}
		slices.Sort(section.want)
		slices.Sort(got)
		if diff := cmp.Diff(section.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", section.title, diff)
		}
	}
	for _, list := range fields {
		for _, f := range list {
			if !strings.Contains(string(text), "`"+f.Path+"`") {
				t.Errorf("%s is not there", f.Path)
			}
		}
	}
}

func TestConfigReferenceBeginsWithAnExampleThatLoads(t *testing.T) {
	text, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	if got := problems(t, example); len(got) > 0 || example == "" {
		t.Errorf("%s", &Error{got})
	}
}

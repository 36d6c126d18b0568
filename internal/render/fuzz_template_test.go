package render

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/templates"
)

// endless matches templates that may loop for longer than a test can wait: over a large
// number, or by a template that includes itself.
var endless = regexp.MustCompile(`\d{5}|\d_|0[xbo]|\de|template|block`)

// FuzzTemplate replaces one of the templates with any text. The result is the object that
// the delivery describes, or an error of one line that names the template.
func FuzzTemplate(f *testing.F) {
	names := Templates()
	for i, name := range names {
		text, err := templates.FS.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), string(text))
	}
	for i, text := range []string{
		"{{", "{{.Nothing}}", "{{range .Secrets}}{{.Name}}{{end}}", "a: [", "a: {{quote .Name}}\n---\nb: 1", "{{literal -1 .Name}}",
		"{{define \"x\"}}{{end}}", "kind: &a [*a]", "\xff", "{{index .Secrets 9}}", "{{slice .Name 3 1}}", "{{literal 9999 .Name}}",
	} {
		f.Add(uint8(i), text)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		if endless.MatchString(text) {
			t.Skip("loops for long")
		}
		name := names[int(which)%len(names)]
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.Remove(path) }()
		d := vaultDelivery()
		wanted, err := objectsOf(d, Options{With: []string{GroupRBAC}})
		if err != nil {
			t.Fatal(err)
		}
		objects, err := objectsOf(d, Options{With: []string{GroupRBAC}, Templates: dir})
		if err != nil {
			if !isUsage(err) || strings.ContainsAny(err.Error(), "\n\r") || !strings.Contains(err.Error(), name) {
				t.Errorf("%T: %q; hint %q", err, err, hint.Of(err))
			}
			return
		}
		for i, o := range objects {
			w := wanted[i]
			if o.Kind != w.Kind || o.Namespace != w.Namespace || o.Name != w.Name {
				t.Errorf("%s %s/%s is not %s %s/%s", o.Kind, o.Namespace, o.Name, w.Kind, w.Namespace, w.Name)
			}
			var fromJSON any
			if err := json.Unmarshal(o.JSON, &fromJSON); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(numbers(document(t, o.YAML)), numbers(fromJSON)); diff != "" && bytes.IndexByte(o.YAML, '!') < 0 {
				t.Errorf("%s: YAML and JSON differ:\n%s", o.Kind, diff)
			}
		}
	})
}

package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustLoad(t *testing.T, path string) []*Delivery {
	t.Helper()
	deliveries, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return deliveries
}

func loadText(t *testing.T, text string) *Delivery {
	t.Helper()
	deliveries, err := Parse("x.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return deliveries[0]
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExamplesLoad(t *testing.T) {
	for _, path := range []string{"testdata/minimal.yaml", "testdata/vault.yaml", "testdata/azure.yaml"} {
		if got := mustLoad(t, path); len(got) != 1 || got[0].Name != "aidbox" {
			t.Errorf("%s: %d deliveries", path, len(got))
		}
	}
}

func TestFolderIsReadInOrderOfFileAndDocument(t *testing.T) {
	var names []string
	for _, d := range mustLoad(t, "testdata/fleet") {
		names = append(names, d.Name)
	}
	if diff := cmp.Diff([]string{"berlin", "paris", "boston"}, names); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFolderHoldsMoreThanDeliveries(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "# nothing\n---\n"+delivery(""))
	write(t, filepath.Join(dir, ".hidden.yaml"), "a: [")
	write(t, filepath.Join(dir, "README.md"), "a: [")
	if err := os.Mkdir(filepath.Join(dir, "sub.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := mustLoad(t, dir); len(got) != 1 {
		t.Errorf("%d deliveries, want 1", len(got))
	}
}

func TestFilesThatCannotBeReadAreProblems(t *testing.T) {
	dir := t.TempDir()
	broken := t.TempDir()
	if err := os.Symlink("nowhere", filepath.Join(broken, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	empty := write(t, filepath.Join(dir, "empty.yaml"), "# nothing\n---\n...\n\n---\n~\n")
	latin := write(t, filepath.Join(dir, "latin.yaml"), "a: b\nb: \xe9\n")
	control := write(t, filepath.Join(dir, "control.yaml"), "a: \x1b\n")
	wide := write(t, filepath.Join(dir, "wide.yaml"), "a: b\u2028---\nc: d\n")
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	tooLarge := write(t, filepath.Join(t.TempDir(), "large.yaml"), delivery("#"+strings.Repeat("x", maxFile)+"\n"))
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): filepath.Join(dir, "none.yaml") + ": no such file or directory",
		broken:                          filepath.Join(broken, "a.yaml") + ": no such file or directory",
		t.TempDir():                     ": holds no delivery",
		empty:                           empty + ": holds no delivery",
		os.DevNull:                      os.DevNull + ": must be a file or a folder, not a pipe or a device",
		fifo:                            fifo + ": must be a file or a folder, not a pipe or a device",
		filepath.Dir(tooLarge):          tooLarge + ": is larger than 4 MiB",
		latin:                           latin + ":2: has bytes that are not UTF-8 text, or a control character",
		control:                         control + ":1: has bytes that are not UTF-8 text, or a control character",
		wide:                            wide + ":1: has bytes that are not UTF-8 text, or a control character",
	} {
		_, err := Load(path)
		var e *Error
		if !errors.As(err, &e) || len(e.Problems) != 1 || !strings.HasSuffix(err.Error(), want) || e.Problems[0].Hint == "" {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

func TestBrokenYAMLIsReportedWithItsLineAndWithoutItsText(t *testing.T) {
	for text, want := range map[string]string{
		"a: b\n c: d\n":                   "x.yaml:2: is not valid YAML: mapping values are not allowed here",
		"a: b: c\n":                       "x.yaml:1: is not valid YAML: mapping values are not allowed here",
		"a: b\n---\nc: d\ne: *hunter2\n":  "x.yaml:4: is not valid YAML: a value begins with *, as an alias does, and there is no such anchor",
		"a: @hunter2\n":                   "x.yaml:1: is not valid YAML: a value begins with a character that has a meaning in YAML",
		"a:\n\t- hunter2\n":               "x.yaml:2: is not valid YAML: a tab in the indentation",
		"a:\n  b: c\n\td: hunter2\n":      "x.yaml:3: is not valid YAML: a tab in the indentation",
		"{a: b} {c: d}\n":                 "x.yaml:1: is not valid YAML: a bracket, a quote or a key is missing",
		"  a: b\nc: d\n":                  "x.yaml:1: is not valid YAML: a bracket, a quote or a key is missing",
		"apiVersion: hunter2\n":           "x.yaml:1:1: apiVersion: must be secretctl.dev/v1",
		"- hunter2\n":                     "x.yaml:1: expected a mapping, found a list",
		"hunter2\n":                       "x.yaml:1: expected a mapping, found text",
		"a: \"hunter2\\q\"\n":             "x.yaml:1: is not valid YAML: found unknown escape character",
		strings.Repeat("[", 20000) + "\n": "x.yaml:1: is not valid YAML: exceeded max depth of 10000",
		"? {hunter2: a}\n: b\n":           "has a key that is not text",
	} {
		err := &Error{problems(t, text)}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got  %s\nwant %s", err, want)
		}
	}
}

func TestProblemsOfAllDocumentsAndFilesAreListedInOrder(t *testing.T) {
	dir := t.TempDir()
	a := write(t, filepath.Join(dir, "a.yaml"), "\uFEFF# first\r\n---\r\nname: a\r\nvualt: {}\r\nnam: b\r\n"+delivery("")+"---\na: [\n---\n"+delivery("name: B\nmountPath: x\n"))
	b := write(t, filepath.Join(dir, "b.yml"), delivery("provider: x\nname: c\n")+"...\n"+delivery("name: D\n"))
	_, err := Load(dir)
	want := fmt.Sprintf(`%[1]s:4:1: vualt: unknown key
%[1]s:5:1: nam: unknown key
%[1]s:10: is not valid YAML: a bracket, a quote or a key is missing
%[1]s:12:1: name: must be a DNS label
%[1]s:13:1: mountPath: must be the absolute path of a folder
%[2]s:1:1: provider: must be one of: vault, azure
%[2]s:6:1: name: must be a DNS label`, a, b)
	if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestProblemsInsideADocumentNameTheirLine(t *testing.T) {
	got := (&Error{problems(t, `# comment
---
apiVersion: secretctl.dev/v1
provider: vault
secrets:
  - name: a
    scope:
      - Client
      - Patient
  - scope: [Client]
    name: a
resources:
  - type: Client
    id: c
    secrets:
      secret: b
      secert: a
`)}).Error()
	want := `x.yaml:9:9: secrets[0].scope[1]: must be one of: Client, IdentityProvider, TokenIntrospector, AidboxTopicDestination
x.yaml:10:5: secrets[1]: has the same name as secrets[0]
x.yaml:16:7: resources[0].secrets.secret: names no secret of this delivery
x.yaml:17:7: resources[0].secrets.secert: is not a field of this type that takes a secret`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

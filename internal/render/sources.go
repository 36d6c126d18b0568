package render

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/secretctl/secretctl/internal/atomicfile"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/templates"
)

// sources is where templates come from: the user's folder, if there is one, then the
// embedded ones.
type sources string

// Templates returns the names of the embedded templates.
func Templates() []string {
	names, _ := fs.Glob(templates.FS, "*.yaml.tmpl") // fails only for a bad pattern
	return names
}

// newSources refuses a folder with a template that nothing would read, because its name
// is misspelled.
func newSources(own string) (sources, error) {
	if own == "" {
		return "", nil
	}
	entries, err := os.ReadDir(own)
	if err != nil {
		return "", hint.Usage("secretctl templates export makes a folder of templates", "templates: %w", err)
	}
	available, found := "available: "+strings.Join(Templates(), ", "), false
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".tmpl" {
			continue
		}
		if !slices.Contains(Templates(), e.Name()) {
			return "", hint.Usage(available, "templates: unknown template %q", e.Name())
		}
		found = true
	}
	if !found {
		return "", hint.Usage(available, "templates: the folder has none")
	}
	return sources(own), nil
}

// render returns the output of a template for v, if check accepts it. A usage error names
// the template, and the line if there is one.
func (s sources) render(file string, v *view, check func(text []byte) error) ([]byte, error) {
	t, err := s.open(file)
	if err != nil {
		return nil, err
	}
	parsed, err := t.parse()
	if err != nil {
		return nil, t.refuse(err)
	}
	text, err := execute(parsed, v)
	if err != nil {
		return nil, t.refuse(err)
	}
	if err := check(text); err != nil {
		return nil, t.locate(v, text, err)
	}
	return text, nil
}

func (s sources) open(file string) (source, error) {
	if s != "" {
		path := filepath.Join(string(s), file)
		text, err := atomicfile.Read(path)
		if !errors.Is(err, fs.ErrNotExist) {
			return newSource(path, text, true), err
		}
	}
	text, err := templates.FS.ReadFile(file)
	return newSource(file, text, false), err
}

// source is the text of a template.
type source struct {
	path, text string
	own        bool // it is the user's
}

func newSource(path string, text []byte, own bool) source {
	return source{path, strings.ReplaceAll(string(text), "\r\n", "\n"), own}
}

func (t source) parse() (*template.Template, error) {
	return template.New(filepath.Base(t.path)).Option("missingkey=error").Funcs(template.FuncMap{
		"quote": quote, "json": flow, "literal": literal,
	}).Parse(t.text)
}

// execute returns the output of a template, ending in one newline.
func execute(t *template.Template, v *view) ([]byte, error) {
	var out bytes.Buffer
	if err := t.Execute(&out, v); err != nil {
		return nil, err
	}
	return append(bytes.Trim(out.Bytes(), "\n"), '\n'), nil
}

// refuse returns the error of text/template, which begins with the name and the line.
func (t source) refuse(err error) error {
	return t.errorf("%s:%s", t.path, strings.TrimPrefix(oneLine(err).Error(), "template: "+filepath.Base(t.path)+":"))
}

func (t source) errorf(format string, args ...any) error {
	next := ""
	if t.own {
		next = "compare it with secretctl's own: secretctl templates export --dir original " + filepath.Base(t.path)
	}
	return hint.Usage(next, "template "+format, args...)
}

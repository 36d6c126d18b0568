package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	secretsstorev1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
)

// Class is a SecretProviderClass of a delivery.
type Class struct {
	Name       string
	Provider   string
	Parameters []Parameter // in the order in which they are rendered, without "objects"
	Unknown    []string    // parameters whose values Provider.FillIn looks up
	Objects    []Object    // one for each file
	Secrets    []config.Secret
}

// Parameter is a parameter of a SecretProviderClass, or another name and value.
type Parameter struct{ Name, Value string }

// Object is what the provider makes a file of: keys in the order in which they are rendered.
type Object []Parameter

// YAML returns the object as the embedded templates render it: a line for each key, which
// starts with first, or after the first line with rest.
func (o Object) YAML(first, rest string) string {
	var text strings.Builder
	for i, p := range o {
		start := rest
		if i == 0 {
			start = first
		}
		fmt.Fprintf(&text, "%s%s: %+q\n", start, p.Name, p.Value)
	}
	return text.String()
}

// Values returns parameters, or the keys of an object, by name.
func Values(parameters []Parameter) Fields {
	values := make(Fields, len(parameters))
	for _, p := range parameters {
		values[p.Name] = p.Value
	}
	return values
}

// Fields are the keys of an object in a live SecretProviderClass. A key that has no
// scalar, which secretctl never renders, has an empty value.
type Fields map[string]string

// UnmarshalYAML implements [yaml.Unmarshaler].
func (f *Fields) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: is not an object with keys", node.Line)
	}
	var values map[string]yaml.Node
	if err := node.Decode(&values); err != nil {
		return err
	}
	*f = make(Fields, len(values))
	for name, value := range values {
		(*f)[name] = value.Value
	}
	return nil
}

// Dialect is how a provider reads a SecretProviderClass.
type Dialect struct {
	Parameters []string // to compare
	// Parameter returns the value that the provider uses, with its default.
	Parameter func(parameters map[string]string, name string) string

	Keys    []string                             // of an object; the provider ignores others
	Objects func(text string) ([]Fields, error)  // parses the parameter objects
	Text    func(objects []Object) string        // returns it as the embedded template renders it
	File    func(object Fields) string           // the file of an object
	Differs func(want Object, got Fields) string // how an object differs in its meaning, or ""
}

// Compare is [Provider.Compare] for this dialect.
func (dialect Dialect) Compare(want Class, live secretsstorev1.SecretProviderClassSpec) (wrong, odd []string) {
	if string(live.Provider) != want.Provider {
		return []string{fmt.Sprintf("provider is %s, not %s", live.Provider, want.Provider)}, nil
	}
	wanted := Values(want.Parameters)
	for _, name := range dialect.Parameters {
		must, is := dialect.Parameter(wanted, name), dialect.Parameter(live.Parameters, name)
		if is != must && !slices.Contains(want.Unknown, name) {
			wrong = append(wrong, fmt.Sprintf("parameter %s is %.80q, not %.80q", name, is, must))
		}
	}
	// Thousands of objects take longer to parse than everything else to render.
	text := live.Parameters["objects"]
	if text == dialect.Text(want.Objects) {
		return wrong, nil
	}
	objects, err := dialect.Objects(text)
	if err != nil {
		return append(wrong, "parameter objects cannot be read, so nothing is mounted: "+hint.OneLine(err.Error())), nil
	}
	byFile := make(map[string]Fields, len(objects))
	for _, o := range objects {
		file := dialect.File(o)
		if _, twice := byFile[file]; twice {
			wrong = append(wrong, "several objects make the file "+file)
		}
		byFile[file] = o
		for _, key := range slices.Sorted(maps.Keys(o)) {
			if !slices.Contains(dialect.Keys, key) {
				odd = append(odd, fmt.Sprintf("%s: the provider does not know the key %s and ignores it", file, key))
			}
		}
	}
	for _, o := range want.Objects {
		file := dialect.File(Values(o))
		got, found := byFile[file]
		delete(byFile, file)
		if !found {
			wrong = append(wrong, "no object makes the file "+file)
		} else if why := dialect.Differs(o, got); why != "" {
			wrong = append(wrong, file+": "+why)
		}
	}
	if len(byFile) > 0 {
		odd = append(odd, "also "+strings.Join(slices.Sorted(maps.Keys(byFile)), ", "))
	}
	return wrong, odd
}

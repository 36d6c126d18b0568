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
	Parameters []Parameter // without "objects"; in the order in which they are printed
	Unknown    []string    // parameters whose values have to be looked up first, see Provider.FillIn
	Objects    []Object    // one for each file
	Secrets    []config.Secret
}

// Parameter is one of a SecretProviderClass.
type Parameter struct{ Name, Value string }

// Object is what the provider makes a file of, key by key in the order in which
// they are printed.
type Object []Parameter

// YAML returns the object as the embedded templates print it: its keys in lines that
// begin with first and, after the first, with rest.
func (o Object) YAML(first, rest string) string {
	var text strings.Builder
	for i, p := range o {
		begin := rest
		if i == 0 {
			begin = first
		}
		fmt.Fprintf(&text, "%s%s: %+q\n", begin, p.Name, p.Value)
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

// Fields are the keys of an object as YAML has them, each with a scalar.
type Fields map[string]string

// UnmarshalYAML implements [yaml.Unmarshaler].
func (f *Fields) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: is not an object with keys", node.Line)
	}
	*f = make(Fields, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		if _, twice := (*f)[name.Value]; twice {
			return fmt.Errorf("line %d: key %s is there twice", name.Line, name.Value)
		}
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		(*f)[name.Value] = value.Value
	}
	return nil
}

// Dialect is how a provider reads a SecretProviderClass.
type Dialect struct {
	Parameters []string // the names of those that are compared
	// Parameter returns what the provider takes a parameter for, also where it is
	// left out.
	Parameter func(parameters map[string]string, name string) string

	Keys    []string                             // of an object; the provider ignores every other
	Objects func(text string) ([]Fields, error)  // reads the parameter objects
	Text    func(objects []Object) string        // is the parameter as the embedded template prints it
	File    func(object Fields) string           // that an object becomes
	Differs func(want Object, got Fields) string // why an object does not give what is wanted, or ""
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
	// To read thousands of objects takes longer than to render all the rest.
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

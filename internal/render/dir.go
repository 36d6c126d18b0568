package render

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/atomicfile"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/templates"
)

const (
	// marker is the first line of every file of ours, by which a later run knows it.
	marker = "# Written by secretctl render. Change the config or the templates instead.\n"

	kustomization = "kustomization.yaml"

	// A patch changes what is elsewhere, which is what a component is for.
	kustomizationHead = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
	componentHead     = `# List this folder under "components" of the kustomization that has the workload.
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
`
	// kustomize applies a patch to nothing without a word, and adds a container that
	// is not there; but it cannot copy what does not exist.
	guardHead = `# These change nothing. They fail where the workload or the container does not exist.
replacements:
`
)

// fileName is what Kubernetes allows in names: nothing that leaves the folder or
// that YAML would want quoted.
var fileName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

// Written says what became of each file, by file names without the folder.
type Written struct {
	Changed   []string
	Unchanged []string
	Stale     []string // written by an earlier run, not part of this one, and left alone
}

// WriteDir writes one file per object, and a kustomization.yaml that lists them.
// It makes the folder if need be, replaces each file as a whole, leaves equal ones
// alone, and removes nothing. A file that it did not write itself it does not
// replace: then nothing is written at all.
//
// Names are kind-name.yaml, or kind-name.namespace.yaml where the objects are in
// more than one namespace.
func WriteDir(dir string, objects []Object) (Written, error) {
	files, err := filesOf(objects)
	if err != nil {
		return Written{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Written{}, err
	}
	left, err := stale(dir, files)
	if err != nil {
		return Written{}, err
	}
	result, err := writeFiles(dir, files, func(path string, old []byte) error {
		if bytes.HasPrefix(old, []byte(marker)) {
			return nil
		}
		return hint.Wrap(fmt.Errorf("%s was not written by secretctl", path), "move it away, or name another folder")
	})
	result.Stale = left
	return result, err
}

// Export writes the named embedded templates into a folder, all of them where none
// is named. A file that is there with another text is an [*Error], and nothing is
// written, unless force is set.
func Export(dir string, names []string, force bool) (Written, error) {
	if len(names) == 0 {
		names = Templates()
	}
	var files []file
	for _, name := range names {
		text, err := templates.FS.ReadFile(name)
		if err != nil {
			return Written{}, refuse("templates are "+strings.Join(Templates(), ", "), "there is no template %q", name)
		}
		files = append(files, file{name, text})
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Written{}, err
	}
	return writeFiles(dir, files, func(path string, _ []byte) error {
		if force {
			return nil
		}
		return refuse("name another folder, or replace it with --force", "%s is there already, and differs", path)
	})
}

// writeFiles replaces each file as a whole and leaves equal ones alone. It asks of
// each other file that is there whether it may be replaced; if one may not,
// nothing is written.
func writeFiles(dir string, files []file, mayReplace func(path string, old []byte) error) (Written, error) {
	var result Written
	var changed []file
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		old, err := readLF(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return Written{}, err
		case bytes.Equal(old, f.text):
			result.Unchanged = append(result.Unchanged, f.name)
			continue
		default:
			if err := mayReplace(path, old); err != nil {
				return Written{}, err
			}
		}
		changed = append(changed, f)
		result.Changed = append(result.Changed, f.name)
	}
	for _, f := range changed {
		if err := atomicfile.Write(filepath.Join(dir, f.name), f.text, 0o644); err != nil {
			return Written{}, err
		}
	}
	return result, nil
}

// readLF reads a file as it was before git checked it out with core.autocrlf.
func readLF(path string) ([]byte, error) {
	text, err := atomicfile.Read(path)
	return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), err
}

// kustomize gathers the parts of a kustomization.yaml.
type kustomize struct{ resources, patches, guards string }

func (k *kustomize) add(name string, o Object, several bool) {
	if o.Patch == "" {
		k.resources += "  - " + name + "\n"
		return
	}
	// Without a namespace: the workload may get its own from a kustomization.
	target := fmt.Sprintf("kind: %s, name: %q", o.Kind, o.Name)
	if several {
		target += fmt.Sprintf(", namespace: %q", o.Namespace)
	}
	image := fmt.Sprintf("spec.template.spec.containers.[name=%s].image", o.Patch)
	k.patches += fmt.Sprintf("  - path: %s\n    target: {%s}\n", name, target)
	k.guards += fmt.Sprintf("  - source: {%s, fieldPath: %q}\n    targets: [{select: {%[1]s}, fieldPaths: [%[2]q]}]\n", target, image)
}

func (k *kustomize) text() string {
	text := kustomizationHead
	if k.patches != "" {
		text = componentHead
	}
	if k.resources != "" {
		text += "resources:\n" + k.resources
	}
	if k.patches != "" {
		text += "patches:\n" + k.patches + guardHead + k.guards
	}
	return text
}

type file struct {
	name string
	text []byte
}

// filesOf returns the files sorted by name, but the kustomization last: until it
// is there, nothing refers to the others.
func filesOf(objects []Object) ([]file, error) {
	first := ""
	several := slices.ContainsFunc(objects, func(o Object) bool {
		first = cmp.Or(first, o.Namespace)
		return o.Namespace != "" && o.Namespace != first
	})
	var files []file
	var k kustomize
	seen := map[string]bool{}
	for _, o := range objects {
		name := strings.ToLower(o.Kind) + "-" + o.Name
		if o.Patch != "" {
			name = "patch-" + name
		}
		if several && o.Namespace != "" {
			name += "." + o.Namespace
		}
		name += ".yaml"
		if !fileName.MatchString(name) {
			return nil, fmt.Errorf("%q is no file name", name)
		}
		if seen[name] {
			return nil, fmt.Errorf("two objects want the file %s", name)
		}
		seen[name] = true
		files = append(files, file{name, append([]byte(marker), o.YAML...)})
		k.add(name, o, several)
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return append(files, file{kustomization, []byte(marker + k.text())}), nil
}

// stale returns the files of earlier runs that are not among files.
func stale(dir string, files []file) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		current := slices.ContainsFunc(files, func(f file) bool { return f.name == e.Name() })
		if current || !e.Type().IsRegular() || filepath.Ext(e.Name()) != ".yaml" {
			continue
		}
		text, err := readLF(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		if bytes.HasPrefix(text, []byte(marker)) {
			found = append(found, e.Name())
		}
	}
	return found, nil
}

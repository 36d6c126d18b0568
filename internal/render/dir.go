package render

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/atomicfile"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/templates"
)

const (
	// marker is the first line of every file, by which a later run recognizes it.
	marker = "# Written by secretctl render. Change the config or the templates instead.\n"

	kustomization = "kustomization.yaml"

	// A component is what changes objects of another kustomization.
	kustomizationHead = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
	componentHead     = `# List this folder under "components" of the kustomization that has the workload.
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
`
	// kustomize silently ignores a patch without a target, and adds a missing container; but
	// a replacement fails if its source does not exist.
	guardHead = `# These change nothing. They fail where the workload or the container does not exist.
replacements:
`
)

// Written is what happened to each file, by file names without the folder.
type Written struct {
	Changed   []string
	Unchanged []string
	Stale     []string // from an earlier run, not part of this one, and kept
}

// WriteDir writes one file per object, and a kustomization.yaml that lists them. It makes
// the folder if necessary, replaces each file as a whole, leaves equal ones alone, and
// removes nothing. If it would replace a file that it did not write, it writes nothing.
//
// Names are kind-name.yaml, or kind-name.namespace.yaml if the objects are in more than one
// namespace.
func WriteDir(dir string, objects []Object) (Written, error) {
	files := filesOf(objects)
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

// Export writes the named embedded templates, or all, into a folder. If a file already
// exists and differs, that is a usage error, and Export writes nothing, unless force is set.
func Export(dir string, names []string, force bool) (Written, error) {
	if len(names) == 0 {
		names = Templates()
	}
	var files []file
	for _, name := range names {
		text, err := templates.FS.ReadFile(name)
		if err != nil {
			return Written{}, hint.Usage("available: "+strings.Join(Templates(), ", "), "unknown template %q", name)
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
		return hint.Usage("name another folder, or replace it with --force", "%s already exists and differs", path)
	})
}

// writeFiles replaces each file as a whole and leaves equal ones alone. It calls mayReplace
// for each existing file that differs; after an error it writes nothing.
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

// readLF reads a file as it was before git's core.autocrlf changed it.
func readLF(path string) ([]byte, error) {
	text, err := atomicfile.Read(path)
	return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), err
}

// kustomize has the parts of a kustomization.yaml.
type kustomize struct{ resources, patches, guards string }

func (k *kustomize) add(name string, o Object, several bool) {
	if o.Patch == "" {
		k.resources += "  - " + name + "\n"
		return
	}
	// Without a namespace: a kustomization may give the workload its own.
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

// filesOf returns the files sorted by name, and the kustomization, which refers to them,
// last.
func filesOf(objects []Object) []file {
	first := ""
	several := slices.ContainsFunc(objects, func(o Object) bool {
		first = cmp.Or(first, o.Namespace)
		return o.Namespace != "" && o.Namespace != first
	})
	var files []file
	var k kustomize
	for _, o := range objects {
		name := strings.ToLower(o.Kind) + "-" + o.Name
		if o.Patch != "" {
			name = "patch-" + name
		}
		if several && o.Namespace != "" {
			name += "." + o.Namespace
		}
		name += ".yaml"
		files = append(files, file{name, append([]byte(marker), o.YAML...)})
		k.add(name, o, several)
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return append(files, file{kustomization, []byte(marker + k.text())})
}

// stale returns the files of earlier runs that are not in files.
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

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

	"github.com/secretctl/secretctl/internal/hint"
)

const (
	// marker is the first line of every file of ours, by which a later run knows it.
	marker = "# Written by secretctl render. Change the config or the templates instead.\n"

	kustomization = "kustomization.yaml"
)

// fileName is what Kubernetes allows in names: nothing that leaves the folder or
// that YAML would want quoted.
var fileName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

// Written says what WriteDir did, by file names without the folder.
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
	var result Written
	for _, f := range files {
		old, err := os.ReadFile(filepath.Join(dir, f.name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return Written{}, err
		case !bytes.HasPrefix(old, []byte(marker)):
			return Written{}, hint.Wrap(fmt.Errorf("%s was not written by secretctl", filepath.Join(dir, f.name)),
				"move it away, or name another folder")
		}
		if bytes.Equal(old, f.text) {
			result.Unchanged = append(result.Unchanged, f.name)
		} else {
			result.Changed = append(result.Changed, f.name)
		}
	}
	if result.Stale, err = stale(dir, files); err != nil {
		return Written{}, err
	}
	for _, f := range files {
		if slices.Contains(result.Unchanged, f.name) {
			continue
		}
		if err := replace(filepath.Join(dir, f.name), f.text); err != nil {
			return Written{}, err
		}
	}
	return result, nil
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
	list := marker + "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n"
	seen := map[string]bool{}
	for _, o := range objects {
		name := strings.ToLower(o.Kind) + "-" + o.Name
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
		list += "  - " + name + "\n"
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return append(files, file{kustomization, []byte(list)}), nil
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
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		if bytes.HasPrefix(text, []byte(marker)) {
			found = append(found, e.Name())
		}
	}
	return found, nil
}

// replace writes beside the file and renames, so that a reader sees the old text
// or the new one.
func replace(path string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".secretctl-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}

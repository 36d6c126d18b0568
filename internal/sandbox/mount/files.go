package mount

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	currentData = "..data"
	nextData    = "..data_tmp"
)

// file is what a volume holds under a name.
type file struct {
	content []byte
	mode    fs.FileMode
}

// project makes files the content of a folder, as kubelet and the CSI driver do:
// they are written to a folder of their own, and one rename of the link ..data
// makes them all visible at once. Equal content is left alone, whatever its mode.
func project(folder string, files map[string]file) error {
	for name := range files {
		if !filepath.IsLocal(name) || strings.HasPrefix(name, "..") || name != filepath.Base(name) {
			return fmt.Errorf("invalid path: %q is no plain file name", name)
		}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	old, err := os.Readlink(filepath.Join(folder, currentData))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if old != "" && holds(filepath.Join(folder, old), files) {
		return nil
	}
	fresh, err := writeFresh(folder, files)
	if err != nil {
		return err
	}
	if err := show(folder, filepath.Base(fresh), files); err != nil {
		_ = os.RemoveAll(fresh)
		return err
	}
	if old == "" {
		return nil
	}
	return clean(folder, old, files)
}

// holds says whether a folder has these files and no others.
func holds(folder string, files map[string]file) bool {
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != len(files) {
		return false
	}
	for name, f := range files {
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || !bytes.Equal(content, f.content) {
			return false
		}
	}
	return true
}

// writeFresh writes the files to a new folder beside the links.
func writeFresh(folder string, files map[string]file) (fresh string, err error) {
	fresh, err = os.MkdirTemp(folder, time.Now().UTC().Format("..2006_01_02_15_04_05."))
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(fresh)
		}
	}()
	if err = os.Chmod(fresh, 0o755); err != nil { //nolint:gosec // a pod's user is another than who mounts
		return "", err
	}
	for name, f := range files {
		path := filepath.Join(fresh, name)
		if err = os.WriteFile(path, f.content, f.mode); err != nil {
			return "", err
		}
		if err = os.Chmod(path, f.mode); err != nil { // whatever the umask is
			return "", err
		}
	}
	return fresh, nil
}

// show links the names to ..data, and ..data to the new folder.
func show(folder, fresh string, files map[string]file) error {
	for name := range files {
		link := filepath.Join(folder, name)
		if _, err := os.Lstat(link); errors.Is(err, fs.ErrNotExist) {
			if err := os.Symlink(filepath.Join(currentData, name), link); err != nil {
				return err
			}
		}
	}
	next := filepath.Join(folder, nextData)
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(fresh, next); err != nil {
		return err
	}
	return os.Rename(next, filepath.Join(folder, currentData))
}

// clean removes the former folder, and the links to files that are no more.
func clean(folder, old string, files map[string]file) error {
	entries, err := os.ReadDir(filepath.Join(folder, old))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if _, stays := files[e.Name()]; !stays {
			if err := os.Remove(filepath.Join(folder, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return os.RemoveAll(filepath.Join(folder, old))
}

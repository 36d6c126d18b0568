package mount

import (
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

	// The driver's modes: every user in the pod may read.
	folderMode = 0o755
	fileMode   = 0o644
)

// project replaces the content of a folder, as kubelet and the CSI driver do: it writes the
// files to a new folder, and one rename of the link ..data makes all of them visible.
func project(folder string, files map[string][]byte) error {
	for name := range files {
		if strings.HasPrefix(name, "..") || name != filepath.Base(name) {
			return fmt.Errorf("invalid path: %q must be a plain file name", name)
		}
	}
	if err := os.MkdirAll(folder, folderMode); err != nil {
		return err
	}
	if err := os.Chmod(folder, folderMode); err != nil { // whatever the umask
		return err
	}
	old, err := os.Readlink(filepath.Join(folder, currentData))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fresh, err := writeFresh(folder, files)
	if err == nil {
		err = show(folder, filepath.Base(fresh), files)
	}
	if err != nil {
		_ = os.RemoveAll(fresh)
		return err
	}
	if old != "" {
		return os.RemoveAll(filepath.Join(folder, old))
	}
	return nil
}

// writeFresh writes the files to a new folder beside the links.
func writeFresh(folder string, files map[string][]byte) (fresh string, err error) {
	fresh, err = os.MkdirTemp(folder, time.Now().UTC().Format("..2006_01_02_15_04_05."))
	if err != nil {
		return "", err
	}
	if err := os.Chmod(fresh, folderMode); err != nil {
		return fresh, err
	}
	for name, content := range files {
		path := filepath.Join(fresh, name)
		if err := os.WriteFile(path, content, fileMode); err != nil {
			return fresh, err
		}
		if err := os.Chmod(path, fileMode); err != nil {
			return fresh, err
		}
	}
	return fresh, nil
}

// show links the names to ..data, and ..data to the new folder.
func show(folder, fresh string, files map[string][]byte) error {
	for name := range files {
		err := os.Symlink(filepath.Join(currentData, name), filepath.Join(folder, name))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
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

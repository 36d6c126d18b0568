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

// The driver's modes: every user in the pod may read.
const (
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
	current, next := filepath.Join(folder, "..data"), filepath.Join(folder, "..data_tmp")
	old, err := os.Readlink(current)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fresh, err := os.MkdirTemp(folder, time.Now().UTC().Format("..2006_01_02_15_04_05."))
	if err != nil {
		return err
	}
	err = errors.Join(os.Chmod(folder, folderMode), os.Chmod(fresh, folderMode)) // whatever the umask
	for name, content := range files {
		path, link := filepath.Join(fresh, name), filepath.Join(folder, name)
		err = errors.Join(err, os.WriteFile(path, content, fileMode), os.Chmod(path, fileMode))
		if _, absent := os.Lstat(link); absent != nil {
			err = errors.Join(err, os.Symlink(filepath.Join("..data", name), link))
		}
	}
	_ = os.Remove(next) // of a run that was interrupted
	if err == nil {
		err = os.Symlink(filepath.Base(fresh), next)
	}
	if err == nil {
		err = os.Rename(next, current)
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

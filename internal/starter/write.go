package starter

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Write writes a file that all may read, in one go: at no time is a part of it
// there. A file that is there already is an [fs.ErrExist], unless it may be
// replaced.
func Write(path string, text []byte, replace bool) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".secretctl-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(text)
	if err := errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err != nil {
		return err
	}
	if !replace {
		// Unlike a rename, a link replaces nothing. Not every file system has links.
		if err = os.Link(tmp.Name(), path); err == nil || errors.Is(err, fs.ErrExist) {
			return err
		}
		if _, err := os.Lstat(path); err == nil {
			return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
		}
	}
	return os.Rename(tmp.Name(), path)
}

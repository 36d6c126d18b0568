// Package atomicfile writes files in one go: nobody sees a part of one, and a failure
// leaves the old file. It makes no folders, and reads no file that may have no end.
package atomicfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/secretctl/secretctl/internal/secret"
)

const maxRead = 64 << 20

// Read is [os.ReadFile] for a file that somebody else may have made, such as a link to a
// device: it refuses a device, and a file that is larger than any that secretctl needs.
func Read(path string) ([]byte, error) {
	refuse := func(reason string) ([]byte, error) {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New(reason)}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Mode()&fs.ModeDevice != 0 {
		return refuse("is a device")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxRead+1))
	if len(text) > maxRead {
		return refuse(fmt.Sprintf("is larger than %d MiB", maxRead>>20))
	}
	return text, err
}

// Write replaces the file at path. A new file gets mode, less the umask. An existing one of
// this user keeps its own mode, but if mode is for the owner alone, nobody else may read it
// afterwards. An error is a [*fs.PathError] about path.
func Write(path string, text []byte, mode fs.FileMode) error {
	return write(path, text, mode, os.Rename)
}

// Create is Write for a file that must not exist yet: if it does, the error is
// [fs.ErrExist].
func Create(path string, text []byte, mode fs.FileMode) error {
	return write(path, text, mode, func(tmp, path string) error {
		// Unlike a rename, a link replaces nothing. Not every file system has links.
		err := os.Link(tmp, path)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return err
		}
		if _, err := os.Lstat(path); err == nil {
			return fs.ErrExist
		}
		return os.Rename(tmp, path)
	})
}

// write writes a temporary file, and has place move it to path.
func write(path string, text []byte, mode fs.FileMode, place func(tmp, path string) error) error {
	tmp := filepath.Join(filepath.Dir(path), ".secretctl-"+rand.Text())
	err := writeNew(tmp, text, path, mode)
	if err == nil {
		err = place(tmp, path)
	}
	_ = os.Remove(tmp)
	if err != nil {
		return &fs.PathError{Op: "write", Path: path, Err: Reason(err)}
	}
	return nil
}

// writeNew writes a new file with the mode that [Write] promises for the one at path.
func writeNew(tmp string, text []byte, path string, mode fs.FileMode) error {
	info, err := os.Lstat(path)
	existing := err == nil && info.Mode().IsRegular() && belongsTo(os.Geteuid(), info) // others could have let everybody write
	switch {
	case existing && mode&0o077 == 0:
		mode &= info.Mode().Perm()
	case existing:
		mode = info.Mode().Perm()
	}
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode) //nolint:forbidigo // the one place that writes files
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if existing {
		err = errors.Join(err, f.Chmod(mode)) // which the umask does not reduce
	}
	return errors.Join(err, f.Close())
}

// belongsTo reports whether a file is of that user, as far as owners are known.
func belongsTo(user int, info fs.FileInfo) bool {
	owner, known := secret.FileOwner(info)
	return !known || owner == user
}

// Reason removes from an error of os what it says of the file, which the caller names.
func Reason(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	if le, ok := errors.AsType[*os.LinkError](err); ok {
		return le.Err
	}
	return err
}

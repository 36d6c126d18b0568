// Package atomicfile writes files in one go: at no time is a part of one there, and
// what goes wrong leaves what was there before. It makes no folders. It reads no file
// that may have no end.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const maxRead = 64 << 20

// Read is [os.ReadFile] for what somebody else may have put there, such as a link to a
// device: it refuses a device, and what is larger than any file that secretctl has to
// do with.
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

// Write leaves at path a file of that text. A new one has the mode that is left of
// mode by the umask; one that exists keeps its own, but nobody else may read what is
// written with a mode for the owner alone. An error is a [*fs.PathError] about path.
func Write(path string, text []byte, mode fs.FileMode) error {
	return written(path, text, mode, os.Rename)
}

// Create is Write where no file may be there yet: one that is there is an
// [fs.ErrExist].
func Create(path string, text []byte, mode fs.FileMode) error {
	return written(path, text, mode, func(tmp, path string) error {
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

// written has place put a finished file, which is private until then, at path.
func written(path string, text []byte, mode fs.FileMode, place func(tmp, path string) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".secretctl-*") //nolint:forbidigo // the one place; mode 0600
	if err == nil {
		defer func() { _ = os.Remove(tmp.Name()) }()
		_, err = tmp.Write(text)
		final, modeErr := finalMode(path, tmp.Name(), mode)
		err = errors.Join(err, modeErr, tmp.Chmod(final), tmp.Close())
	}
	if err == nil {
		err = place(tmp.Name(), path)
	}
	if err != nil {
		return &fs.PathError{Op: "write", Path: path, Err: Reason(err)}
	}
	return nil
}

// finalMode returns the mode that the file at path is to have. Only the system itself
// says what the umask is without changing it: by a file that is made beside tmp.
func finalMode(path, tmp string, mode fs.FileMode) (fs.FileMode, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
		if mode&0o077 == 0 {
			return info.Mode().Perm() & mode, nil
		}
		return info.Mode().Perm(), nil
	}
	probe, err := os.OpenFile(tmp+".mode", os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode) //nolint:forbidigo // stays empty
	if err != nil {
		return mode, err
	}
	defer func() { _ = os.Remove(probe.Name()) }()
	info, err := probe.Stat()
	if err = errors.Join(err, probe.Close()); err != nil {
		return mode, err
	}
	return info.Mode().Perm(), nil
}

// Reason takes off what an error of os says of the file, which the caller names.
func Reason(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	if le, ok := errors.AsType[*os.LinkError](err); ok {
		return le.Err
	}
	return err
}

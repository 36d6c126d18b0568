package main

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// archive is a tar file in memory, in which every folder comes before what is in
// it.
type archive struct {
	buffer  bytes.Buffer
	writer  *tar.Writer
	folders map[string]bool
}

func newArchive() *archive {
	a := &archive{folders: map[string]bool{"": true}}
	a.writer = tar.NewWriter(&a.buffer)
	return a
}

// bytes ends the archive.
func (a *archive) bytes() ([]byte, error) {
	err := a.writer.Close()
	return a.buffer.Bytes(), err
}

// clean makes a path relative to the archive's root, which is "".
func clean(p string) string { return strings.Trim(path.Clean("/"+p), "/") }

func (a *archive) add(h tar.Header, content []byte) error {
	h.Name = clean(h.Name)
	if err := a.folder(path.Dir("/" + h.Name)); err != nil {
		return err
	}
	h.Size = int64(len(content))
	if err := a.writer.WriteHeader(&h); err != nil {
		return err
	}
	_, err := a.writer.Write(content)
	return err
}

func (a *archive) file(name string, mode fs.FileMode, content []byte) error {
	return a.add(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(mode)}, content)
}

func (a *archive) link(name, target string) error {
	return a.add(tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}, nil)
}

// folder makes a folder once; one called tmp is for everybody.
func (a *archive) folder(name string) error {
	if name = clean(name); a.folders[name] {
		return nil
	}
	a.folders[name] = true
	mode := int64(0o755)
	if path.Base(name) == "tmp" {
		mode = 0o1777
	}
	return a.add(tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode}, nil)
}

// copy takes over a file, or all that is in a folder, under the name to.
func (a *archive) copy(to, source string) error {
	return filepath.WalkDir(source, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := path.Join(to, strings.TrimPrefix(file, source))
		switch {
		case entry.IsDir():
			return a.folder(name)
		case entry.Type()&fs.ModeSymlink != 0 && file != source:
			target, err := os.Readlink(file)
			if err != nil {
				return err
			}
			return a.link(name, target)
		}
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return a.file(name, info.Mode().Perm(), content)
	})
}

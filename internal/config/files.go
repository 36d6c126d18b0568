package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxFile = 4 << 20 // bytes of a file

// configFiles returns a file, or the config files in a folder.
func configFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if (ext != ".yaml" && ext != ".yml") || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		file := filepath.Join(path, e.Name())
		if info, err := os.Stat(file); err != nil || info.Mode().IsRegular() {
			files = append(files, file) // a broken link is reported when it is read
		}
	}
	return files, nil
}

func readFile(path string) ([]byte, error) {
	// A pipe or a device may never end.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if len(text) > maxFile {
		return nil, errTooLarge
	}
	return bytes.TrimPrefix(text, []byte("\uFEFF")), err
}

var (
	errNotRegular = errors.New("must be a file or a folder, not a pipe or a device")
	errTooLarge   = fmt.Errorf("is larger than %d MiB", maxFile>>20)
)

func fileProblem(file string, err error) Problem {
	p := Problem{File: file, Message: err.Error()}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		p.Message = pe.Err.Error()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.Hint = startHint
	case errors.Is(err, fs.ErrPermission):
		p.Hint = "make it readable for the user that runs secretctl"
	case errors.Is(err, errNotRegular):
		p.Hint = "write it to a file first, then name that with -c"
	case errors.Is(err, errTooLarge):
		p.Hint = splitHint
	}
	return p
}

// plainText reports whether text is UTF-8 without control characters, or returns the line
// of the first. YAML takes some of them for line breaks, which editors do not show.
func plainText(text []byte) (line int, ok bool) {
	line = 1
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == '\n':
			line++
		case r == '\r' && i+1 < len(text) && text[i+1] == '\n', r == '\t':
		case r == utf8.RuneError && size == 1, r == '\u2028', r == '\u2029', r == '\uFEFF', unicode.IsControl(r):
			return line, false
		}
		i += size
	}
	return 0, true
}

// split cuts a file at its "---" and "..." lines. Each document is parsed by itself, so
// that broken YAML in one does not hide what is wrong in the next.
func split(file string, text []byte) []*document {
	var docs []*document
	start, end, firstLine, line := 0, 0, 1, 0
	cut := func(nextLine int) {
		docs = append(docs, &document{file: file, line: firstLine, text: text[start:end]})
		start, firstLine = end, nextLine
	}
	for l := range bytes.Lines(text) {
		line++
		if isMarker(l, "---") && end > start {
			cut(line)
		}
		end += len(l)
		if isMarker(l, "...") {
			cut(line + 1)
		}
	}
	cut(0)
	return docs
}

func isMarker(line []byte, marker string) bool {
	rest, found := bytes.CutPrefix(line, []byte(marker))
	return found && (len(rest) == 0 || bytes.ContainsRune([]byte(" \t\r\n"), rune(rest[0])))
}

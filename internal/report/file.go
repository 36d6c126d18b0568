package report

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/secretctl/secretctl/internal/atomicfile"
	"github.com/secretctl/secretctl/internal/secret"
)

// Writable returns an error if [WriteFile] could not write the file.
func Writable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		err = errors.New("is a folder")
	case err == nil && !info.Mode().IsRegular(): // such as /dev/stdout
	default:
		var trial *os.File
		if trial, err = os.CreateTemp(filepath.Dir(path), ".secretctl-*"); err == nil { //nolint:forbidigo // it stays empty
			_, _ = trial.Close(), os.Remove(trial.Name())
		}
	}
	return named(path, err)
}

// WriteFile leaves at path the whole report, or what was there before.
func WriteFile(path, format string, r Report) error {
	var out bytes.Buffer
	if err := Write(&out, format, r, false); err != nil {
		return named(path, err)
	}
	text := secret.Visible(out.Bytes())
	if info, err := os.Stat(path); err != nil || info.Mode().IsRegular() {
		return named(path, atomicfile.Write(path, text, 0o644))
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:forbidigo // such as /dev/stdout, which cannot be replaced
	if err != nil {
		return named(path, err)
	}
	_, err = f.Write(text)
	return named(path, errors.Join(err, f.Close()))
}

func named(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("report %s: %w", path, atomicfile.Reason(err))
}

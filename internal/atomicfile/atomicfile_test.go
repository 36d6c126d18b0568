package atomicfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/secretctl/secretctl/internal/atomicfile"
)

func TestOnlyWriteReplacesAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.yaml")
	for _, step := range []struct {
		text  string
		write func(string, []byte, fs.FileMode) error
		taken bool
		want  string
	}{{"one", atomicfile.Create, false, "one"}, {"two", atomicfile.Create, true, "one"}, {"three", atomicfile.Write, false, "three"}} {
		if err := step.write(path, []byte(step.text), 0o644); errors.Is(err, fs.ErrExist) != step.taken || err != nil && !step.taken {
			t.Errorf("%s: %v", step.text, err)
		}
		if got, err := os.ReadFile(path); string(got) != step.want {
			t.Errorf("%q, not %q: %v", got, step.want, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAnErrorNamesTheFileAndNoOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "absent", "a.yaml")
	err := atomicfile.Write(path, nil, 0o600)
	if !errors.Is(err, fs.ErrNotExist) || err.Error() != "write "+path+": no such file or directory" {
		t.Error(err)
	}
}

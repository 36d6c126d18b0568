package atomicfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/secretctl/secretctl/internal/atomicfile"
)

func TestOnlyWriteReplacesAFile(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o022))
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

func TestAFileThatExistsKeepsItsMode(t *testing.T) {
	for _, tt := range []struct{ was, asked, want fs.FileMode }{
		{0o600, 0o644, 0o600}, {0o664, 0o644, 0o664}, {0o400, 0o644, 0o400}, {0o644, 0o600, 0o600}, {0o600, 0o600, 0o600},
	} {
		path := filepath.Join(t.TempDir(), "a")
		err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, tt.was), atomicfile.Write(path, []byte("text"), tt.asked))
		if info, statErr := os.Stat(path); err != nil || statErr != nil || info.Mode() != tt.want {
			t.Errorf("%o, asked for %o: %v, %v, %v", tt.was, tt.asked, info.Mode(), err, statErr)
		}
	}
}

func TestALinkIsReplacedAndNotFollowed(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o022))
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	err := errors.Join(os.WriteFile(target, []byte("precious"), 0o600), os.Symlink(target, link), atomicfile.Write(link, []byte("new"), 0o644))
	kept, readErr := os.ReadFile(target)
	if info, statErr := os.Lstat(link); err != nil || readErr != nil || statErr != nil || string(kept) != "precious" || info.Mode() != 0o644 {
		t.Errorf("%q, %v, %v, %v", kept, info.Mode(), err, readErr)
	}
}

func TestReadRefusesWhatHasNoEnd(t *testing.T) {
	dir := t.TempDir()
	link, large := filepath.Join(dir, "link"), filepath.Join(dir, "large")
	if err := errors.Join(os.Symlink("/dev/zero", link), os.WriteFile(large, nil, 0o600), os.Truncate(large, 64<<20+1)); err != nil {
		t.Skip(err) // not on every system
	}
	for path, want := range map[string]string{link: "is a device", large: "is larger than 64 MiB"} {
		if _, err := atomicfile.Read(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := os.WriteFile(large, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := atomicfile.Read(large); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
}

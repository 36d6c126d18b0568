//go:build unix

package atomicfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/secretctl/secretctl/internal/atomicfile"
)

func TestANewFileHonorsTheUmask(t *testing.T) {
	for umask, want := range map[int]fs.FileMode{0o022: 0o644, 0o077: 0o600, 0o007: 0o640, 0: 0o644} {
		path := filepath.Join(t.TempDir(), "a")
		was := syscall.Umask(umask)
		err := atomicfile.Write(path, nil, 0o644)
		created := atomicfile.Create(path+"b", nil, 0o644)
		syscall.Umask(was)
		for _, path := range []string{path, path + "b"} {
			if info, statErr := os.Stat(path); err != nil || created != nil || statErr != nil || info.Mode() != want {
				t.Errorf("umask %03o: %v, %v, %v", umask, info.Mode(), err, created)
			}
		}
	}
}

// Whoever made the file could let everybody write to the one that replaces it.
func TestAFileOfAnotherUserDoesNotKeepItsMode(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to another user")
	}
	defer syscall.Umask(syscall.Umask(0o022))
	for asked, want := range map[fs.FileMode]fs.FileMode{0o644: 0o644, 0o600: 0o600} {
		path := filepath.Join(t.TempDir(), "a")
		err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o666), os.Chown(path, 65534, 65534), atomicfile.Write(path, []byte("text"), asked))
		if info, statErr := os.Stat(path); err != nil || statErr != nil || info.Mode() != want {
			t.Errorf("%o, not %o: %v, %v", info.Mode(), want, err, statErr)
		}
	}
}

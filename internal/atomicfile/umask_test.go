//go:build unix

package atomicfile_test

import (
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

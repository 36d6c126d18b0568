package testenv

import (
	"os"
	"testing"
)

// Mkdir makes a folder that everybody may read, as those of a mount are, whatever
// the umask.
func Mkdir(t testing.TB, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	chmod(t, path, 0o755)
}

// WriteFile writes a file that everybody may read, whatever the umask.
func WriteFile(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	chmod(t, path, 0o644)
}

func chmod(t testing.TB, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

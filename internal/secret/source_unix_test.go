//go:build unix

package secret

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/hint"
)

func TestOnlyRootAndTheUserAreTrustedWithAFile(t *testing.T) {
	for _, tt := range []struct {
		owner, user int
		want        bool
	}{{1000, 1000, true}, {0, 1000, true}, {0, 0, true}, {1000, 0, false}, {1001, 1000, false}} {
		if got := trusted(tt.owner, tt.user); got != tt.want {
			t.Errorf("a file of %d for %d: %t", tt.owner, tt.user, got)
		}
	}
	if os.Geteuid() != 0 {
		return // nobody else can give a file away
	}
	path := file(t, canary, 0o600)
	if err := os.Chown(path, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	_, err := new(Inputs).Read(t.Context(), Source{File: path}, "it")
	if err == nil || err.Error() != "file "+path+" belongs to another user (uid 1000)" || hint.Of(err) != "make it yours: chown 0 "+path {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
}

func TestReadOfADeviceEndsAndIsRefused(t *testing.T) {
	if _, err := new(Inputs).Read(t.Context(), Source{File: "/dev/zero"}, "it"); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("got %v", err)
	}
}

// Nobody writes to the FIFO.
func TestReadOfAFIFOEndsWithTheContext(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := exec.Command("mkfifo", "-m", "600", fifo).Run(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := new(Inputs).Read(ctx, Source{File: fifo}, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

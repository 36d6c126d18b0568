package cluster

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/secretctl/secretctl/test/testenv"
)

func TestChangesOfAFileAreReported(t *testing.T) {
	t.Parallel()
	c, pod := fakePod(t)
	path := filepath.Join(t.TempDir(), "with 'space\"$(x)\n:end")
	testenv.WriteFile(t, path, []byte(firstSecret))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen, over := make(chan File, 100), make(chan struct{})
	go func() {
		defer close(over)
		c.Watch(ctx, pod, shell, path, func(f File) { seen <- f })
	}()
	if f := <-seen; f.Digest != fmt.Sprintf("%x", sha256.Sum256([]byte(firstSecret))) || f.Err != nil || !f.Content.Empty() {
		t.Errorf("%+v", f)
	}
	changed := time.Now()
	if err := errors.Join(os.WriteFile(path+".new", []byte("new"), 0o600), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
	if f := <-seen; f.Digest != fmt.Sprintf("%x", sha256.Sum256([]byte("new"))) || f.Err != nil {
		t.Errorf("%+v", f)
	}
	if late := time.Since(changed); late > 3*time.Second { // on a loaded machine
		t.Errorf("reported %s after the change", late)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for range 2 { // once for the change, and once more, so that silence means something
		if f := <-seen; !errors.Is(f.Err, fs.ErrNotExist) {
			t.Errorf("%+v", f)
		}
	}
	cancel()
	<-over
}

func TestWatchOfAContainerWithoutToolsEnds(t *testing.T) {
	c, pod := fakePod(t)
	path := filepath.Join(filesHere(t), "value")
	for _, container := range []string{toolless, onlyBase64, noShell, cutShort, waiting} {
		c.Watch(t.Context(), pod, container, path, func(f File) { t.Errorf("%s: %+v", container, f) })
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.Watch(ctx, pod, shell, path, func(f File) { t.Errorf("%+v", f) })
	c.config.Timeout = 50 * time.Millisecond
	c.Watch(t.Context(), pod, hanging, path, func(f File) { t.Errorf("%+v", f) })
}

// The command in a container outlives a broken connection, and must leave no process.
func TestWatchEndsWithItsStdin(t *testing.T) {
	cmd := exec.Command("sh", "-c", watchScript, "sh", kindFile+filepath.Join(filesHere(t), "value"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hangs := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill(); t.Error("it runs on") })
	defer hangs.Stop()
	if _, err := io.ReadFull(out, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(out); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if err := syscall.Kill(-cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("a process is left: %v", err)
	}
}

func TestWatchEndsAtMalformedOutput(t *testing.T) {
	const turn = ":look 1\n:path\n:error absent\n:end\n"
	for name, tt := range map[string]struct {
		printed string
		want    int
	}{
		"two in one":       {turn + turn, 2},
		"a part":           {turn + turn[:20], 1},
		"another language": {"hello\n:end\n" + turn, 0},
		"another version":  {strings.Replace(turn, "1", "2", 1) + turn, 0},
		"two files":        {":look 1\n:path\n:error absent\n:path\n:error absent\n:end\n" + turn, 0},
		"a long line":      {strings.Repeat("x", 2*maxTurn) + "\n" + turn, 0},
		"no end":           {strings.Repeat("x\n", maxTurn) + turn, 0},
		"changing":         {":look 1\n:path\n:error failed\n:end\n" + turn, 0},
	} {
		for _, from := range []io.Reader{strings.NewReader(tt.printed), iotest.OneByteReader(strings.NewReader(tt.printed))} {
			seen := 0
			for range turns(from) {
				seen++
			}
			if seen != tt.want {
				t.Errorf("%s: %d files, want %d", name, seen, tt.want)
			}
		}
	}
}

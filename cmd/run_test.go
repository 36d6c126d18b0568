package cmd_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/secretctl/secretctl/cmd"
)

func TestInterruptEndsAPromptThatIsNeverAnswered(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "secretctl.yaml")
	if err := os.WriteFile(conf, []byte(strings.ReplaceAll(fromEnvironmentConfig, "env: SECRETCTL_SECRET", "stdin: true")), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	asked, never, ended := make(chan struct{}), make(chan struct{}), make(chan int, 1)
	defer close(never)
	var out, narration lockedBuffer
	go func() {
		ended <- cmd.Run(ctx, []string{"provision", "--dry-run", "-c", conf}, cmd.IO{
			In: strings.NewReader(""), Out: &out, Err: &narration,
			LookupEnv: func(name string) (string, bool) { return "x", name == "VAULT_TOKEN" },
			Prompt:    func(string) ([]byte, error) { close(asked); <-never; return nil, nil },
		})
	}()
	select {
	case <-asked:
	case code := <-ended:
		t.Fatalf("ended with %d before it asked\n%s", code, narration.String())
	}
	interrupt()
	select {
	case code := <-ended:
		if code != 130 || !strings.Contains(narration.String(), "error: interrupted") {
			t.Errorf("exit code %d\n%s", code, narration.String())
		}
	case <-time.After(5 * time.Second):
		t.Error("hangs after the interrupt")
	}
}

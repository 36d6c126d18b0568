//go:build unix

package cmd_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A reader that has gone, such as head, ends no command half-way: the exit code says what
// was done.
func TestCommandsEndTheirWorkIfNobodyReadsTheirOutput(t *testing.T) {
	dir := t.TempDir()
	s := startServers(t, dir)
	conf := filepath.Join(dir, "secretctl.yaml")
	if err := os.WriteFile(conf, fmt.Appendf(nil, leftoverConfig, s.vault.URL, s.kubernetes.URL, s.aidbox.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	process := func(command string) *exec.Cmd {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		t.Cleanup(cancel)
		c := exec.CommandContext(ctx, "secretctl", append(strings.Fields(command), "-c", conf)...)
		c.Env = []string{"GORACE=atexit_sleep_ms=0", "VAULT_TOKEN=" + s.vault.RootToken, "AIDBOX_CLIENT_SECRET=" + s.aidbox.RootSecret}
		return c
	}
	run := func(command string) string {
		t.Helper()
		out, err := process(command).Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		return string(out)
	}
	unread := func(command string, code int) {
		t.Helper()
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_ = reader.Close()
		c := process(command)
		c.Stdout, c.Stderr = writer, writer
		err = c.Run()
		_ = writer.Close()
		exit, failed := errors.AsType[*exec.ExitError](err)
		if failed && exit.ExitCode() != code || !failed && (err != nil || code != 0) {
			t.Errorf("%s ended with %v, not with exit code %d", command, err, code)
		}
	}
	run("provision")
	s.apply(t, run("render"))
	unread("client apply", 0)
	local := " --mount-path " + s.mountPath()
	before, report := readMounted(t, s, "client-secret"), filepath.Join(dir, "report.json")
	unread("rotate client-secret --vault-config "+s.vaultConfig()+" -o github --json-file "+report+local, 0)
	if readMounted(t, s, "client-secret") == before {
		t.Error("the rotation was not followed to its end")
	}
	if text, err := os.ReadFile(report); err != nil || !strings.Contains(string(text), `"fail": 0`) {
		t.Errorf("%v: %s", err, text)
	}
	unread("verify mount --mount-path "+dir, 1)
	unread("verify bogus", 2)
	unread("status --watch"+local, 0) // with nobody to watch
	unread("render -o json", 0)
}

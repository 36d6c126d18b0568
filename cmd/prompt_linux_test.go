package cmd_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pseudoTerminal opens a terminal: what a program has, and what a person has in hand.
func pseudoTerminal(t *testing.T) (program, person *os.File) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	must(err)
	t.Cleanup(func() { _ = person.Close() })
	must(unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	must(err)
	program, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	must(err)
	t.Cleanup(func() { _ = program.Close() })
	return program, person
}

func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	settings, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return settings.Lflag&unix.ECHO != 0
}

const promptConfig = `apiVersion: secretctl.dev/v1
provider: vault
vault: {address: "http://127.0.0.1:1"}
secrets: [{name: a, scope: [Client], value: {stdin: true}}]
`

func TestHiddenPromptEndsAndLeavesTheTerminalAsItWas(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "secretctl.yaml")
	if err := os.WriteFile(conf, []byte(promptConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		timeout, typed string
		code           int
		says           string
	}{
		"with Ctrl-C":    {"1m", "\x03", 130, "error: interrupted"},
		"with --timeout": {"300ms", "", 124, "error: --timeout passed"},
		"with an answer": {"1m", "an-answer\n", 3, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, person := pseudoTerminal(t)
			c := exec.CommandContext(t.Context(), "secretctl", "provision", "-c", conf, "--timeout", test.timeout)
			c.Env = []string{"VAULT_TOKEN=x", "GORACE=atexit_sleep_ms=0"}
			c.Stdin, c.Stdout, c.Stderr = program, program, program
			c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			var seen lockedBuffer
			go func() { _, _ = io.Copy(&seen, person) }()
			for deadline := time.Now().Add(10 * time.Second); echoes(t, program); <-time.After(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("does not ask: %s", seen.String())
				}
			}
			_, _ = person.WriteString(test.typed)
			began := time.Now()
			err := c.Wait()
			exit, ok := errors.AsType[*exec.ExitError](err)
			if !ok || exit.ExitCode() != test.code || test.code != 3 && time.Since(began) > 2*time.Second {
				t.Errorf("%v after %s", err, time.Since(began))
			}
			if !echoes(t, program) {
				t.Error("the terminal does not show any more what is typed")
			}
			for deadline := time.Now().Add(5 * time.Second); !strings.Contains(seen.String(), test.says); <-time.After(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("does not say %q:\n%s", test.says, seen.String())
				}
			}
			if strings.Contains(seen.String(), "an-answer") {
				t.Errorf("shows what was typed:\n%s", seen.String())
			}
		})
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	dir := t.TempDir()
	conf, pipe := filepath.Join(dir, "secretctl.yaml"), filepath.Join(dir, "pipe")
	for _, err := range []error{os.WriteFile(conf, []byte(promptConfig), 0o600), unix.Mkfifo(pipe, 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var stderr bytes.Buffer
	c := exec.CommandContext(t.Context(), "secretctl", "render", "-c", conf, "--helm-values", "--values", pipe) // nobody writes to it
	c.Env, c.Stderr = []string{"GORACE=atexit_sleep_ms=0"}, &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Second) // until it reads
	for range 2 {
		if err := c.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-time.After(50 * time.Millisecond)
	}
	began := time.Now()
	err := c.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 130 || time.Since(began) > 500*time.Millisecond {
		t.Errorf("%v after %s\n%s", err, time.Since(began), stderr.String())
	}
}

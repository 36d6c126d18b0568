package cmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestPeerScripts runs what docs/running-aidbox.md tells to do, with the real helm
// and kubectl of the folder that SECRETCTL_TEST_PEERS names. Without one it is
// skipped; with SECRETCTL_REQUIRE_PEERS set, it fails.
func TestPeerScripts(t *testing.T) {
	folder := os.Getenv("SECRETCTL_TEST_PEERS")
	if folder == "" {
		if os.Getenv("SECRETCTL_REQUIRE_PEERS") != "" {
			t.Fatal("SECRETCTL_TEST_PEERS is not set")
		}
		t.Skip("SECRETCTL_TEST_PEERS is not set: see test/peers/with")
	}
	chart, err := filepath.Abs("../test/peers/chart")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/peers",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", env.Getenv("PATH")+string(filepath.ListSeparator)+folder)
			repository := filepath.Join(env.WorkDir, "aidbox")
			if err := os.Mkdir(repository, 0o700); err != nil {
				return err
			}
			return os.Symlink(chart, filepath.Join(repository, "aidbox"))
		},
	})
}

// What needs a cluster is tried elsewhere, or not at all.
func TestCommandsOfTheTutorialAreInItsScripts(t *testing.T) {
	doc, err := os.ReadFile("../docs/running-aidbox.md")
	if err != nil {
		t.Fatal(err)
	}
	scripts := ""
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		scripts += string(text)
	}
	found := 0
	for line := range strings.Lines(string(doc)) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
		command, _, _ := strings.Cut(strings.TrimSpace(line), " | ")
		command, _, _ = strings.Cut(command, " > ")
		if !strings.HasPrefix(command, "secretctl render ") && !strings.HasPrefix(command, "secretctl templates ") &&
			!strings.HasPrefix(command, "kubectl kustomize ") && !strings.HasPrefix(command, "helm template ") {
			continue
		}
		found++
		if !strings.Contains(scripts, "\nexec "+command+"\n") {
			t.Errorf("no script runs: %s", command)
		}
	}
	if found < 6 {
		t.Errorf("found %d commands in the tutorial", found)
	}
}

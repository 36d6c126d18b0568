package cmd_test

import (
	"os"
	"path/filepath"
	"regexp"
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

// guided are the commands of the guides that the scripts run; what needs a cluster is
// run on one, or needs a person.
var guided = regexp.MustCompile(`(?m)^(?:secretctl (?:render|templates|config|provision) |kubectl kustomize |helm template |secretctl provision$)[^|>#\n]*`)

func TestCommandsOfTheGuidesAreInTheScripts(t *testing.T) {
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
	for guide, atLeast := range map[string]int{"running-aidbox": 6, "vault": 5, "gitops": 3, "scheduled-rotation": 3} {
		text, err := os.ReadFile("../docs/" + guide + ".md")
		if err != nil {
			t.Fatal(err)
		}
		commands := guided.FindAllString(string(text), -1)
		for _, command := range commands {
			command = strings.TrimSpace(command) // a script may add what only a test needs
			if !strings.Contains(scripts, "\nexec "+command+"\n") && !strings.Contains(scripts, "\nexec "+command+" ") {
				t.Errorf("%s: no script runs: %s", guide, command)
			}
		}
		if len(commands) < atLeast {
			t.Errorf("%s: found %d commands", guide, len(commands))
		}
	}
}

package cluster_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	shellBlock = regexp.MustCompile("(?s)\n```sh\n(.*?)```\n")
	inProd     = regexp.MustCompile(`\bprod\b`)
)

// guide returns the commands below a heading of docs/running-aidbox.md.
func guide(t *testing.T, heading string) (commands []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/running-aidbox.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n"+heading+"\n")
	section, _, _ = strings.Cut(section, "\n##")
	for _, block := range shellBlock.FindAllStringSubmatch("\n"+section, -1) {
		for line := range strings.Lines(block[1]) {
			commands = append(commands, strings.TrimSpace(line))
		}
	}
	if len(commands) == 0 {
		t.Fatalf("the guide has no commands below %q", heading)
	}
	return commands
}

// follow runs the commands below a heading of the guide, in the namespace of the test.
// replace changes them further.
func (x *existingAidbox) follow(t *testing.T, heading string, replace ...string) {
	t.Helper()
	for _, command := range guide(t, heading) {
		command = strings.NewReplacer(replace...).Replace(inProd.ReplaceAllString(command, x.namespace))
		if strings.HasPrefix(command, "kubectl diff ") {
			command = "code=0; " + strings.Replace(command, " #", " || code=$? #", 1) + "\n[ $code -le 1 ]" // 1 is a difference
		}
		x.sh(t, command)
	}
}

// helm puts the real helm into the PATH, and the stand-in of the Aidbox chart into the
// folder of the test, where the guide's name of it finds it.
func (x *existingAidbox) helm(t *testing.T) {
	t.Helper()
	chart, err := filepath.Abs("../peers/chart")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(x.dir, "aidbox"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(chart, filepath.Join(x.dir, "aidbox", "aidbox")); err != nil {
		t.Fatal(err)
	}
	folder, err := exec.Command("../peers/build").Output()
	if err != nil {
		t.Fatal(err)
	}
	x.env = append(x.env, "PATH="+strings.TrimSpace(string(folder))+":"+os.Getenv("PATH"))
}

package cmd_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/cmd"
)

// everyCommand calls check for each command but cobra's own.
func everyCommand(c *cobra.Command, check func(*cobra.Command)) {
	check(c)
	for _, sub := range c.Commands() {
		if sub.Name() != "help" && sub.Name() != "completion" {
			everyCommand(sub, check)
		}
	}
}

func TestEveryHelpHasExamplesAndExitCodes(t *testing.T) {
	everyCommand(cmd.Root(), func(c *cobra.Command) {
		if !strings.Contains(c.Example, "secretctl") {
			t.Errorf("%s has no example", c.CommandPath())
		}
		if !strings.Contains(c.Long, "EXIT STATUS") {
			t.Errorf("%s does not tell its exit codes", c.CommandPath())
		}
	})
}

func TestExamplesAreCommandLinesThatParse(t *testing.T) {
	everyCommand(cmd.Root(), func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			line, _, _ = strings.Cut(line, "|")
			words := strings.Fields(line)
			if len(words) == 0 || words[0] != "secretctl" {
				continue
			}
			found, rest, err := cmd.Root().Find(words[1:])
			if err == nil {
				err = found.ParseFlags(rest)
			}
			if err == nil {
				err = found.ValidateArgs(found.Flags().Args())
			}
			if err != nil {
				t.Errorf("example %q of %s: %v", strings.TrimSpace(line), c.CommandPath(), err)
			}
		}
	})
}

func TestExitCodesAreDocumentedAsTheHelpHasThem(t *testing.T) {
	doc, err := os.ReadFile("../docs/exit-codes.md")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`(?m)^\s+(\d+)\s+(.+)$`)
	_, help, _ := strings.Cut(cmd.Root().Long, "EXIT STATUS")
	listed := codes.FindAllStringSubmatch(help, -1)
	if len(listed) != 6 {
		t.Fatalf("the help has %d exit codes", len(listed))
	}
	for _, m := range listed {
		if !strings.Contains(string(doc), "| "+m[1]+" | "+m[2]+" |") {
			t.Errorf("docs/exit-codes.md lacks %s: %s", m[1], m[2])
		}
	}
}

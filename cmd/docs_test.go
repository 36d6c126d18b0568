package cmd_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/cmd"
	"github.com/secretctl/secretctl/internal/hint"
)

// everyCommand calls check for each command but help.
func everyCommand(c *cobra.Command, check func(*cobra.Command)) {
	if c.IsAdditionalHelpTopicCommand() {
		return
	}
	check(c)
	for _, sub := range c.Commands() {
		if sub.Name() != "help" {
			everyCommand(sub, check)
		}
	}
}

func TestEveryHelpHasExamplesAndExitCodes(t *testing.T) {
	everyCommand(cmd.Root(), func(c *cobra.Command) {
		if len(c.Short) >= 60 {
			t.Errorf("%s: %q is too long for a list", c.CommandPath(), c.Short)
		}
		if !strings.Contains(c.Example, "secretctl") {
			t.Errorf("%s has no example", c.CommandPath())
		}
		if !strings.Contains(c.Long, "EXIT STATUS") {
			t.Errorf("%s does not tell its exit codes", c.CommandPath())
		}
		for _, twice := range []string{"all the same", "be found out", "left alone", "is the answer"} { // has to be read twice
			if strings.Contains(c.Long, twice) {
				t.Errorf("%s: rewrite %q", c.CommandPath(), twice)
			}
		}
	})
}

// examples returns the command lines of a command's examples, without what a shell
// does with them.
func examples(c *cobra.Command) (lines [][]string) {
	for line := range strings.Lines(c.Example) {
		line, _, _ = strings.Cut(strings.ReplaceAll(line, ">", "|"), "|")
		if words := strings.Fields(line); len(words) > 0 && words[0] == "secretctl" {
			lines = append(lines, words)
		}
	}
	return lines
}

// A script may add flags to an example: where its servers are, for instance.
func TestEveryExampleRunsInAScript(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var run strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range regexp.MustCompile(`(?m)^(?:! )?exec (secretctl .*)$`).FindAllStringSubmatch(string(text), -1) {
			run.WriteString("\n" + hint.OneLine(line[1]) + " ")
		}
	}
	everyCommand(cmd.Root(), func(c *cobra.Command) {
		for _, words := range examples(c) {
			if example := strings.Join(words, " "); !strings.Contains(run.String(), "\n"+example+" ") {
				t.Errorf("no script runs %s", example)
			}
		}
	})
}

func TestExamplesAreCommandLinesThatParse(t *testing.T) {
	everyCommand(cmd.Root(), func(c *cobra.Command) {
		for _, words := range examples(c) {
			found, rest, err := cmd.Root().Find(words[1:])
			if err == nil {
				err = found.ParseFlags(rest)
			}
			if err == nil {
				err = found.ValidateArgs(found.Flags().Args())
			}
			if err != nil {
				t.Errorf("example %q of %s: %v", strings.Join(words, " "), c.CommandPath(), err)
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

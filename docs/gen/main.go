// Command gen writes docs from the commands themselves, from the top of the
// repository. Without arguments it writes docs/cli, a page for each command, and the JSON
// Schema of the config file: make docs. With a folder and a date, as 2026-01-31T12:00:00Z, it writes there what a
// package brings along: man pages and the completion of each shell.
package main

import (
	"errors"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/secretctl/secretctl/cmd"
)

func main() {
	log.SetFlags(0)
	var err error
	switch args := os.Args[1:]; len(args) {
	case 0:
		err = errors.Join(pages("docs/cli"), writeSchema("docs"))
	case 2:
		err = packaged(args[0], args[1])
	default:
		err = errors.New("usage: gen, or gen FOLDER DATE")
	}
	if err != nil {
		log.Fatal(err)
	}
}

func pages(dir string) error {
	if err := empty(dir); err != nil {
		return err
	}
	root := cmd.Root()
	markdown(root, "### ")
	if err := doc.GenMarkdownTree(root, dir); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.md"))
	for _, file := range files {
		err = errors.Join(err, refer(file))
	}
	return err
}

func writeSchema(dir string) error {
	reference, err := os.ReadFile(filepath.Join(dir, "config.md"))
	if err != nil {
		return err
	}
	schema, err := configSchema(string(reference))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "secretctl.schema.json"), schema, 0o644) //nolint:gosec // docs, which everybody may read
}

var inherited = regexp.MustCompile("(?s)### Options inherited from parent commands\n\n```\n(.*?)```\n")

// refer has a page name where the global flags are, in place of repeating them.
func refer(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text = inherited.ReplaceAll(text, []byte("The [global flags](secretctl.md#options) can be given too.\n"))
	return os.WriteFile(file, text, 0o644) //nolint:gosec // docs, which everybody may read
}

func packaged(dir, date string) error {
	at, err := time.Parse(time.RFC3339, date)
	if err != nil {
		return err
	}
	man, completions := filepath.Join(dir, "man"), filepath.Join(dir, "completions")
	if err := errors.Join(empty(man), empty(completions)); err != nil {
		return err
	}
	root := cmd.Root()
	err = errors.Join(
		root.GenBashCompletionFileV2(filepath.Join(completions, "secretctl"), true),
		root.GenZshCompletionFile(filepath.Join(completions, "_secretctl")),
		root.GenFishCompletionFile(filepath.Join(completions, "secretctl.fish"), true),
		root.GenPowerShellCompletionFileWithDesc(filepath.Join(completions, "secretctl.ps1")),
	)
	if err != nil {
		return err
	}
	markdown(root, "# ")
	return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "secretctl", Manual: "secretctl", Date: &at}, man)
}

func empty(dir string) error {
	return errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755))
}

var (
	title = regexp.MustCompile(`(?m)^([A-Z]+(?: [A-Z]+)*)\n`)
	table = regexp.MustCompile(`(?m)^( {2}\S)`)
)

// markdown makes the texts of a command and those below it what the generators
// take them for: titles, and tables whose lines stay lines.
func markdown(c *cobra.Command, heading string) {
	c.DisableAutoGenTag = true // which has the date of today
	c.Long = table.ReplaceAllString(title.ReplaceAllString(c.Long, heading+"$1\n\n"), "  $1")
	for _, sub := range c.Commands() {
		markdown(sub, heading)
	}
}

// Command gen writes docs/cli, a page for each command, from the commands
// themselves. Run it from the top of the repository: make docs.
package main

import (
	"log"
	"os"

	"github.com/spf13/cobra/doc"

	"github.com/secretctl/secretctl/cmd"
)

const dir = "docs/cli"

func main() {
	if err := generate(); err != nil {
		log.Fatal(err)
	}
}

func generate() error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root := cmd.Root()
	root.DisableAutoGenTag = true
	return doc.GenMarkdownTree(root, dir)
}

package cmd

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/docs"
	"github.com/secretctl/secretctl/internal/verify"
)

func newExplain(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "explain [CHECK | GROUP]",
		Short: "Explain a check and how to fix it",
		Long: `Prints the section of docs/checks.md about a check: what it looks at, why it
fails, and how to fix that. Without a name, or with the name of a group, lists the
checks. Needs no config and no network.

` + exitCodes("the checks were explained", "", ""),
		Example: `  # List all checks
  secretctl explain

  # List the checks of one group
  secretctl explain mount

  # Explain one check
  secretctl explain mount/matches-store

  # Put the explanation into an issue or a chat
  secretctl explain auth/accepts-secret -o markdown`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return noArguments(cmd, args[1:])
			}
			return nil
		},
		ValidArgs: append(verify.Groups(), verify.IDs()...),
		RunE: a.run(func(_ context.Context, args []string) error {
			return a.explain(strings.Join(args, ""), output)
		}),
	}
	addOutput(cmd, &output, "text", "markdown", "json")
	return cmd
}

// checksReport is the JSON output, documented in docs/json.md.
type checksReport struct {
	SchemaVersion int              `json:"schemaVersion"`
	Checks        []explainedCheck `json:"checks"`
}

type explainedCheck struct {
	ID    string `json:"id"`
	Group string `json:"group"`
	Title string `json:"title"`
	Doc   string `json:"doc"`
	Text  string `json:"text"` // Markdown
}

// explain prints a section as it is written: its Markdown reads well on a terminal.
func (a *app) explain(name, output string) error {
	checks, err := verify.Find(name)
	if err != nil {
		return err
	}
	if output == "json" {
		r := checksReport{SchemaVersion: 1}
		for _, c := range checks {
			r.Checks = append(r.Checks, explainedCheck{c.ID, c.Group(), c.Title, c.Doc(), docs.Check(c.ID)})
		}
		return a.printJSON(r)
	}
	item, heading := "%-30s  %s\n", "%s: %s\n\n"
	if output == "markdown" {
		item, heading = "- `%s`: %s\n", "### `%s`: %s\n\n"
	}
	var text strings.Builder
	if section := docs.Check(name); section != "" {
		fmt.Fprintf(&text, heading+"%s\n\nRun it: `secretctl verify %s`\n", name, checks[0].Title, section, checks[0].Group())
	} else {
		for _, c := range checks {
			fmt.Fprintf(&text, item, c.ID, c.Title)
		}
	}
	return a.printFolded(func(w io.Writer) error {
		_, err := io.WriteString(w, text.String())
		return err
	})
}

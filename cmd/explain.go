package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/explain"
	"github.com/secretctl/secretctl/internal/verify"
)

func newExplain(a *app) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "explain [CHECK | GROUP]",
		Short: "Tell what a check asks, and what to do when it does not pass",
		Long: `Shows what docs/checks.md says of a check: what it looks at, why it does not pass,
and how to mend it. Without a name, or with that of a group, it lists the checks.
It takes no config and no network.

` + exitStatus,
		Example: `  secretctl explain
  secretctl explain mount
  secretctl explain mount/matches-store
  secretctl explain auth/accepts-secret -o markdown`,
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: append(verify.Groups(), verify.IDs()...),
		RunE: a.run(func(_ context.Context, args []string) error {
			return a.explain(strings.Join(args, ""), output)
		}),
	}
	addOutput(cmd, &output, "text", "markdown")
	return cmd
}

func (a *app) explain(name, output string) error {
	ids, err := verify.Find(name)
	if err != nil {
		return err
	}
	form := "%-27s  %s\n"
	if output == "markdown" {
		form = "- `%s`: %s\n"
	}
	var text strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&text, form, id, verify.Title(id))
	}
	if section, ok := explain.Section(name); ok {
		group, _, _ := strings.Cut(name, "/")
		text.Reset()
		if output == "markdown" {
			fmt.Fprintf(&text, "### `%s`\n\n%s\n`secretctl verify %s` runs it.\n", name, section, group)
		} else {
			fmt.Fprintf(&text, "%s: %s\n\n%s\nRun it: secretctl verify %s\n", name, verify.Title(name), explain.Text(section), group)
		}
	}
	_, err = fmt.Fprint(a.Out, text.String())
	return err
}

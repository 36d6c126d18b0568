package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/docs"
)

func newSchema(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Write the JSON Schema of the config file",
		Long: `Writes a JSON Schema (draft 2020-12) of the config file to stdout. With it editors
complete keys, show what they mean and mark mistakes. Those that use
yaml-language-server find it by the first line of the config:

  # yaml-language-server: $schema=./secretctl.schema.json

The schema knows keys, types and choices. What it cannot know, such as whether a
resource's secret exists, is reported by any command that reads the config.

` + exitCodes("the schema was printed", "", ""),
		Example: "  # Write the schema beside the config\n  secretctl config schema > secretctl.schema.json",
		Args:    noArguments,
		RunE: a.run(func(context.Context, []string) error {
			_, err := a.Out.Write(docs.Schema)
			return err
		}),
	}
}

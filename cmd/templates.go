package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/render"
)

func newTemplates(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "templates",
		Short: "Make templates of your own for render",
		Long: `Templates of your own, in a folder that render --templates names, take the place of
those of secretctl that have the same name. docs/render.md tells what they see.

` + exitStatus,
		Example: `  secretctl templates export deployment.yaml.tmpl
  secretctl render --templates templates`,
		Args: noSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTemplatesExport(a))
	return cmd
}

func newTemplatesExport(a *app) *cobra.Command {
	var dir string
	var force bool
	cmd := &cobra.Command{
		Use:   "export [NAME...]",
		Short: "Write secretctl's own templates into a folder",
		Long: `Writes the named templates, or all of them, into a folder, to be changed there. Keep
those that you change and delete the rest: what is not in the folder comes from
secretctl, and gets better with it. A file that is there and differs stays as it is.

` + exitStatus,
		Example: `  secretctl templates export --dir templates
  secretctl templates export deployment.yaml.tmpl configmap.yaml.tmpl
  secretctl templates export --force`,
		ValidArgsFunction: offer(render.Templates),
		RunE: a.run(func(_ context.Context, names []string) error {
			written, err := render.Export(dir, names, force)
			if err == nil {
				a.narrate("%s: %d templates written, %d unchanged", dir, len(written.Changed), len(written.Unchanged))
			}
			return err
		}),
	}
	cmd.Flags().StringVar(&dir, "dir", "templates", "the folder")
	cmd.Flags().BoolVar(&force, "force", false, "replace files that differ")
	return cmd
}

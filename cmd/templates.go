package cmd

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/render"
	"github.com/secretctl/secretctl/internal/verify"
)

func newTemplates(a *app) *cobra.Command {
	return newGroup("templates", "Manage your own templates for render", `Templates in a folder that render --templates names replace secretctl's own
templates of the same names. docs/render.md explains what they may use.`,
		`  # Get a template to change
  secretctl templates export deployment.yaml.tmpl

  # Render with it
  secretctl render --templates templates`,
		newTemplatesExport(a))
}

func newTemplatesExport(a *app) *cobra.Command {
	var dir, output string
	var force bool
	cmd := &cobra.Command{
		Use:   "export [NAME...]",
		Short: "Write secretctl's own templates into a folder",
		Long: `Writes the named templates, or all of them, into a folder. Change those that you
need and delete the others: render then uses secretctl's own, which improve with each
release. A file that exists and differs is not replaced without --force.

` + exitCodes("the templates were written", "", "a file could not be written"),
		Example: `  # Write all of them
  secretctl templates export --dir templates

  # Write two of them
  secretctl templates export deployment.yaml.tmpl configmap.yaml.tmpl

  # Replace files that were changed
  secretctl templates export --force`,
		ValidArgsFunction: offer(render.Templates),
		RunE: a.run(func(_ context.Context, names []string) error {
			written, err := render.Export(dir, names, force)
			if err != nil {
				return err
			}
			a.narrate("%s: %s written, %d unchanged", dir, verify.Count(len(written.Changed), "template"), len(written.Unchanged))
			if output != "json" {
				return nil
			}
			r := filesReport{1, []writtenFile{}}
			for _, name := range written.Changed {
				r.Files = append(r.Files, writtenFile{filepath.Join(dir, name), fileWritten})
			}
			for _, name := range written.Unchanged {
				r.Files = append(r.Files, writtenFile{filepath.Join(dir, name), fileUnchanged})
			}
			return a.printJSON(r)
		}),
	}
	cmd.Flags().StringVar(&dir, "dir", "templates", "folder to write into")
	cmd.Flags().BoolVar(&force, "force", false, "replace files that differ")
	addOutput(cmd, &output, "text", "json")
	return cmd
}

package cmd

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/render"
)

type renderOptions struct {
	only, skip []string
	dir        string
	output     string
}

func newRender(a *app) *cobra.Command {
	var o renderOptions
	cmd := &cobra.Command{
		Use:   "render",
		Short: "Write the Kubernetes manifests",
		Long: `Writes the ServiceAccount, SecretProviderClass, ConfigMap (the vault config) and
Deployment of each delivery to stdout, and nothing else. No server is asked and
no secret value is in them; the same config gives the same bytes.

` + exitStatus,
		Example: `  secretctl render | kubectl apply -f -
  secretctl render --only SecretProviderClass,ConfigMap
  secretctl render --dir manifests`,
		Args: cobra.NoArgs,
		RunE: a.run(func(_ context.Context, _ []string) error { return a.render(o) }),
	}
	cmd.Flags().StringSliceVar(&o.only, "only", nil, "these kinds only")
	cmd.Flags().StringSliceVar(&o.skip, "skip", nil, "all but these kinds")
	cmd.Flags().StringVar(&o.dir, "dir", "", "write a file per object and a kustomization.yaml into this folder instead")
	addOutput(cmd, &o.output, "yaml", "json")
	cmd.MarkFlagsMutuallyExclusive("only", "skip")
	return cmd
}

func (a *app) render(o renderOptions) error {
	all, err := a.deliveries()
	if err != nil {
		return err
	}
	var objects []render.Object
	for _, d := range all {
		more, err := render.Objects(d, render.Options{Only: o.only, Skip: o.skip})
		if err != nil {
			return err
		}
		objects = append(objects, more...)
	}
	if err := render.Collisions(objects); err != nil {
		return err
	}
	switch {
	case o.dir != "":
		return a.renderDir(o.dir, objects)
	case o.output == "json":
		return render.WriteJSON(a.Out, objects)
	default:
		return render.WriteYAML(a.Out, objects)
	}
}

func (a *app) renderDir(dir string, objects []render.Object) error {
	written, err := render.WriteDir(dir, objects)
	if err != nil {
		return err
	}
	for _, file := range written.Stale {
		a.narrate("warning: %s is of an earlier run: delete it if nothing uses it", filepath.Join(dir, file))
	}
	a.narrate("%s: %d files written, %d unchanged", dir, len(written.Changed), len(written.Unchanged))
	return nil
}

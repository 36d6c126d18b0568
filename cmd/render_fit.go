package cmd

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/render"
)

// addManifestFlags adds what changes the manifests, and so what they are compared with.
func addManifestFlags(cmd *cobra.Command, o *render.Options) {
	f := cmd.Flags()
	f.StringVar(&o.Templates, "templates", "", "a folder of templates that take the place of secretctl's own")
	f.BoolVar(&o.Patch, "patch", false, "a patch for the Deployment that is there already")
	f.StringVar(&o.Container, "container", "", "with --patch: what that Deployment calls Aidbox's container (default: aidbox)")
}

var errNoPatch = usagef("add --patch; the chart and secretctl's own Deployment call it aidbox", "--container is for --patch")

func addHelmFlags(cmd *cobra.Command, o *renderOptions) {
	f := cmd.Flags()
	f.BoolVar(&o.helmValues, "helm-values", false, "values for the Aidbox Helm chart, and nothing else")
	f.StringVar(&o.values, "values", "", "with --helm-values: your own values file, whose lists the values keep")
	_ = cmd.MarkFlagFilename("values", "yaml", "yml")
}

// check refuses flags that contradict each other, or would be without effect.
func (o renderOptions) check() error {
	chosen := len(o.Only)+len(o.Skip)+len(o.With) > 0
	switch {
	case o.Patch && o.helmValues:
		return usagef("a patch is for kustomize, values are for Helm", "--patch and --helm-values exclude each other")
	case o.Container != "" && !o.Patch:
		return errNoPatch
	case o.values != "" && !o.helmValues:
		return usagef("add --helm-values", "--values is for --helm-values")
	case o.helmValues && (chosen || o.dir != ""):
		return usagef("the other objects come from a run of their own: render --skip Deployment", "--helm-values prints values and nothing else: no --only, --skip, --with, --dir")
	case o.Patch && chosen && o.dir == "":
		return usagef("add --dir for the other objects", "--patch without --dir prints the patch alone: no --only, --skip, --with")
	case o.output == "json" && (o.dir != "" || o.Patch || o.helmValues):
		return usagef("leave it out", "-o json is for objects on stdout, and not for --dir, --patch, --helm-values")
	}
	return nil
}

func (a *app) renderValues(ctx context.Context, all []*config.Delivery, o renderOptions) error {
	if len(all) > 1 {
		return usagef("name one with --delivery: "+names(all), "values are for one release, and the config has %d deliveries", len(all))
	}
	if err := a.fillIn(ctx, all[0]); err != nil {
		return err
	}
	var own []byte
	if o.values != "" {
		var err error
		if own, err = os.ReadFile(o.values); err != nil {
			return &usageError{err, "name a file of values with --values"}
		}
	}
	values, err := render.HelmValues(all[0], o.Templates, own)
	if err != nil {
		return err
	}
	_, err = a.Out.Write(values)
	return err
}

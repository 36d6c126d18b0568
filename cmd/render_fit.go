package cmd

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/atomicfile"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/fhirclient"
	"github.com/secretctl/secretctl/internal/render"
)

// addManifestFlags adds what changes the manifests, and so what they are compared with.
func addManifestFlags(cmd *cobra.Command, o *render.Options) {
	f := cmd.Flags()
	f.StringSliceVar(&o.Skip, "skip", nil, "all but these kinds and groups")
	f.StringVar(&o.Templates, "templates", "", "a folder of templates that take the place of secretctl's own")
	f.StringSliceVar(&o.With, "with", nil, "these too: "+strings.Join(append(render.Groups(), render.WithInitBundle), ", "))
	f.BoolVar(&o.Patch, "patch", false, "the patch for the existing workload in place of the manifests, or with render --dir beside them")
	f.StringVar(&o.Container, "container", "", "with --patch: what the workload calls Aidbox's container (default: aidbox.workload.container)")
}

var errNoPatch = usagef("add --patch, or set aidbox.workload.container", "--container is for --patch")

func addHelmFlags(cmd *cobra.Command, o *renderOptions) {
	f := cmd.Flags()
	f.BoolVar(&o.helmValues, "helm-values", false, "values for the Aidbox Helm chart, and nothing else")
	f.StringVar(&o.values, "values", "", "with Helm values: your own values file, whose lists they keep")
	_ = cmd.MarkFlagFilename("values", "yaml", "yml")
}

// check refuses flags that contradict each other or would have no effect.
func (o renderOptions) check() error {
	chosen := len(o.Only)+len(o.Skip)+len(o.groups()) > 0
	switch {
	case o.Patch && o.helmValues:
		return usagef("a patch is for kustomize, values are for Helm", "--patch and --helm-values exclude each other")
	case o.Container != "" && !o.Patch:
		return errNoPatch
	case o.helmValues && (chosen || o.dir != ""):
		return usagef("the other objects come from a run of their own: render --skip Deployment", "--helm-values prints values and nothing else: no --only, --skip, --with, --dir")
	case o.Patch && chosen && o.dir == "":
		return usagef("add --dir for the other objects", "--patch without --dir prints the patch alone: no --only, --skip, --with")
	case o.Nudge && !o.Includes(render.GroupRBAC):
		return usagef("add --only rbac, or --with rbac", "--nudge is for the group rbac")
	case o.output == "json" && (o.dir != "" || o.Patch || o.helmValues):
		return usagef("leave it out", "-o json is for objects on stdout, and not for --dir, --patch, --helm-values")
	}
	return nil
}

// groups returns what --with names beside the Init Bundle, which goes into a patch and
// values too.
func (o renderOptions) groups() []string {
	return slices.DeleteFunc(slices.Clone(o.With), func(name string) bool { return strings.EqualFold(name, render.WithInitBundle) })
}

// withInitBundle adds the resources of a delivery to what is rendered, where they are
// asked for.
func withInitBundle(d *config.Delivery, o render.Options) (render.Options, error) {
	if !o.Includes(render.WithInitBundle) {
		return o, nil
	}
	if len(d.Resources) == 0 {
		return o, usagef("write them below resources, or leave --with "+render.WithInitBundle+" out", "delivery %q has no resources for an Init Bundle", d.Name)
	}
	var err error
	o.InitBundle, err = fhirclient.InitBundle(d)
	return o, err
}

// wantsValues says whether Helm values are written, and no objects: by the flag, or
// where Helm manages Aidbox and neither a flag nor --dir asks for the other objects.
func (o renderOptions) wantsValues(all []*config.Delivery) bool {
	managed := slices.ContainsFunc(all, func(d *config.Delivery) bool { return d.Aidbox.Workload.ManagedBy == config.ManagedByHelm })
	return o.helmValues || managed && !o.Patch && o.dir == "" && len(o.Only)+len(o.Skip)+len(o.groups()) == 0
}

// of returns the options for a delivery. A workload that Helm manages is left out, since
// it gets values.
func (o renderOptions) of(d *config.Delivery, options render.Options) render.Options {
	switch w := d.Aidbox.Workload; {
	case o.Patch && o.dir == "":
		options.Only = []string{w.Kind}
	case w.ManagedBy == config.ManagedByHelm && !o.Patch:
		options.Skip = append(slices.Clone(options.Skip), w.Kind)
	}
	return options
}

func (a *app) renderValues(ctx context.Context, all []*config.Delivery, o renderOptions) error {
	if len(all) > 1 {
		return usagef("name one with --delivery: "+names(all), "values are for one release, and the config has %d deliveries", len(all))
	}
	if o.output == "json" {
		return usagef("leave it out", "-o json is for objects, and not for values")
	}
	if err := a.fillIn(ctx, all[0], false); err != nil {
		return err
	}
	var own []byte
	if o.values != "" {
		var err error
		if own, err = atomicfile.Read(o.values); err != nil {
			return &usageError{err, "name a file of values with --values"}
		}
	}
	options, err := withInitBundle(all[0], o.Options)
	if err != nil {
		return err
	}
	values, err := render.HelmValues(all[0], options, own)
	if err != nil {
		return err
	}
	if !o.helmValues {
		a.narrate("note: these are values for the Aidbox chart, which manages %s; secretctl render --skip %s writes what they refer to", all[0].Aidbox.Workload, all[0].Aidbox.Workload.Kind)
	}
	a.warnOfLiterals(all[0], options)
	_, err = a.Out.Write(values)
	return err
}

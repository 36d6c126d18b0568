package cmd

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/render"
)

type renderOptions struct {
	render.Options
	dir, output string
	helmValues  bool
	values      string

	allowLoopback bool
}

func addRenderFlags(cmd *cobra.Command, o *renderOptions) {
	f := cmd.Flags()
	f.StringSliceVar(&o.Only, "only", nil, "these kinds and groups only")
	f.StringVar(&o.dir, "dir", "", "write a file per object and a kustomization.yaml into this folder instead")
	f.BoolVar(&o.allowLoopback, "allow-loopback", false, "allow a SecretProviderClass with an address of this machine, which no pod reaches")
	addManifestFlags(cmd, &o.Options)
	f.BoolVar(&o.helmValues, "helm-values", false, "values for the Aidbox Helm chart, and nothing else")
	f.StringVar(&o.values, "values", "", "with Helm values: your own values file, whose lists they keep")
	_ = cmd.MarkFlagFilename("values", "yaml", "yml")
	f.BoolVar(&o.Nudge, "nudge", false, "rbac: the right to patch pods too, for rotate --nudge")
	addOutput(cmd, &o.output, "yaml", "json")
	exclude(cmd, "only", "skip")
}

// addManifestFlags adds the flags that change the manifests; diff has them too.
func addManifestFlags(cmd *cobra.Command, o *render.Options) {
	f := cmd.Flags()
	f.StringSliceVar(&o.Skip, "skip", nil, "all but these kinds and groups")
	f.StringVar(&o.Templates, "templates", "", "a folder of templates that take the place of secretctl's own")
	f.StringSliceVar(&o.With, "with", nil, "these too: "+strings.Join(append(render.Groups(), render.WithInitBundle), ", "))
	f.BoolVar(&o.Patch, "patch", false, "the patch for the existing workload in place of the manifests, or with render --dir beside them")
	f.StringVar(&o.Container, "container", "", "with --patch: what the workload calls Aidbox's container (default: aidbox.workload.container)")
	f.StringVar(&o.Job.Image, "image", "", "verify-job, rotate-job: the image of secretctl (default: secretctl/secretctl of this version)")
	f.StringVar(&o.Job.Schedule, "schedule", "*/15 * * * *", "verify-job: when it runs, as cron has it")
	f.StringVar(&o.Job.AdminSecret, "admin-secret", "", "verify-job: the Kubernetes Secret with the admin Client's secret, as NAME/KEY; adds the checks of the group client")
}

var errNoPatch = hint.Usage("add --patch, or set aidbox.workload.container", "--container is for --patch")

// check refuses flags that contradict each other or would have no effect.
func (o renderOptions) check() error {
	chosen := len(o.Only)+len(o.Skip)+len(o.groups()) > 0
	switch {
	case o.Patch && o.helmValues:
		return hint.Usage("a patch is for kustomize, values are for Helm", "--patch and --helm-values exclude each other")
	case o.Container != "" && !o.Patch:
		return errNoPatch
	case o.helmValues && (chosen || o.dir != ""):
		return hint.Usage("the other objects come from a run of their own: render --skip Deployment", "--helm-values prints values and nothing else: no --only, --skip, --with, --dir")
	case o.Patch && chosen && o.dir == "":
		return hint.Usage("add --dir for the other objects", "--patch without --dir prints the patch alone: no --only, --skip, --with")
	case o.Nudge && !o.Includes(render.GroupRBAC):
		return hint.Usage("add --only rbac, or --with rbac", "--nudge is for the group rbac")
	case o.output == "json" && (o.dir != "" || o.Patch || o.helmValues):
		return hint.Usage("leave it out", "-o json is for objects on stdout, and not for --dir, --patch, --helm-values")
	}
	return nil
}

// groups returns the groups of --with. The Init Bundle is not one: it goes into a patch and
// into values too.
func (o renderOptions) groups() []string {
	return slices.DeleteFunc(slices.Clone(o.With), func(name string) bool { return strings.EqualFold(name, render.WithInitBundle) })
}

// wantsValues reports whether render writes Helm values instead of objects: by the flag, or
// if Helm manages Aidbox and no flag asks for the objects.
func (o renderOptions) wantsValues(all []*config.Delivery) bool {
	managed := slices.ContainsFunc(all, func(d *config.Delivery) bool { return d.Aidbox.Workload.ManagedBy == config.ManagedByHelm })
	return o.helmValues || managed && !o.Patch && o.dir == "" && len(o.Only)+len(o.Skip)+len(o.groups()) == 0
}

// of returns the options for a delivery. A workload that Helm manages is left out: it gets
// values.
func (o renderOptions) of(d *config.Delivery) render.Options {
	options := o.Options
	switch w := d.Aidbox.Workload; {
	case o.Patch && o.dir == "":
		options.Only = []string{w.Kind}
	case w.ManagedBy == config.ManagedByHelm && !o.Patch:
		options.Skip = append(slices.Clone(options.Skip), w.Kind)
	}
	return options
}

func rendersJob(o render.Options) bool {
	return o.Includes(render.GroupVerifyJob) || o.Includes(render.GroupRotateJob)
}

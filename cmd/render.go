package cmd

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/render"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/transport"
	"github.com/secretctl/secretctl/internal/verify"
)

type renderOptions struct {
	render.Options
	dir, output string
	helmValues  bool
	values      string

	allowLoopback bool
}

func newRender(a *app) *cobra.Command {
	var o renderOptions
	cmd := &cobra.Command{
		Use:   "render",
		Short: "Write the Kubernetes manifests",
		Long: `Writes the ServiceAccount, SecretProviderClass, ConfigMap (the vault config) and
workload (a Deployment or StatefulSet) of each delivery to stdout, and nothing else. No
secret value is in them, unless the config has one as it is, such as in aidbox.env,
which gets a warning; the same config gives the same bytes.

No server is asked, with one exception: where the config leaves azure.tenantID or
azure.identity.clientID empty, Azure is asked for it, and stderr says what it is.

For an existing Aidbox, aidbox.workload.managedBy selects the output: kustomize writes
a patch instead of the workload (with --dir, a component); helm writes values for the
Aidbox chart (add --skip Deployment to write the objects that they refer to). To
choose for one run, pass --patch, which prints only the patch, or --helm-values.

With --with init-bundle Aidbox gets the resources of the config when it starts: they
stand beside the vault config as an Init Bundle, and client apply is not needed.

Three groups of objects are written only where --with or --only names them:

  rbac        the Role and the ClusterRole that the other commands need; bind them to
              the user who runs secretctl (docs/rbac.md). rotate --nudge needs one more
              right, which --nudge adds
  verify-job  a CronJob that runs verify in the cluster, with its ConfigMap and the
              rights it needs (docs/operations-job.md)
  rotate-job  a CronJob that rotates the secrets that rotateJob names in the config, and
              follows them to every replica, with the ServiceAccount and the rights that
              are its own (docs/scheduled-rotation.md)

` + exitCodes("the manifests were written", "", "a file could not be written, or Azure could not be asked"),
		Example: `  # Apply everything
  secretctl render | kubectl apply -f -

  # Write a folder for kustomize: a component where it manages Aidbox
  secretctl render --dir manifests

  # Write values for the Aidbox chart, and keep the lists of your own
  secretctl render --helm-values --values values.yaml

  # Use templates of your own
  secretctl render --templates templates

  # Write the rights that the other commands need, and those of rotate --nudge too
  secretctl render --only rbac
  secretctl render --only rbac --nudge

  # Have Aidbox make the Client when it starts
  secretctl render --with init-bundle

  # Add CronJobs that verify the delivery, and rotate secrets
  secretctl render --with verify-job,rotate-job --aidbox-url https://aidbox.example`,
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return o.check() },
		RunE:    a.run(func(ctx context.Context, _ []string) error { return a.render(ctx, o) }),
	}
	addRenderFlags(cmd, &o)
	return cmd
}

func addRenderFlags(cmd *cobra.Command, o *renderOptions) {
	cmd.Flags().StringSliceVar(&o.Only, "only", nil, "these kinds and groups only")
	cmd.Flags().StringVar(&o.dir, "dir", "", "write a file per object and a kustomization.yaml into this folder instead")
	cmd.Flags().BoolVar(&o.allowLoopback, "allow-loopback", false, "allow a SecretProviderClass with an address of this machine, which no pod reaches")
	addManifestFlags(cmd, &o.Options)
	addHelmFlags(cmd, o)
	addJobFlags(cmd, &o.Job)
	cmd.Flags().BoolVar(&o.Nudge, "nudge", false, "rbac: the right to patch pods too, for rotate --nudge")
	addOutput(cmd, &o.output, "yaml", "json")
	cmd.MarkFlagsMutuallyExclusive("only", "skip")
}

func (a *app) render(ctx context.Context, o renderOptions) error {
	all, err := a.deliveries()
	if err != nil {
		return err
	}
	if o.wantsValues(all) {
		return a.renderValues(ctx, all, o)
	}
	if o.values != "" {
		return usagef("add --helm-values, or set aidbox.workload.managedBy: helm", "--values is for Helm values")
	}
	var objects []render.Object
	options := o.Options
	job := options.Includes(render.GroupVerifyJob) || options.Includes(render.GroupRotateJob)
	if job {
		if err := a.completeJob(&options.Job); err != nil {
			return err
		}
	}
	for _, d := range all {
		a.warnOfLiterals(d, options)
		if job {
			if err := a.checkJob(d, options); err != nil {
				return err
			}
		}
		if err := a.fillIn(ctx, d, options.Includes(render.GroupRotateJob)); err != nil {
			return err
		}
		of, err := withInitBundle(d, o.of(d, options))
		if err != nil {
			return err
		}
		more, err := render.Objects(d, a.provider(d), of)
		if err != nil {
			return err
		}
		if !o.allowLoopback {
			if err := a.checkLoopback(d, more); err != nil {
				return err
			}
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

// warnOfLiterals says where the config has a secret as it is, which the manifests repeat.
func (a *app) warnOfLiterals(d *config.Delivery, o render.Options) {
	for _, e := range d.Aidbox.Env {
		if a.sanitizer.Repeats(e.Value) {
			a.narrate("warning: %saidbox.env: %s has a secret as it is, and the manifests repeat it; refer to it with valueFrom or envFrom instead", a.of(d), e.Name)
		}
	}
	if !o.Includes(render.WithInitBundle) {
		return
	}
	for _, r := range d.Resources {
		if a.repeatsSecret(r.Body) {
			a.narrate("warning: %sthe body of %s/%s has a secret as it is, and the Init Bundle repeats it; refer to it below secrets instead", a.of(d), r.Type, r.ID)
		}
	}
}

// checkLoopback refuses a SecretProviderClass by which the provider of the CSI driver
// would look for the store in its own pod.
func (a *app) checkLoopback(d *config.Delivery, objects []render.Object) error {
	if !slices.ContainsFunc(objects, func(o render.Object) bool { return o.Kind == "SecretProviderClass" }) {
		return nil
	}
	p := a.provider(d)
	for _, class := range p.Classes(d) {
		for _, parameter := range class.Parameters {
			if transport.Loopback(parameter.Value) {
				return usagef(fmt.Sprintf("set %s.csiAddress to where pods reach %s, or pass --allow-loopback", p.Name, p.Title),
					"%s%s.csiAddress is %s, which is this machine: no pod reaches it there", a.of(d), p.Name, parameter.Value)
			}
		}
	}
	return nil
}

// fillIn looks up the settings that the config leaves empty, and those of the rotate job
// where that is rendered.
func (a *app) fillIn(ctx context.Context, d *config.Delivery, rotateJob bool) error {
	p := a.provider(d)
	fills := []func(context.Context, *config.Delivery, store.Options) ([]store.Found, error){p.FillIn}
	if rotateJob && d.RotateJob != nil {
		fills = append(fills, p.FillInRotateJob)
	}
	for _, fill := range fills {
		if fill == nil {
			continue
		}
		found, err := fill(ctx, d, a.storeOptions(d, store.Options{}))
		for _, f := range found {
			a.narrate("note: looked up: %s%s is %s (%s)", a.of(d), f.Setting, f.Value, f.From)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *app) renderDir(dir string, objects []render.Object) error {
	written, err := render.WriteDir(dir, objects)
	if err != nil {
		return err
	}
	for _, file := range written.Stale {
		a.narrate("warning: %s is left from an earlier run: delete it if nothing uses it", filepath.Join(dir, file))
	}
	a.narrate("%s: %s written, %d unchanged", dir, verify.Count(len(written.Changed), "file"), len(written.Unchanged))
	return nil
}

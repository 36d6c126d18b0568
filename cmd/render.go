package cmd

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/render"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/verify"
)

func newRender(a *app) *cobra.Command {
	var o renderOptions
	cmd := &cobra.Command{
		Use:   "render",
		Short: "Write the Kubernetes manifests",
		Long: `Writes the ServiceAccount, SecretProviderClass, ConfigMap (the vault config) and
workload (a Deployment or StatefulSet) of each delivery to stdout, and nothing else. They
contain no secret value, unless the config itself contains one, such as in aidbox.env:
then render warns about it. The same config always gives the same bytes.

render asks no server, with one exception: if azure.tenantID or azure.identity.clientID
is empty in the config, it asks Azure for it and prints the answer to stderr.

For an existing Aidbox, aidbox.workload.managedBy selects the output: kustomize writes
a patch instead of the workload (with --dir, a component); helm writes values for the
Aidbox chart (add --skip Deployment to write the objects that they refer to). To
choose for one run, pass --patch, which prints only the patch, or --helm-values.

With --with init-bundle, Aidbox creates the resources of the config when it starts, from
an Init Bundle in the same ConfigMap, and client apply is not needed.

Three groups of objects are written only if --with or --only names them:

  rbac        the Role and the ClusterRole that the other commands need; bind them to
              the user who runs secretctl (docs/rbac.md). rotate --nudge needs one more
              right, which --nudge adds
  verify-job  a CronJob that runs verify in the cluster, with its ConfigMap and the
              rights it needs (docs/operations-job.md)
  rotate-job  a CronJob that rotates the secrets that rotateJob names in the config, and
              follows them to every replica, with a ServiceAccount and rights of its own
              (docs/scheduled-rotation.md)

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
		Args:    noArguments,
		PreRunE: func(*cobra.Command, []string) error { return o.check() },
		RunE:    a.run(func(ctx context.Context, _ []string) error { return a.render(ctx, o) }),
	}
	addRenderFlags(cmd, &o)
	return cmd
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
		return hint.Usage("add --helm-values, or set aidbox.workload.managedBy: helm", "--values is for Helm values")
	}
	if rendersJob(o.Options) {
		if err := a.completeJob(&o.Job); err != nil {
			return err
		}
	}
	var objects []render.Object
	for _, d := range all {
		more, err := a.renderOne(ctx, d, o)
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

func (a *app) renderOne(ctx context.Context, d *config.Delivery, o renderOptions) ([]render.Object, error) {
	a.warnOfLiterals(d, o.Options)
	if rendersJob(o.Options) {
		if err := a.checkJob(d, o.Options); err != nil {
			return nil, err
		}
	}
	if err := a.fillIn(ctx, d, o.Includes(render.GroupRotateJob)); err != nil {
		return nil, err
	}
	options, err := withInitBundle(d, o.of(d))
	if err != nil {
		return nil, err
	}
	objects, err := render.Objects(d, a.provider(d), options)
	if err == nil && !o.allowLoopback {
		err = a.checkLoopback(d, objects)
	}
	return objects, err
}

// fillIn looks up the settings that the config leaves empty, and those of the rotate job if
// that is rendered.
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

package cmd

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/diff"
	"github.com/secretctl/secretctl/internal/drift"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/render"
)

type diffOptions struct {
	only, ignore []string
	render       render.Options
	output       string
}

func newDiff(a *app) *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "Show drift between config, cluster, store and Aidbox",
		Long: `Compares the config with what is deployed, and changes nothing:

  cluster  the objects that render writes: what applying them would change
  store    the values, and the pod's right to read them: what provision would change
  aidbox   the resources and AccessPolicies: what client apply would change

A "+" marks what is absent, "~" what differs, and "?" what could not be compared. Secret
values are compared and never shown; of environment variables and of fields of Aidbox
resources, only the names are shown. Fields that others have added to an object in the
cluster are not differences, and neither are the labels of Argo CD and Helm. --ignore
leaves out more, such as spec.replicas if an autoscaler sets it. Pass the flags of render
that change the manifests, such as --with, to diff too.

Without a configured cluster, diff skips that part with a note, unless --only names it.
Without azure.subscriptionID, it skips the identity and the role assignment.

` + exitCodes("no differences in what was compared", "there are differences", "a part could not be compared, even if another one differs"),
		Example: `  # Show all differences
  secretctl diff

  # Compare with the cluster of another context
  secretctl diff --only cluster --context staging

  # Compare store and Aidbox, and report as JSON
  secretctl diff --only store,aidbox -o json

  # Leave out what an autoscaler sets
  secretctl diff --ignore spec.replicas

  # Compare a patch with the Deployment that it is for
  secretctl diff --only cluster --patch --container web`,
		Args: noArguments,
		RunE: a.run(func(ctx context.Context, _ []string) error { return a.diff(ctx, o) }),
	}
	cmd.Flags().StringSliceVar(&o.only, "only", nil, "compare these parts only: "+strings.Join(diffParts, ", "))
	_ = cmd.RegisterFlagCompletionFunc("only", offer(diffOptions{}.parts))
	cmd.Flags().StringArrayVar(&o.ignore, "ignore", nil, "leave out the differences at this path, as diff prints it, and below")
	addManifestFlags(cmd, &o.render)
	addOutput(cmd, &o.output, "text", "json")
	return cmd
}

var diffParts = []string{"cluster", "store", "aidbox"}

func (a *app) diff(ctx context.Context, o diffOptions) error {
	for _, part := range o.only {
		if !slices.Contains(diffParts, part) {
			return hint.Usage("must be one of: "+strings.Join(diffParts, ", "), "--only %q is unknown", part)
		}
	}
	if o.render.Container != "" && !o.render.Patch {
		return errNoPatch
	}
	if rendersJob(o.render) {
		if err := a.completeJob(&o.render.Job); err != nil {
			return err
		}
	}
	all, err := a.deliveries()
	if err != nil {
		return err
	}
	done, err := each(ctx, fleet{app: a, title: "diff", all: all}, func(d *config.Delivery) (work[drift.Delivery], error) {
		return a.diffOne(ctx, d, o)
	})
	var compared []drift.Delivery
	for _, o := range done {
		if o.result.Name != "" {
			compared = append(compared, o.result)
		}
	}
	return join(err, a.printDiff(drift.NewReport(compared, a.problem(err)), o), answer(drift.NewReport(compared, nil)))
}

// parts returns the parts to compare, in their order.
func (o diffOptions) parts() []string {
	if len(o.only) == 0 {
		return diffParts
	}
	return slices.DeleteFunc(slices.Clone(diffParts), func(part string) bool { return !slices.Contains(o.only, part) })
}

// answer returns the error that decides the exit code.
func answer(r drift.Report) error {
	switch r.Status {
	case drift.Different:
		return &noError{errReported}
	case drift.Unknown:
		return errReported
	}
	return nil
}

func (a *app) printDiff(r drift.Report, o diffOptions) error {
	var err error
	a.cleanDiff(r)
	if o.output == "json" {
		err = a.printJSON(r)
	} else {
		err = a.printFolded(func(w io.Writer) error { return drift.WriteText(w, r) })
	}
	equal, all := r.Count()
	if all == 0 {
		return err
	}
	switch r.Status {
	case drift.Equal:
		a.summarize("no differences: %d of %d objects are equal", equal, all)
	case drift.Different:
		a.summarize("differences found: %d of %d objects are equal", equal, all)
	default:
		a.summarize("not everything could be compared: of what was, %d of %d objects are equal", equal, all)
	}
	return err
}

// cleanDiff cleans the text that came from cluster, store and Aidbox.
func (a *app) cleanDiff(r drift.Report) {
	for _, d := range r.Deliveries {
		for i := range d.Parts {
			p := &d.Parts[i]
			p.Detail, p.Hint = a.clean(p.Detail), a.clean(a.onlyFor(d.Name, p.Hint))
			for i := range p.Objects {
				o := &p.Objects[i]
				o.Name, o.Detail, o.Hint = a.clean(o.Name), a.clean(o.Detail), a.clean(a.onlyFor(d.Name, o.Hint))
				a.cleanFields(o.Fields)
			}
		}
	}
}

// cleanFields hides the values of fields that repeat a secret value, one by one or together.
func (a *app) cleanFields(fields []diff.Field) {
	var before, after []string
	for i := range fields {
		f := &fields[i]
		f.Path = a.clean(f.Path)
		if a.sanitizer.Repeats(string(f.Before)) || a.sanitizer.Repeats(string(f.After)) {
			f.Before, f.After, f.Hidden = nil, nil, true
		}
		before, after = append(before, string(f.Before)), append(after, string(f.After))
	}
	spread := a.sanitizer.Spread(before...) || a.sanitizer.Spread(after...)
	for i := range fields {
		f := &fields[i]
		if spread {
			f.Before, f.After, f.Hidden = nil, nil, true
		}
		f.Before, f.After = escapeUnseen(f.Before), escapeUnseen(f.After)
	}
}

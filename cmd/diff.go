package cmd

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/diff"
	"github.com/secretctl/secretctl/internal/render"
)

type diffOptions struct {
	only   []string
	render render.Options
	output string
}

func newDiff(a *app) *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "Show where cluster, store and Aidbox are not as the config says",
		Long: `Compares the config with what there is, and changes nothing:

  cluster  each object that render writes, with what the API server says that
           applying it would change (so defaults are no difference)
  store    the secrets' values, and the pod's right to read them (policy and role;
           identity and role assignment): what provision would change
  aidbox   the resources and AccessPolicies: what client apply would change

No value of a secret is shown, only whether it is equal. Of environment variables
and of fields of Aidbox resources only the names that differ are shown. What is
absent is listed with "+", what differs with "~", what could not be found out with
"?". What others have added to an object of the cluster is no difference. A value
that comes from standard input is read, as for provision. --templates, --patch and
--container are those of render: give them if it got them.

Without a configured cluster that part is left out with a note, unless --only names
it. So are identity and role assignment without azure.subscriptionID.

EXIT STATUS
  0    no differences in what was compared
  1    there are differences
  2    usage or config error; nothing was attempted
  3    some part could not be found out, whatever the others say
  124  --timeout passed
  130  interrupted`,
		Example: `  secretctl diff
  secretctl diff --only cluster --context staging
  secretctl diff --only store,aidbox -o json
  secretctl diff --only cluster --patch --container web`,
		Args: cobra.NoArgs,
		RunE: a.run(func(ctx context.Context, _ []string) error { return a.diff(ctx, o) }),
	}
	cmd.Flags().StringSliceVar(&o.only, "only", nil, "compare these parts only: "+strings.Join(diffParts, ", "))
	_ = cmd.RegisterFlagCompletionFunc("only", offerList(func() []string { return diffParts }))
	addManifestFlags(cmd, &o.render)
	addOutput(cmd, &o.output, "text", "json")
	return cmd
}

var diffParts = []string{"cluster", "store", "aidbox"}

func (a *app) diff(ctx context.Context, o diffOptions) error {
	for _, part := range o.only {
		if !slices.Contains(diffParts, part) {
			return usagef("it is one of "+strings.Join(diffParts, ", "), "--only %q is unknown", part)
		}
	}
	if o.render.Container != "" && !o.render.Patch {
		return errNoPatch
	}
	all, err := a.deliveries()
	if err != nil {
		return err
	}
	done, err := each(ctx, fleet{app: a, title: "diff", all: all}, func(d *config.Delivery) (work[diff.Delivery], error) {
		return a.diffOne(ctx, d, o)
	})
	var compared []diff.Delivery
	for _, o := range done {
		if o.result.Name != "" {
			compared = append(compared, o.result)
		}
	}
	return join(err, a.printDiff(diff.NewReport(compared, (*diff.Failure)(a.problem(err))), o), answer(diff.NewReport(compared, nil)))
}

// parts returns the parts to compare, in their order.
func (o diffOptions) parts() []string {
	if len(o.only) == 0 {
		return diffParts
	}
	return slices.DeleteFunc(slices.Clone(diffParts), func(part string) bool { return !slices.Contains(o.only, part) })
}

// answer returns what decides the exit code.
func answer(r diff.Report) error {
	switch r.Status {
	case diff.Different:
		return &noError{errReported}
	case diff.Unknown:
		return errReported
	}
	return nil
}

func (a *app) printDiff(r diff.Report, o diffOptions) error {
	var err error
	if o.output == "json" {
		err = printJSON(a.Out, r)
	} else {
		err = diff.WriteText(a.Out, r)
	}
	equal, all := r.Count()
	a.narrate("%s: %d of %d objects are equal", map[diff.State]string{
		diff.Equal: "no differences", diff.Different: "there are differences", diff.Unknown: "not everything could be found out",
	}[r.Status], equal, all)
	return err
}

package cmd

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/diff"
)

type diffOptions struct {
	only   []string
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
  store    the secrets' values, the policy, the role: what provision would change
  aidbox   the resources and AccessPolicies: what client apply would change

No value of a secret is shown, only whether it is equal. Of environment variables
and of fields of Aidbox resources only the names that differ are shown. What is
absent is listed with "+", what differs with "~", what could not be found out with
"?". What others have added to an object of the cluster is no difference. A value
that comes from standard input is read, as for provision.

Without a configured cluster that part is left out with a note, unless --only names
it. The same holds for the store of a provider that cannot be asked.

EXIT STATUS
  0    no differences in what was compared
  1    there are differences
  2    usage or config error; nothing was attempted
  3    some part could not be found out, whatever the others say
  124  --timeout passed
  130  interrupted`,
		Example: `  secretctl diff
  secretctl diff --only cluster --context staging
  secretctl diff --only store,aidbox -o json`,
		Args: cobra.NoArgs,
		RunE: a.run(func(ctx context.Context, _ []string) error { return a.diff(ctx, o) }),
	}
	cmd.Flags().StringSliceVar(&o.only, "only", nil, "compare these parts only: "+strings.Join(diffParts, ", "))
	_ = cmd.RegisterFlagCompletionFunc("only", cobra.FixedCompletions(diffParts, cobra.ShellCompDirectiveNoFileComp))
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
	all, err := a.deliveries()
	if err != nil {
		return err
	}
	var deliveries []diff.Delivery
	for _, d := range all {
		var compared diff.Delivery
		compared, err = a.diffOne(ctx, d, o)
		deliveries = append(deliveries, compared)
		if err != nil {
			break
		}
	}
	failed := ""
	if err != nil {
		failed = oneLine(err)
	}
	return errors.Join(err, a.printDiff(diff.NewReport(deliveries, failed), o))
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
	switch {
	case err != nil:
		return err
	case r.Status == diff.Different:
		return &noError{errReported}
	case r.Status == diff.Unknown:
		return errReported
	}
	return nil
}

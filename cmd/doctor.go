package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/verify"
)

func newDoctor(a *app) *cobra.Command {
	var o reportOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check prerequisites",
		Long: `Looks at what a delivery stands on, also before anything of it is installed:

  cluster  the API server, the Secrets Store CSI driver, whether it rotates, its
           provider and CRDs, the tokens that it hands out
  store    it answers, it has the secrets, and the pod may read them: this does the
           login that the pod will do, with a short-lived token of its
           ServiceAccount, and gives the store's token back
  aidbox   it answers, and is new enough to read secrets from files

Nothing is written. What cannot be found out is unknown, with what to do about it;
the other checks run all the same. verify runs the same checks by the names of their
groups, and docs/checks.md tells of each what it means.

` + exitCodes("every prerequisite is met", "a prerequisite is missing", "a prerequisite could not be checked"),
		Example: `  secretctl doctor
  secretctl doctor --context staging -o short
  secretctl doctor --json-file doctor.json
  secretctl verify cluster store`,
		Args: cobra.NoArgs,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			var reports []verify.DeliveryReport
			all, err := a.deliveries()
			if err == nil {
				reports, err = a.checkAll(ctx, all, checkup{title: "doctor", groups: verify.Prerequisites()})
			}
			return a.report(o, reports, err)
		}),
	}
	o.reportFiles.addFlags(cmd)
	return cmd
}

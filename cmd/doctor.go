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
		Long: `Checks the prerequisites of a delivery, also before anything is installed:

  cluster  the API server, the Secrets Store CSI driver and its rotation, the store's
           provider, the CRDs, and the tokens that the driver requests
  store    the store is reachable, has the secrets, and lets the pod read them:
           doctor logs in as the pod does, with a short-lived token of its
           ServiceAccount, and revokes the store's token
  aidbox   Aidbox is reachable, and recent enough to read secrets from files

Writes nothing. A check that cannot be run is unknown, with a hint; the others still
run. "secretctl verify cluster store aidbox" runs the same checks.

` + exitCodes("every prerequisite is met", "a prerequisite is missing", "a prerequisite could not be checked"),
		Example: `  # Check all prerequisites
  secretctl doctor

  # Check another cluster, one line per problem
  secretctl doctor --context staging -o short

  # Also write the report as JSON
  secretctl doctor --json-file doctor.json

  # Run two of the groups
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

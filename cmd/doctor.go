package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/verify"
)

func newDoctor(a *app) *cobra.Command {
	var o reportFiles
	var fromNode bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check prerequisites",
		Long: `Checks the prerequisites of a delivery, even before anything is installed:

  cluster  the API server, the Secrets Store CSI driver and its rotation, the store's
           provider, the CRDs, and the tokens that the driver requests
  store    the store is reachable, has the secrets, and lets the pod read them:
           doctor logs in as the pod does, with a short-lived token of its
           ServiceAccount, and revokes the store's token
  aidbox   Aidbox is reachable, and recent enough to read secrets from files

The managed identity of a node works only on that node, so doctor cannot try this login
and reports it as unknown. With --from-node, a temporary pod with Aidbox's ServiceAccount
mounts the secrets on a node of the cluster; this works for every store. The pod runs
nothing, pulls no image, and is deleted at once, or by the next run if this one is killed.

Apart from that, doctor only reads. A check that cannot be run is unknown, with a hint;
the others still run. "secretctl verify cluster store aidbox" runs the same checks.

` + exitCodes("every prerequisite is met", "a prerequisite is missing", "a prerequisite could not be checked"),
		Example: `  # Check all prerequisites
  secretctl doctor

  # Check another cluster, one line per problem
  secretctl doctor --context staging -o short

  # Have a pod try the login, as the node makes it
  secretctl doctor --from-node

  # Also write the report as JSON
  secretctl doctor --json-file doctor.json

  # Run two of the groups
  secretctl verify cluster store`,
		Args: noArguments,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			if err := o.writable(); err != nil {
				return err
			}
			var reports []verify.DeliveryReport
			all, err := a.deliveries()
			if err == nil {
				reports, err = a.checkAll(ctx, all, checkup{title: "doctor", selected: verify.Prerequisites(), fromNode: fromNode})
			}
			return a.report(o, reports, err)
		}),
	}
	o.addFlags(cmd)
	cmd.Flags().BoolVar(&fromNode, "from-node", false, "try the pod's login with a temporary pod that mounts the secrets")
	return cmd
}

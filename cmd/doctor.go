package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/verify"
)

func newDoctor(a *app) *cobra.Command {
	var o reportOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what is missing before the secrets can be delivered",
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

` + exitStatus,
		Example: `  secretctl doctor
  secretctl doctor --context staging -o short
  secretctl doctor --json-file doctor.json
  secretctl verify cluster store`,
		Args: cobra.NoArgs,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			var reports []verify.DeliveryReport
			err := a.doctor(ctx, &reports)
			return a.report(o, reports, err)
		}),
	}
	cmd.Flags().StringVar(&o.jsonFile, "json-file", "", "also write the report as JSON to this file")
	cmd.Flags().StringVar(&o.junitFile, "junit-file", "", "also write the report as JUnit XML to this file")
	addOutput(cmd, &o.output, verify.Formats()...)
	return cmd
}

func (a *app) doctor(ctx context.Context, reports *[]verify.DeliveryReport) error {
	all, err := a.deliveries()
	if err != nil {
		return err
	}
	for _, d := range all {
		report, err := a.doctorOne(ctx, d)
		if report.Name != "" {
			*reports = append(*reports, report)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *app) doctorOne(ctx context.Context, d *config.Delivery) (verify.DeliveryReport, error) {
	w, err := a.worldOf(ctx, d, reportOptions{}, verify.StandingGroups())
	if err != nil {
		return verify.DeliveryReport{}, err
	}
	p := a.startProgress("doctor " + d.Name)
	defer p.end()
	return verify.Run(ctx, d, w, verify.Options{
		Groups:   verify.StandingGroups(),
		Progress: func(e verify.Event) { p.set("doctor "+d.Name+": "+e.ID, 0) },
	})
}

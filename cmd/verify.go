package cmd

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/verify"
)

type verifyOptions struct {
	checkOptions
	all    bool
	secret string
}

func newVerify(a *app) *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify [GROUP | CHECK...]",
		Short: "Verify that secrets are mounted and accepted",
		Long: `Verifies that the secrets are mounted, accepted by Aidbox, and safe to rotate.

By default, runs the read-only groups workload, mount, client and auth. The groups
scope and rotation write to Aidbox and to the store; name them, or pass --all, to
run them.

` + checkGroups + `

With --target pod, secretctl reads the files inside the container of every replica.
A check is skipped if one that it depends on did not pass; all others run.
"secretctl explain CHECK" explains a check and how to fix it.

` + exitCodes("every check passed", "a check failed", "no check failed, but one could not be run: unreachable, refused"),
		Example: `  # Check everything that can be checked without writing
  secretctl verify

  # Check two groups, one line per problem
  secretctl verify mount auth -o short

  # Run a single check, and those that it needs
  secretctl verify mount/matches-store

  # Look into the pods of another cluster
  secretctl verify --context staging --target pod

  # Run every group, and write reports for a CI system
  secretctl verify --all --junit-file report.xml --html-file report.html

  # Show the results as the summary of a GitHub Actions step
  secretctl verify -o github >> "$GITHUB_STEP_SUMMARY"

  # Rotate one secret, and follow it to every replica
  secretctl verify rotation --secret client-secret`,
		ValidArgsFunction: offer(func() []string { return append(verify.Groups(), verify.IDs()...) }),

		RunE: a.run(func(ctx context.Context, groups []string) error { return a.verify(ctx, o, groups) }),
	}
	o.addFlags(cmd)
	cmd.Flags().BoolVar(&o.all, "all", false, "run every group, including those that write")
	cmd.Flags().StringVar(&o.secret, "secret", "", "the secret to rotate (default: the canary)")
	return cmd
}

func (a *app) verify(ctx context.Context, o verifyOptions, names []string) error {
	if err := o.writable(); err != nil {
		return err
	}
	reports, err := a.verifyAll(ctx, o, names)
	if err == nil && !slices.ContainsFunc(reports, anyChecks) {
		err = hint.Usage("add the Client that uses a secret to resources, or name other groups, such as mount",
			"nothing to check: the config has no resource for %s", strings.Join(names, " and "))
	}
	return a.report(o.reportFiles, reports, err)
}

func (a *app) verifyAll(ctx context.Context, o verifyOptions, names []string) ([]verify.DeliveryReport, error) {
	selected, err := verify.Select(names, o.all)
	if err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	all, err := a.deliveries()
	if err != nil {
		return nil, err
	}
	c := checkup{title: "verify", selected: selected, named: verify.GroupsOf(names), rotateOptions: rotateOptions{checkOptions: o.checkOptions}}
	if o.secret != "" {
		d, err := oneDelivery(all, o.secret)
		if err != nil {
			return nil, err
		}
		all = []*config.Delivery{d}
	} else if slices.Contains(c.named, groupRotation) && !slices.ContainsFunc(all, hasCanary) {
		return nil, hint.Usage("name a secret with --secret, or set canary: true in the config, apply it, and rotate that", "nothing to rotate: the config has no canary")
	}
	if c.checks(groupRotation) {
		c.rotated = func(d *config.Delivery) []config.Secret { return secretNamed(d, cmp.Or(o.secret, d.CanarySecret())) }
	}
	return a.checkAll(ctx, all, c)
}

func hasCanary(d *config.Delivery) bool { return len(secretNamed(d, d.CanarySecret())) > 0 }

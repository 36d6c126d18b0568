package cmd

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/verify"
)

// reportOptions is where the checks look and how their report comes out; verify
// and rotate share it.
type reportOptions struct {
	target, mountPath, vaultConfig string
	deadline                       time.Duration
	nudge                          bool
	reportFiles
	jwtFile string
}

func (o *reportOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.target, "target", "", "where the mount is: pod (every replica in the cluster), local (this machine); default: pod where a cluster is configured")
	addEnum(cmd, "target", &o.target, targetPod, targetLocal, "")
	f.StringVar(&o.mountPath, "mount-path", "", "the mount on this machine (default: mountPath of the config)")
	f.StringVar(&o.vaultConfig, "vault-config", "", "the vault config on this machine (default: "+config.VaultConfigFile+")")
	f.DurationVar(&o.deadline, "rotation-deadline", 0, "how long a rotated value may take to be mounted (default: what the driver that is found takes at most; local 4m)")
	f.BoolVar(&o.nudge, "nudge", false, "annotate the pods after a rotation, so that kubelet syncs them at once")
	f.StringVar(&o.jwtFile, "vault-jwt-file", "", "where there is no Vault token, log in as the pod does, with the ServiceAccount's token in this file")
	o.reportFiles.addFlags(cmd)
}

// Where the mount is.
const (
	targetPod   = "pod"
	targetLocal = "local"
)

// checkTarget refuses what does not go with the target.
func (o reportOptions) checkTarget() error {
	switch {
	case o.target == targetPod && o.here():
		return usagef("leave out --mount-path and --vault-config, or use --target local", "--target pod looks at no path of this machine")
	case o.nudge && (o.target == targetLocal || o.target == "" && o.here()):
		return usagef("leave it out, or use --target pod", "--nudge is about pods")
	}
	return nil
}

// here says whether paths of this machine are named.
func (o reportOptions) here() bool { return o.mountPath != "" || o.vaultConfig != "" }

// targetOf returns the target that was asked for, or the one that fits a delivery:
// this machine where its paths are named or no cluster is configured, else the pods.
func (a *app) targetOf(d *config.Delivery, o reportOptions) string {
	switch {
	case o.target != "":
		return o.target
	case o.here() || !cluster.Configured(a.clusterOf(d)):
		return targetLocal
	}
	return targetPod
}

type verifyOptions struct {
	reportOptions
	all    bool
	secret string
}

func newVerify(a *app) *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify [GROUP...]",
		Short: "Prove that the secrets are mounted and accepted",
		Long: `Runs the checks of these groups, without a name workload, mount, client and auth:

  cluster   what a delivery stands on in the cluster: the driver, its provider, CRDs
  store     the store has the secrets, and the pod may log in and read them
  aidbox    Aidbox answers and is new enough
  workload  the cluster has what the delivery says, and every replica runs
  mount     the files are there, readable, and equal to the store
  client    the resources exist and hold references, no literal secrets
  auth      Aidbox accepts the secret and rejects a wrong and an empty one
  scope     a Client outside the scope cannot use the secret (makes one, deletes it)
  rotation  a new value arrives, is accepted, the old one is not (writes to the store)

With --target pod the files are read inside the container of every replica, which
alone proves what is there. Every check that is not blocked by another one runs. docs/checks.md tells of each
what it means and how to mend it.

` + exitCodes("every check passed", "a check failed", "no check failed, but one could not be run: unreachable, refused"),
		Example: `  secretctl verify
  secretctl verify mount auth -o short
  secretctl verify --context staging --target pod
  secretctl verify --all --junit-file report.xml --html-file report.html
  secretctl verify -o github >> "$GITHUB_STEP_SUMMARY"
  secretctl verify rotation --secret client-secret`,
		ValidArgsFunction: offer(verify.Groups),

		RunE: a.run(func(ctx context.Context, groups []string) error { return a.verify(ctx, o, groups) }),
	}
	o.addFlags(cmd)
	cmd.Flags().BoolVar(&o.all, "all", false, "run every group, also those that write")
	cmd.Flags().StringVar(&o.secret, "secret", "", "the secret that the rotation group rotates (default: the canary)")
	return cmd
}

// The groups and checks that cmd has to prepare for.
const (
	groupAidbox   = "aidbox"
	groupWorkload = "workload"
	groupClient   = "client"
	groupScope    = "scope"
	groupRotation = "rotation"

	checkStoreUpdated = "rotation/store-updated"
)

func (a *app) verify(ctx context.Context, o verifyOptions, names []string) error {
	reports, err := a.verifyAll(ctx, o, names)
	return a.report(o.reportOptions, reports, err)
}

func (a *app) verifyAll(ctx context.Context, o verifyOptions, names []string) ([]verify.DeliveryReport, error) {
	groups, err := verify.Select(names, o.all)
	if err != nil {
		return nil, err
	}
	if err := o.checkTarget(); err != nil {
		return nil, err
	}
	all, err := a.deliveries()
	if err != nil {
		return nil, err
	}
	if o.secret != "" {
		d, _, err := oneDelivery(all, o.secret)
		if err != nil {
			return nil, err
		}
		all = []*config.Delivery{d}
	}
	c := checkup{title: "verify", groups: groups, named: names, options: o.reportOptions}
	if slices.Contains(groups, groupRotation) {
		c.rotated = func(d *config.Delivery) (config.Secret, bool) {
			if o.secret == "" {
				return d.Secret(d.CanarySecret()) // where it has one
			}
			return d.Secret(o.secret)
		}
	}
	return a.checkAll(ctx, all, c)
}

// checkup is what is checked of each delivery.
type checkup struct {
	title     string
	groups    []string // or the IDs of single checks
	named     []string // those of the groups that were asked for by name
	options   reportOptions
	rotated   func(*config.Delivery) (config.Secret, bool) // what is rotated, if anything; may be nil
	generate  bool                                         // the new value, whatever the secret's source
	writeOnly bool                                         // the new value, and look at nothing but the store
}

// checkAll does a checkup on deliveries. What kept one of several from it is in its
// report.
func (a *app) checkAll(ctx context.Context, all []*config.Delivery, c checkup) ([]verify.DeliveryReport, error) {
	done, err := each(ctx, fleet{app: a, title: c.title, all: all}, func(d *config.Delivery) (work[verify.DeliveryReport], error) {
		return a.check(ctx, d, c)
	})
	var reports []verify.DeliveryReport
	for _, o := range done {
		r := o.result
		if r.Name == "" && !a.several {
			continue
		}
		if r.Name, r.Checks = o.delivery.Name, append([]verify.Result{}, r.Checks...); o.err != nil && a.several {
			r.Error = (*verify.SetupError)(a.problem(o.err))
		}
		reports = append(reports, r)
	}
	return reports, err
}

// check prepares the checkup of a delivery.
func (a *app) check(ctx context.Context, d *config.Delivery, c checkup) (work[verify.DeliveryReport], error) {
	c.options.target = a.targetOf(d, c.options)
	if c.options.target == targetLocal {
		if slices.Contains(c.named, groupWorkload) {
			return nil, usagef("leave it out, or use --target pod", "the group %s is about a cluster", groupWorkload)
		}
		c.groups = slices.DeleteFunc(slices.Clone(c.groups), func(g string) bool { return g == groupWorkload })
	}
	deps, err := a.dependencies(ctx, d, c)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, p *progress) (verify.DeliveryReport, error) {
		o := verify.Options{Groups: c.groups, Progress: func(check string, deadline time.Duration) { p.set("waiting for "+check, deadline) }}
		if c.rotated != nil {
			if s, ok := c.rotated(d); ok {
				var err error
				if o.Rotation, err = a.newRotation(ctx, d, s, deps.Store, c); err != nil {
					return verify.DeliveryReport{}, err
				}
			}
		}
		return verify.Run(ctx, d, deps, o)
	}, nil
}

package cmd

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/verify"
)

// reportOptions says where the checks look and how to write their report; verify and
// rotate share it.
type reportOptions struct {
	target, mountPath, vaultConfig string
	deadline                       time.Duration
	nudge                          bool
	parallel                       int
	reportFiles
	jwtFile string
}

func (o *reportOptions) addFlags(cmd *cobra.Command) {
	o.addTarget(cmd)
	f := cmd.Flags()
	f.StringVar(&o.vaultConfig, "vault-config", "", "the vault config on this machine (default: "+config.VaultConfigFile+")")
	f.DurationVar(&o.deadline, "rotation-deadline", 0, "how long a rotated value may take to reach the mount (default: computed from the driver's settings; 4m with --target local)")
	f.BoolVar(&o.nudge, "nudge", false, "annotate the pods after a rotation, so that the kubelet syncs them at once")
	o.reportFiles.addFlags(cmd)
}

// addTarget adds the flags that say where and how to look at the mount, and as whom the
// store is read.
func (o *reportOptions) addTarget(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.target, "target", "", "where to look at the mount: pod (every replica in the cluster) or local (this machine); default: pod if a cluster is configured")
	addEnum(cmd, "target", &o.target, targetPod, targetLocal, "")
	f.StringVar(&o.mountPath, "mount-path", "", "the mount on this machine (default: mountPath of the config)")
	f.IntVar(&o.parallel, "parallel", defaultParallel, "look into at most this many pods, and check this many Clients, at the same time")
	f.StringVar(&o.jwtFile, "vault-jwt-file", "", "without a Vault token, log in as the pod does, with the ServiceAccount's token in this file")
}

// defaultParallel is how many looks into pods a cluster takes without notice.
const defaultParallel = 16

// Where to look at the mount.
const (
	targetPod   = "pod"
	targetLocal = "local"
)

// check refuses flags that contradict the target or mean nothing, and files that could
// not be written.
func (o reportOptions) check() error {
	switch {
	case o.parallel < 1:
		return usagef("the default is 16", "--parallel must be at least 1")
	case o.deadline < 0:
		return usagef("write it like 90s or 4m", "--rotation-deadline must not be below zero")
	case o.target == targetPod && o.here():
		return usagef("omit --mount-path and --vault-config, or use --target local", "--mount-path and --vault-config need --target local")
	case o.nudge && (o.target == targetLocal || o.target == "" && o.here()):
		return usagef("omit it, or use --target pod", "--nudge needs --target pod")
	}
	return o.writable()
}

// here reports whether paths of this machine are named.
func (o reportOptions) here() bool { return o.mountPath != "" || o.vaultConfig != "" }

// targetOf returns the requested target, or the one that fits a delivery: this machine
// if its paths are named or no cluster is configured, otherwise the pods. What writes
// takes this machine only if it is told to.
func (a *app) targetOf(d *config.Delivery, c checkup) (string, error) {
	o := c.options
	switch {
	case o.target != "":
		return o.target, nil
	case o.here():
		return targetLocal, nil
	case cluster.Configured(a.clusterOf(d)):
		return targetPod, nil
	case c.rotates(d) && !c.writeOnly:
		return "", usagef("set KUBECONFIG, or give --kubeconfig and --context; or follow it in the mount on this machine with --target local",
			"no cluster is configured, so nothing would show the rotation")
	}
	return targetLocal, nil
}

type verifyOptions struct {
	reportOptions
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

// checkGroups says what each group of checks is about.
const checkGroups = `  cluster   the prerequisites in the cluster: the driver, its provider, its CRDs
  store     the store has the secrets, and the pod can log in and read them
  aidbox    Aidbox is reachable and recent enough
  workload  the cluster has what the config says, and every replica runs
  mount     the files exist, are readable, and equal the store's values
  client    the resources exist and hold references, not literal secrets
  auth      Aidbox accepts the secret and rejects a wrong and an empty one
  scope     a Client outside the scope cannot use the secret (creates and deletes one)
  rotation  a new value arrives and is accepted, and the old one is rejected (writes
            to the store)`

// The groups and checks that cmd has to prepare for.
const (
	groupAidbox   = "aidbox"
	groupMount    = "mount"
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
	selected, err := verify.Select(names, o.all)
	if err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	groups := verify.GroupsOf(selected)
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
	} else if slices.Contains(verify.GroupsOf(names), groupRotation) && !slices.ContainsFunc(all, hasCanary) {
		return nil, usagef("name a secret with --secret, or set canary: true in the config, apply it, and rotate that", "nothing to rotate: the config has no canary")
	}
	c := checkup{title: "verify", groups: groups, selected: selected, named: verify.GroupsOf(names), options: o.reportOptions}
	if slices.Contains(groups, groupRotation) {
		c.rotated = func(d *config.Delivery) []config.Secret { // the canary, if it has one
			return secretNamed(d, cmp.Or(o.secret, d.CanarySecret()))
		}
	}
	return a.checkAll(ctx, all, c)
}

func hasCanary(d *config.Delivery) bool {
	_, has := d.Secret(d.CanarySecret())
	return has
}

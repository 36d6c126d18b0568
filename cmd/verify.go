package cmd

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/verify"
)

// reportOptions is where the checks look and how their report comes out; verify
// and rotate share it.
type reportOptions struct {
	target, mountPath, vaultConfig string
	deadline                       time.Duration
	nudge                          bool
	output, jsonFile, junitFile    string
	jwtFile                        string
	publishOptions
}

func (o *reportOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.target, "target", "", "where the mount is: pod (every replica in the cluster), local (this machine); default: pod where a cluster is configured")
	addEnum(cmd, "target", &o.target, targetPod, targetLocal, "")
	f.StringVar(&o.mountPath, "mount-path", "", "the mount on this machine (default: mountPath of the config)")
	f.StringVar(&o.vaultConfig, "vault-config", "", "the vault config on this machine (default: "+config.VaultConfigFile+")")
	f.DurationVar(&o.deadline, "rotation-deadline", 0, "how long a rotated value may take to be mounted (default: what the driver that is found takes at most; local 4m)")
	f.BoolVar(&o.nudge, "nudge", false, "annotate the pods after a rotation, so that kubelet syncs them at once")
	f.StringVar(&o.jsonFile, "json-file", "", "also write the report as JSON to this file")
	f.StringVar(&o.junitFile, "junit-file", "", "also write the report as JUnit XML to this file")
	f.StringVar(&o.jwtFile, "vault-jwt-file", "", "where there is no Vault token, log in as the pod does, with the ServiceAccount's token in this file")
	o.publishOptions.addFlags(cmd)
	addOutput(cmd, &o.output, verify.Formats()...)
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

` + exitStatus,
		Example: `  secretctl verify
  secretctl verify mount auth -o short
  secretctl verify --context staging --target pod
  secretctl verify --all --junit-file report.xml
  secretctl verify rotation --secret client-secret`,
		ValidArgs: verify.Groups(),
		RunE:      a.run(func(ctx context.Context, groups []string) error { return a.verify(ctx, o, groups) }),
	}
	o.addFlags(cmd)
	cmd.Flags().BoolVar(&o.all, "all", false, "run every group, also those that write")
	cmd.Flags().StringVar(&o.secret, "secret", "", "the secret that the rotation group rotates (default: the canary)")
	return cmd
}

// The groups whose checks cmd has to prepare for.
const (
	groupWorkload = "workload"
	groupClient   = "client"
	groupScope    = "scope"
	groupRotation = "rotation"
)

func (a *app) verify(ctx context.Context, o verifyOptions, names []string) error {
	if err := a.checkPublish(o.publishOptions); err != nil {
		return err
	}
	var reports []verify.DeliveryReport
	err := a.verifyAll(ctx, o, names, &reports)
	return a.report(o.reportOptions, reports, err)
}

func (a *app) verifyAll(ctx context.Context, o verifyOptions, names []string, reports *[]verify.DeliveryReport) error {
	groups, err := verify.Select(names, o.all)
	if err != nil {
		return err
	}
	if o.target, err = a.chooseTarget(o.reportOptions); err != nil {
		return err
	}
	if o.target == targetLocal {
		if slices.Contains(names, groupWorkload) {
			return usagef("leave it out, or use --target pod", "the group %s is about a cluster", groupWorkload)
		}
		groups = slices.DeleteFunc(groups, func(g string) bool { return g == groupWorkload })
	}
	all, err := a.deliveries()
	if err != nil {
		return err
	}
	if o.secret != "" {
		d, _, err := oneDelivery(all, o.secret)
		if err != nil {
			return err
		}
		all = []*config.Delivery{d}
	}
	for _, d := range all {
		var rotation *verify.Rotation
		if name := rotatedSecret(d, o.secret); name != "" && slices.Contains(groups, groupRotation) {
			s, _ := d.Secret(name)
			if rotation, err = a.newRotation(ctx, d, s, o.reportOptions, false); err != nil {
				return err
			}
		}
		if err := a.check(ctx, d, o.reportOptions, groups, rotation, reports); err != nil {
			return err
		}
	}
	return nil
}

func rotatedSecret(d *config.Delivery, named string) string {
	if named == "" && d.Canary {
		return d.CanarySecret()
	}
	return named
}

// check runs the groups for a delivery and adds its report to the others.
func (a *app) check(ctx context.Context, d *config.Delivery, o reportOptions, groups []string, r *verify.Rotation, reports *[]verify.DeliveryReport) error {
	world, err := a.worldOf(ctx, d, o, groups)
	if err != nil {
		return err
	}
	p := a.startProgress("verify " + d.Name)
	defer p.end()
	report, err := verify.Run(ctx, d, world, verify.Options{
		Groups: groups, Rotation: r,
		Progress: func(e verify.Event) { p.set("waiting for "+e.ID+" "+e.Subject, e.Deadline) },
	})
	*reports = append(*reports, report)
	return err
}

// world connects the checks to the store, Aidbox and the mount.
func (a *app) world(ctx context.Context, d *config.Delivery, o reportOptions, groups []string) (verify.World, error) {
	local := verify.Local{Dir: o.mountPath, VaultConfig: o.vaultConfig}
	w := verify.World{
		Source: func(ctx context.Context, s config.Secret) (secret.Value, error) {
			return a.inputs.Read(ctx, s.Value, s.Name)
		},
	}
	if o.target == targetPod {
		var err error
		if w.Cluster, err = a.kubernetes(d); err != nil {
			return w, err
		}
		a.narrate("note: looks into the pods of Deployment %s/%s at %s", d.Namespace, d.Aidbox.Deployment, w.Cluster.Host())
		w.ProbeAt, w.TokenAt = a.eachPod(ctx, d, w.Cluster)
	} else {
		a.narrate("note: looks at the mount on this machine, %s", cmp.Or(o.mountPath, d.MountPath))
		w.Mounts = []verify.Mount{local.Mount(d)}
	}
	store, err := a.store(d)
	switch {
	case err == nil:
		w.Stored, w.Put = store.Get, store.Put
		if vault, ok := store.(*provision.Vault); ok {
			w.LogIn = logIn(vault)
		}
	case errors.Is(err, provision.ErrNoToken) && o.jwtFile != "":
		if w.Stored, err = a.storeAsPod(d, o.jwtFile); err != nil {
			return w, err
		}
	case errors.Is(err, provision.ErrNoToken):
		a.narrate("note: there is no Vault token, so the store is not asked")
		if vault, err := provision.NewVault(d, provision.VaultOptions{Anonymous: true, AllowHTTP: a.allowHTTP, Log: a.log()}); err == nil {
			w.LogIn = logIn(vault) // the pod has a token of its own
		}
	default:
		return w, err
	}
	asAdmin := slices.Contains(groups, groupClient) || slices.Contains(groups, groupScope)
	aidbox, err := a.aidboxFor(ctx, d, asAdmin)
	if err != nil {
		return w, err
	}
	w.Probe, w.Token, w.Health = aidbox.Probe, aidbox.Token, aidbox.Health
	if asAdmin {
		w.References = aidbox.References
		w.ApplyResource = func(ctx context.Context, r config.Resource) error { _, err := aidbox.Apply(ctx, r); return err }
		w.DeleteResource = func(ctx context.Context, resourceType, id string) error {
			_, err := aidbox.Delete(ctx, resourceType, id)
			return err
		}
	}
	return w, nil
}

package cmd

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/verify"
)

type rotateOptions struct {
	checkOptions
	canary, generate, noVerify, dryRun, follow, due bool
}

func newRotate(a *app) *cobra.Command {
	var o rotateOptions
	cmd := &cobra.Command{
		Use:   "rotate NAME | --canary | --due [NAME...]",
		Short: "Rotate a secret and follow it to Aidbox",
		Long: `Writes a new value of a secret to the store, then follows it: every replica mounts
it, Aidbox accepts it and rejects the old value, and no replica restarts.

The new value comes from the secret's own source, which must return another value than
the stored one. With --generate, the new value is random, and the next provision
restores the source's value.

Before it writes, secretctl checks that it can follow the new value: every running
replica has the stored value, Aidbox accepts it, and the driver rotates. If a rotation
is interrupted or times out, --follow watches the newest version to the end and writes
nothing; another rotate would write another version.

With --canary, rotates a secret and a Client that "canary: true" in the config adds
for this purpose, so that no real credential changes.

With --due, rotates each secret whose value is older than its maxAge in the config. A
secret that is named and has no maxAge is rotated whatever its age. If the last rotation
of a secret has not arrived yet, --due follows that one and does not write. If a secret
does not arrive, the remaining ones are not rotated. docs/scheduled-rotation.md shows how
to run it as a CronJob.

` + exitCodes("the new value was written, and every check passed", "a check failed", "the value could not be written, or a check could not be run"),
		Example: `  # Write the new value from the secret's source, and follow it
  secretctl rotate client-secret

  # Show what would be written, to which replicas, and by when
  secretctl rotate client-secret --dry-run

  # Watch the newest version arrive, without writing
  secretctl rotate client-secret --follow

  # Have the kubelet sync the pods at once
  secretctl rotate client-secret --nudge

  # Test the rotation without changing a real credential
  secretctl rotate --canary

  # Rotate what is older than its maxAge, and follow what has not arrived
  secretctl rotate --due

  # Write a random value, and follow nothing
  secretctl rotate client-secret --generate --no-verify`,
		Args: func(_ *cobra.Command, args []string) error {
			if !o.due && ((len(args) == 1) == o.canary || len(args) > 1) {
				return hint.Usage("secretctl rotate NAME, secretctl rotate --canary, or secretctl rotate --due", "name one secret, or pass --canary or --due")
			}
			return nil
		},
		ValidArgsFunction: a.offerOf(secretNames),

		RunE: a.run(func(ctx context.Context, args []string) error { return a.rotate(ctx, o, args) }),
	}
	addRotateFlags(cmd, &o)
	return cmd
}

func addRotateFlags(cmd *cobra.Command, o *rotateOptions) {
	o.addFlags(cmd)
	cmd.Flags().BoolVar(&o.canary, "canary", false, "rotate the canary")
	cmd.Flags().BoolVar(&o.generate, "generate", false, "use a random value, not the secret's source")
	cmd.Flags().BoolVar(&o.noVerify, "no-verify", false, "only write the new value, and do not follow it")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "check and show what would be written, and write nothing")
	cmd.Flags().BoolVar(&o.follow, "follow", false, "write nothing, and follow the newest version")
	cmd.Flags().BoolVar(&o.due, "due", false, "rotate what is older than its maxAge, and follow what has not arrived")
	for _, with := range []string{"dry-run", "no-verify", "generate", "due"} {
		exclude(cmd, "follow", with)
	}
	exclude(cmd, "due", "canary")
	exclude(cmd, "due", "no-verify")
}

func (a *app) rotate(ctx context.Context, o rotateOptions, args []string) error {
	if err := o.writable(); err != nil {
		return err
	}
	all, rotated, err := a.toRotate(o, args)
	var reports []verify.DeliveryReport
	if err == nil {
		c := checkup{title: "rotate", selected: []string{groupRotation}, rotateOptions: o, rotated: rotated}
		if o.noVerify || o.dryRun {
			c.selected = []string{checkStoreUpdated}
		}
		reports, err = a.checkAll(ctx, all, c)
	}
	return a.report(o.reportFiles, reports, err)
}

// toRotate returns the deliveries to rotate secrets of, and which secrets: the canaries,
// those that may be due, or those that are named.
func (a *app) toRotate(o rotateOptions, args []string) ([]*config.Delivery, func(*config.Delivery) []config.Secret, error) {
	if err := o.check(); err != nil {
		return nil, nil, err
	}
	all, err := a.deliveries()
	if err != nil {
		return nil, nil, err
	}
	rotated := map[*config.Delivery][]config.Secret{}
	for i, name := range args {
		d, err := oneDelivery(all, name)
		if err != nil {
			return nil, nil, err
		}
		if !slices.Contains(args[:i], name) {
			rotated[d] = append(rotated[d], secretNamed(d, name)...)
		}
	}
	for _, d := range all {
		switch {
		case o.canary && d.Canary:
			rotated[d] = secretNamed(d, d.CanarySecret())
		case o.due && len(args) == 0:
			rotated[d] = slices.DeleteFunc(slices.Clone(d.Secrets), func(s config.Secret) bool { return s.DueAfter() == 0 })
		}
	}
	all = slices.DeleteFunc(all, func(d *config.Delivery) bool { return len(rotated[d]) == 0 })
	switch {
	case len(all) > 0:
	case o.canary:
		return nil, nil, hint.Usage("set canary: true, then run provision, render and client apply", "the config has no canary")
	default:
		return nil, nil, hint.Usage("set maxAge of a secret, such as 90d, or name what to rotate", "no secret of the config has a maxAge")
	}
	return all, func(d *config.Delivery) []config.Secret { return rotated[d] }, nil
}

// sameTarget returns the flags with which another command looks into the same mount or
// cluster.
func (a *app) sameTarget(o checkOptions) (flags string) {
	add := func(flag, value string) {
		if value != "" {
			flags += " " + flag + " " + secret.ShellWord(value)
		}
	}
	add("--mount-path", o.mountPath)
	add("--vault-config", o.vaultConfig)
	add("--kubeconfig", a.kubeconfig)
	add("--context", a.kubeContext)
	if o.target == targetLocal && o.mountPath == "" {
		add("--target", targetLocal)
	}
	return flags
}

// rotationOf says how to rotate a secret; nothing is written yet.
func (a *app) rotationOf(ctx context.Context, d *config.Delivery, s config.Secret, from store.Store, c checkup) (*verify.Rotation, error) {
	again := secret.Shellf("secretctl rotate %s --follow", s.Name) + a.sameTarget(c.checkOptions)
	r := &verify.Rotation{
		Secret: s.Name, WriteOnly: c.noVerify, DryRun: c.dryRun, Follow: c.follow, Due: c.due, MaxAge: s.DueAfter(),
		Deadline: c.deadline, Nudge: c.nudge && c.target == targetPod,
		Again: again,
		Noted: func(note string) { a.narrate("warning: %s%s", a.of(d), note) },
		Renew: func(ctx context.Context) (secret.Value, error) { return a.newValue(ctx, d, s, from, c.generate) },
		Written: func(version string) {
			what := "a new version of " + s.Name + " may be in the store"
			if version != "" {
				what = fmt.Sprintf("version %s of %s is in the store", version, s.Name)
			}
			a.goOn.Delete("")
			a.goOn.Store(d.Name+"/"+s.Name, a.onlyFor(d.Name, what+"; watch it arrive, without writing: "+again))
		},
	}
	if _, again := a.rotated.LoadOrStore(d.StoredAs(s), true); again { // another delivery shares it
		r.Follow, r.Due = true, false
	}
	if a.wroteNothing() {
		a.goOn.Store("", "nothing was written: run it again")
	}
	var err error
	if !r.Follow && !c.due { // for due, the check calls Renew
		r.New, err = r.Renew(ctx)
	}
	return r, err
}

// wroteNothing reports whether no rotation of this run has advised how to go on.
func (a *app) wroteNothing() bool {
	nothing := true
	a.goOn.Range(func(any, any) bool { nothing = false; return false })
	return nothing
}

// newValue returns the new value of a secret, which its source must have changed.
func (a *app) newValue(ctx context.Context, d *config.Delivery, s config.Secret, from store.Store, generate bool) (secret.Value, error) {
	old, _, err := from.Get(ctx, s)
	if err != nil {
		return old, fmt.Errorf("secret %q: %w", s.Name, err)
	}
	source := s.Value
	if generate && source.Generate == nil {
		source = secret.Source{Generate: &secret.Generate{}}
	}
	if source.IsZero() {
		return old, hint.Usage("give it one in the config, or use --generate", "secret %q has no source for a new value", s.Name)
	}
	value, err := a.inputs.Read(ctx, source, s.Name)
	if err != nil {
		return value, fmt.Errorf("secret %q: %w", s.Name, err)
	}
	if _, err := s.InFile(value); err != nil {
		return value, hint.Usage("give it such a value", "secret %q: the new value %v", s.Name, err)
	}
	if value.Equal(old) {
		return value, hint.Usage("put the new value there first, or use --generate", "secret %q: %s still gives the value that is stored", s.Name, source)
	}
	if source.Generate != nil && s.Value.Generate == nil && !s.Value.IsZero() {
		a.narrate("warning: %s%s: the next provision puts back what %s gives", a.of(d), s.Name, s.Value)
	}
	return value, nil
}

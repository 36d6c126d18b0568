package cmd

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/verify"
)

type rotateOptions struct {
	reportOptions
	canary, generate, noVerify bool
}

func newRotate(a *app) *cobra.Command {
	var o rotateOptions
	cmd := &cobra.Command{
		Use:   "rotate NAME | --canary",
		Short: "Give a secret a new value and see it arrive",
		Long: `Writes a new value of the secret to the store, then watches it arrive: mounted,
accepted by Aidbox, the old value rejected, nothing restarted.

The value comes from the secret's own source. A source that still gives the stored
value is an error; with --generate a random value is made instead, and the next
provision would put the source's value back. --canary rotates a secret and a
Client that "canary: true" in the config makes for the purpose, so that no real
credential changes.

` + exitStatus,
		Example: `  secretctl rotate client-secret
  secretctl rotate client-secret --nudge
  secretctl rotate --canary
  secretctl rotate client-secret --generate --no-verify`,
		Args: func(_ *cobra.Command, args []string) error {
			if (len(args) == 1) == o.canary || len(args) > 1 {
				return usagef("secretctl rotate NAME, or secretctl rotate --canary", "name one secret, or give --canary")
			}
			return nil
		},
		RunE: a.run(func(ctx context.Context, args []string) error { return a.rotate(ctx, o, args) }),
	}
	o.addFlags(cmd)
	cmd.Flags().BoolVar(&o.canary, "canary", false, "rotate the canary of the config")
	cmd.Flags().BoolVar(&o.generate, "generate", false, "make a random value instead of asking the secret's source")
	cmd.Flags().BoolVar(&o.noVerify, "no-verify", false, "only write the new value")
	return cmd
}

func (a *app) rotate(ctx context.Context, o rotateOptions, args []string) error {
	if err := a.checkPublish(o.publishOptions); err != nil {
		return err
	}
	var reports []verify.DeliveryReport
	err := a.rotateOne(ctx, o, args, &reports)
	if o.noVerify {
		return err
	}
	return a.report(o.reportOptions, reports, err)
}

func (a *app) rotateOne(ctx context.Context, o rotateOptions, args []string, reports *[]verify.DeliveryReport) error {
	all, err := a.deliveries()
	if err != nil {
		return err
	}
	if o.target, err = a.chooseTarget(o.reportOptions); err != nil {
		return err
	}
	name := all[0].CanarySecret()
	if !o.canary {
		name = args[0]
	} else if !slices.ContainsFunc(all, func(d *config.Delivery) bool { return d.Canary }) {
		return usagef("add it, then run provision, render and client apply", "the config has no canary: true")
	}
	d, s, err := oneDelivery(all, name)
	if err != nil {
		return err
	}
	rotation, err := a.newRotation(ctx, d, s, o.reportOptions, o.generate)
	if err != nil {
		return err
	}
	if o.noVerify {
		return a.put(ctx, d, s, rotation.New)
	}
	return a.check(ctx, d, o.reportOptions, []string{groupRotation}, rotation, reports)
}

// newRotation finds the new value; nothing is written yet.
func (a *app) newRotation(ctx context.Context, d *config.Delivery, s config.Secret, o reportOptions, generate bool) (*verify.Rotation, error) {
	store, err := a.store(d)
	if err != nil {
		return nil, err
	}
	old, _, err := store.Get(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("secret %q: %w", s.Name, err)
	}
	source := s.Value
	if generate && source.Generate == nil {
		source = secret.Source{Generate: &secret.Generate{}}
	}
	if source.IsZero() {
		return nil, usagef("give it one in the config, or use --generate", "secret %q has no source for a new value", s.Name)
	}
	value, err := a.inputs.Read(ctx, source, s.Name)
	if err != nil {
		return nil, fmt.Errorf("secret %q: %w", s.Name, err)
	}
	if value.Equal(old) {
		return nil, usagef("put the new value there first, or use --generate", "secret %q: %s still gives the value that is stored", s.Name, source)
	}
	if source.Generate != nil && s.Value.Generate == nil && !s.Value.IsZero() {
		a.narrate("warning: %s: the next provision puts back what %s gives", s.Name, s.Value)
	}
	return &verify.Rotation{Secret: s.Name, New: value, Deadline: o.deadline, Nudge: o.nudge && o.target == targetPod}, nil
}

func (a *app) put(ctx context.Context, d *config.Delivery, s config.Secret, value secret.Value) error {
	store, err := a.store(d)
	if err != nil {
		return err
	}
	version, err := store.Put(ctx, s, value)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Out, "%s\tversion %s\n", s.Name, version)
	return err
}

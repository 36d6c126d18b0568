package cmd

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/status"
	"github.com/secretctl/secretctl/internal/transport"
	"github.com/secretctl/secretctl/internal/verify"
)

// watchEvery is how long --watch waits between two looks.
const watchEvery = 5 * time.Second

func newStatus(a *app) *cobra.Command {
	var o checkOptions
	var watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show which version each replica has",
		Long: `Shows on one screen, for each secret, the version in the store, its age and expiry, and
what each replica has mounted; and for each resource whether Aidbox has it. Problems
come first. status only reads.

  missing  the store, a replica or Aidbox does not have it, or the replica has no pod
  empty    the mounted file or its folder is empty
  behind   the mounted file has an earlier version, or another value
  wrong    the resource holds a literal secret, or refers to another secret
  unknown  secretctl could not find out
  expired  every replica has it, but its expiry date has passed
  due      every replica has it, but it is older than its maxAge
  current  every replica has the newest version, or Aidbox has the resource

To show the age of a version, secretctl needs the right to read the metadata of a path
in Vault, or to list the versions of a secret in Key Vault. To show how far a file is
behind, it reads up to ten earlier versions. In Vault, the secrets of one path share its
versions.

With --watch, looks again every ` + watchEvery.String() + ` until interrupted or --timeout passes.

` + exitCodes("everything is current", "something is missing, empty, behind or wrong", "no problem was found, but something is unknown"),
		Example: `  # Look first, and after a rotation
  secretctl status

  # Follow a rotation until every replica is current
  secretctl status --watch

  # List the replicas that are behind
  secretctl status -o json | jq '.deliveries[].secrets[].replicas[] | select(.state == "behind")'

  # Look at the mount on this machine
  secretctl status --target local`,
		Args: noArguments,
		RunE: a.run(func(ctx context.Context, _ []string) error { return a.status(ctx, o, watch) }),
	}
	o.addTarget(cmd)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "look again every "+watchEvery.String())
	addOutput(cmd, &o.output, "text", "json")
	return cmd
}

func (a *app) status(ctx context.Context, o checkOptions, watch bool) error {
	if err := o.check(); err != nil {
		return err
	}
	all, err := a.deliveries()
	if err != nil {
		return err
	}
	o.parallel = max(1, o.parallel/min(maxParallel, len(all))) // of all deliveries together
	for {
		done, err := each(ctx, fleet{app: a, title: "status", all: all}, func(d *config.Delivery) (work[status.Delivery], error) { return a.look(ctx, d, o) })
		r := a.newStatusReport(done, err)
		if watch && ctx.Err() != nil {
			a.summary = "" // of the last look
			return cmp.Or(err, transport.Ended(ctx))
		}
		printed := a.printStatus(r, o.output, watch)
		if ctx.Err() == nil && o.output != "json" {
			a.summarize("%s", r.Summary())
		}
		switch {
		case isUsage(err):
			return join(err, printed)
		case printed != nil || !watch || a.stdout.unread.Load():
			return join(err, printed, statusAnswer(r))
		}
		if err := transport.Sleep(ctx, watchEvery); err != nil {
			a.summary = ""
			return err
		}
	}
}

// look prepares one look at a delivery.
func (a *app) look(ctx context.Context, d *config.Delivery, o checkOptions) (work[status.Delivery], error) {
	c := checkup{selected: []string{groupMount, groupAidbox}, rotateOptions: rotateOptions{checkOptions: o}}
	var err error
	if c.target, err = a.targetOf(d, c); err != nil {
		return nil, err
	}
	deps, err := a.dependencies(ctx, d, c)
	return func(ctx context.Context, _ *progress) (status.Delivery, error) {
		return status.Look(ctx, d, deps, o.parallel), ctx.Err()
	}, err
}

func (a *app) newStatusReport(done []outcome[status.Delivery], err error) status.Report {
	var all []status.Delivery
	for _, o := range done {
		d := o.result
		if d.Name == "" && !a.several {
			continue
		}
		if o.err != nil && a.several {
			d.Error, d.State = a.problem(a.about(o.delivery, o.err)), verify.StateUnknown
		}
		d.Name = o.delivery.Name
		d.Hints(func(hint string) string { return a.onlyFor(o.delivery.Name, hint) })
		all = append(all, d)
	}
	return status.NewReport(all, a.problem(err))
}

// statusAnswer returns the error that decides the exit code.
func statusAnswer(r status.Report) error {
	switch r.State {
	case verify.StateCurrent, status.Expired, status.Due:
		return nil
	case verify.StateUnknown:
		return errReported
	}
	return &noError{errReported}
}

func (a *app) printStatus(r status.Report, output string, watch bool) error {
	if output == "json" {
		return a.printJSON(r)
	}
	t := &table{r.Table(a.several)}
	if watch {
		t.rows = slices.Insert(t.rows, 0, []string{r.Time.Local().Format(time.TimeOnly)})
		if !a.OutTerminal {
			t.row("") // between two looks
		} else if err := a.stdout.clear(); err != nil {
			return err
		}
	}
	return a.print(t)
}

package cmd

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/verify"
)

// checkup says which checks to run on each delivery.
type checkup struct {
	title     string
	groups    []string
	selected  []string // the groups and the IDs of single checks to run; nil: groups
	named     []string // the groups that the user named
	options   reportOptions
	rotated   func(*config.Delivery) []config.Secret // the secrets to rotate, one after the other; may be nil
	generate  bool                                   // the new value is random, whatever the secret's source
	writeOnly bool                                   // write the new value and check only the store
	fromNode  bool                                   // have a pod try the login
	dryRun    bool                                   // write nothing, and show what would be
	follow    bool                                   // write nothing, and follow the newest version
	due       bool                                   // rotate what is due, and follow what has not arrived
}

// rotates says whether a secret of a delivery is rotated.
func (c checkup) rotates(d *config.Delivery) bool { return c.rotated != nil && len(c.rotated(d)) > 0 }

// secretNamed returns the secret with that name, if there is one.
func secretNamed(d *config.Delivery, name string) []config.Secret {
	if s, ok := d.Secret(name); ok {
		return []config.Secret{s}
	}
	return nil
}

// checkAll runs a checkup on deliveries.
func (a *app) checkAll(ctx context.Context, all []*config.Delivery, c checkup) ([]verify.DeliveryReport, error) {
	c.options.parallel = cmp.Or(c.options.parallel, defaultParallel)
	atOnce := min(maxParallel, len(all), c.options.parallel)
	c.options.parallel /= max(1, atOnce) // of all deliveries together
	done, err := each(ctx, fleet{app: a, title: c.title, all: all, atOnce: atOnce}, func(d *config.Delivery) (work[verify.DeliveryReport], error) {
		return a.check(ctx, d, c)
	})
	return a.reportsOf(done), err
}

// check prepares the checkup of one delivery.
func (a *app) check(ctx context.Context, d *config.Delivery, c checkup) (work[verify.DeliveryReport], error) {
	var err error
	if c.options.target, err = a.targetOf(d, c); err != nil {
		return nil, err
	}
	if c.options.target == targetLocal {
		switch named := slices.Contains(c.named, groupWorkload); {
		case named && !cluster.Configured(a.clusterOf(d)):
			return nil, usagef("set KUBECONFIG, or give --kubeconfig and --context", "the group %s is about the cluster, and none is configured", groupWorkload)
		case named:
			return nil, usagef("omit it, or use --target pod", "the group %s needs --target pod", groupWorkload)
		}
		c.groups = slices.DeleteFunc(slices.Clone(c.groups), func(g string) bool { return g == groupWorkload })
		c.selected = slices.DeleteFunc(slices.Clone(c.selected), func(g string) bool { return g == groupWorkload })
	}
	if c.selected == nil {
		c.selected = c.groups
	}
	deps, err := a.dependencies(ctx, d, c)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, p *progress) (verify.DeliveryReport, error) {
		report, err := a.runChecks(ctx, d, deps, c, p)
		a.describe(ctx, d, deps, &report)
		answered := func(r verify.Result) bool {
			return r.Status == verify.StatusPass && (strings.HasPrefix(r.ID, "client/") || strings.HasPrefix(r.ID, "aidbox/") || r.ID == "rotation/new-accepted")
		}
		if admin, ok := deps.Admin.(aidboxAdmin); ok && slices.ContainsFunc(report.Checks, answered) && ctx.Err() == nil {
			a.sweep(ctx, admin.Client, d)
		}
		return report, err
	}, nil
}

// runChecks runs the checks of a delivery, for one secret after the other where several
// are rotated. After one that does not arrive, no other is written.
func (a *app) runChecks(ctx context.Context, d *config.Delivery, deps verify.Dependencies, c checkup, p *progress) (report verify.DeliveryReport, err error) {
	o := verify.Options{Selected: c.selected, FromNode: c.fromNode, Parallel: c.options.parallel, Progress: func(check string, deadline time.Duration) { p.set("waiting for "+check, deadline) }}
	if !c.rotates(d) {
		return verify.Run(ctx, d, deps, o)
	}
	rotated := c.rotated(d)
	for i, s := range rotated {
		if o.Rotation, err = a.rotationOf(ctx, d, s, deps.Store, c); err != nil {
			return report, err
		}
		var done verify.DeliveryReport
		done, err = verify.Run(ctx, d, deps, o)
		report.Name, report.Checks = d.Name, append(report.Checks, done.Checks...)
		if len(done.Timeline) > 0 {
			report.Timeline, report.DeadlineMS = done.Timeline, done.DeadlineMS
		}
		if left := rotated[i+1:]; err != nil || len(left) > 0 && slices.ContainsFunc(done.Checks, notPassed) {
			for _, s := range left {
				a.narrate("note: %s%s is left alone, since %s did not arrive", a.of(d), s.Name, rotated[i].Name)
			}
			return report, err
		}
	}
	return report, nil
}

func notPassed(r verify.Result) bool {
	return r.Status == verify.StatusFail || r.Status == verify.StatusUnknown
}

package cmd

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/verify"
)

// checkup is one run of checks: what verify, rotate, doctor and status have in common.
type checkup struct {
	title    string
	selected []string // groups, and IDs of single checks
	named    []string // the groups that the user named
	fromNode bool     // have a pod try the login
	rotateOptions
	rotated func(*config.Delivery) []config.Secret // the secrets to rotate, in this order; may be nil
}

// checks reports whether a check of one of the groups is selected.
func (c checkup) checks(groups ...string) bool {
	return slices.ContainsFunc(verify.GroupsOf(c.selected), func(g string) bool { return slices.Contains(groups, g) })
}

// looksAtMount reports whether a selected check looks at the mount or at the pods.
func (c checkup) looksAtMount() bool { return c.checks(groupWorkload, groupMount, groupRotation) }

// rotates reports whether a secret of the delivery is rotated.
func (c checkup) rotates(d *config.Delivery) bool { return c.rotated != nil && len(c.rotated(d)) > 0 }

// secretNamed returns the secret with that name, if there is one.
func secretNamed(d *config.Delivery, name string) []config.Secret {
	if s, ok := d.Secret(name); ok {
		return []config.Secret{s}
	}
	return nil
}

// checkAll runs a checkup on every delivery.
func (a *app) checkAll(ctx context.Context, all []*config.Delivery, c checkup) ([]verify.DeliveryReport, error) {
	c.parallel = cmp.Or(c.parallel, defaultParallel)
	atOnce := min(maxParallel, len(all), c.parallel)
	c.parallel /= max(1, atOnce) // of all deliveries together
	f := fleet{app: a, title: c.title, all: all, atOnce: atOnce}
	if c.rotated != nil { // deliveries that share a secret take turns
		f.exclusive = func(d *config.Delivery) (stored []string) {
			for _, s := range c.rotated(d) {
				stored = append(stored, d.StoredAs(s))
			}
			return stored
		}
	}
	done, err := each(ctx, f, func(d *config.Delivery) (work[verify.DeliveryReport], error) {
		return a.check(ctx, d, c)
	})
	return a.reportsOf(done), err
}

// check prepares the checkup of one delivery.
func (a *app) check(ctx context.Context, d *config.Delivery, c checkup) (work[verify.DeliveryReport], error) {
	var err error
	if c.target, err = a.targetOf(d, c); err != nil {
		return nil, err
	}
	if c.target == targetLocal {
		if slices.Contains(c.named, groupWorkload) {
			return nil, hint.Usage("omit it, or use --target pod with a cluster: set KUBECONFIG, or give --kubeconfig and --context",
				"the group %s is about the cluster, and needs --target pod", groupWorkload)
		}
		c.selected = slices.DeleteFunc(slices.Clone(c.selected), func(g string) bool { return g == groupWorkload })
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

// targetOf returns the requested target, or the one that fits a delivery: this machine
// if flags name its paths or no cluster is configured, otherwise the pods. A rotation is
// followed on this machine only if flags say so.
func (a *app) targetOf(d *config.Delivery, c checkup) (string, error) {
	switch {
	case c.target != "":
		return c.target, nil
	case c.here():
		return targetLocal, nil
	case cluster.Configured(a.clusterOf(d)):
		return targetPod, nil
	case c.rotates(d) && !c.noVerify:
		return "", hint.Usage("set KUBECONFIG, or give --kubeconfig and --context; or follow it in the mount on this machine with --target local",
			"no cluster is configured, so nothing would show the rotation")
	}
	return targetLocal, nil
}

// runChecks runs the checks of a delivery, once for each secret to rotate. After a
// rotation that does not arrive, the remaining secrets are not rotated.
func (a *app) runChecks(ctx context.Context, d *config.Delivery, deps verify.Dependencies, c checkup, p *progress) (report verify.DeliveryReport, err error) {
	o := verify.Options{
		Selected: c.selected, FromNode: c.fromNode, Parallel: c.parallel,
		Progress: func(check string, deadline time.Duration) { p.set("waiting for "+check, deadline) },
	}
	if !c.rotates(d) {
		return verify.Run(ctx, d, deps, o)
	}
	rotated := c.rotated(d)
	for i, s := range rotated {
		o.Rotation, err = a.rotationOf(ctx, d, s, deps.Store, c)
		if alone := len(verify.GroupsOf(c.selected)) == 1; err != nil && (alone || isUsage(err)) {
			return report, err
		}
		o.Rotation.Err = err
		var done verify.DeliveryReport
		done, err = verify.Run(ctx, d, deps, o)
		report.Name, report.Checks = d.Name, append(report.Checks, done.Checks...)
		report.Timeline, report.DeadlineMS = append(report.Timeline, done.Timeline...), max(report.DeadlineMS, done.DeadlineMS)
		if left := rotated[i+1:]; err != nil || slices.ContainsFunc(done.Checks, notPassed) {
			for _, s := range left {
				a.narrate("note: %s%s was not rotated, because %s did not arrive", a.of(d), s.Name, rotated[i].Name)
			}
			return report, err
		}
	}
	return report, nil
}

func notPassed(r verify.Result) bool {
	return r.Status == verify.StatusFail || r.Status == verify.StatusUnknown
}

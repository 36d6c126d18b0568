// Package verify owns the checks: what each one asks, which others it needs, how
// they are run, and how the outcome is reported. It knows the outside world only
// through its [Dependencies], prints nothing while it runs, and no secret value
// is ever in a result. Only the scope and rotation checks write, and they run
// only when they are asked for.
package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// Mount is one replica's mount of the secrets. [Local] makes one; those of pods
// follow from the Cluster of the [Dependencies].
type Mount struct {
	// Replica names it in subjects: "local", "pod/aidbox-7d4".
	Replica string
	// Pod is where the mount is; nil on this machine.
	Pod *cluster.Pod
	// Present, Readable and Status answer the checks of those names.
	Present, Readable, Status func(ctx context.Context, s config.Secret) Result
	// Digest returns the SHA-256 of the secret's file in hexadecimal, so that its
	// content need not leave where it is.
	Digest func(ctx context.Context, s config.Secret) (string, error)
	// Read returns the bytes of the secret's file.
	Read func(ctx context.Context, s config.Secret) (secret.Value, error)
	// VaultConfig returns the file that Aidbox is told about; fs.ErrNotExist where
	// there is none.
	VaultConfig func(ctx context.Context) ([]byte, error)
}

// Options says what to run.
type Options struct {
	Groups   []string    // as [Select] returns them
	Rotation *Rotation   // nil: the rotation checks are skipped
	Progress func(Event) // nil: nobody watches; called from the goroutine of Run alone
}

// Event is something that a spectator may want to show.
type Event struct {
	Kind                         EventKind
	Delivery, ID, Subject, Title string
	Elapsed, Deadline            time.Duration // of a wait: so far, and when it is given up
	Result                       Result        // of a check that has finished
}

// EventKind tells the events apart.
type EventKind int

// A check starts, waits (about once a second), and finishes.
const (
	Started EventKind = iota
	Waiting
	Finished
)

// Run runs the checks of the named groups, and those of other groups that they
// need. Where ctx ends first, the rest is unknown, and the error wraps ctx.Err()
// while the report stays usable.
func Run(ctx context.Context, d *config.Delivery, w Dependencies, o Options) (DeliveryReport, error) {
	emit := func(e Event) {
		if o.Progress != nil {
			e.Delivery, e.Title = d.Name, Title(e.ID)
			o.Progress(e)
		}
	}
	vs := newValues(w)
	site := visit(ctx, d, w, vs, o.Groups)
	checks, rotation := plan(d, site.world(w), vs, site, o, emit)
	defer rotation.stop()
	report := DeliveryReport{Name: d.Name, Checks: []Result{}}
	statuses := map[string]Status{}
	run := func(checks []check) {
		for _, c := range checks {
			emit(Event{Kind: Started, ID: c.id, Subject: c.subject})
			r := c.result(ctx, statuses)
			statuses[c.key()] = r.Status
			report.Checks = append(report.Checks, r)
			emit(Event{Kind: Finished, ID: c.id, Subject: c.subject, Result: r})
		}
	}
	run(checks)
	if report.Timeline = rotation.times.sorted(); len(report.Timeline) > 0 {
		report.DeadlineMS = rotation.Deadline.Milliseconds()
	}
	run(needed(mountChecks(d, site.replaced(ctx), vs), o.Groups))
	if err := ctx.Err(); err != nil {
		return report, fmt.Errorf("verify %s: %w", d.Name, err)
	}
	return report, nil
}

// plan lists the checks to run, in order, and returns the rotation among them,
// which has to be stopped.
func plan(d *config.Delivery, w Dependencies, vs *values, site *site, o Options, emit func(Event)) ([]check, *rotation) {
	rotation := newRotation(d, w, vs, site, o.Rotation, emit)
	all := clusterChecks(d, w, vs)
	all = append(all, storeChecks(d, w, vs, o.Groups)...)
	all = append(all, aidboxChecks(d, w, vs)...)
	all = append(all, workloadChecks(site)...)
	all = append(all, mountChecks(d, w.Mounts, vs)...)
	all = append(all, clientChecks(d, w, vs)...)
	all = append(all, authChecks(d, w, vs)...)
	all = append(all, scopeChecks(d, w, vs)...)
	all = append(all, rotation.checks()...)
	return needed(all, o.Groups), rotation
}

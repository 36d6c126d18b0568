// Package verify owns the checks: what each one asks, which others it needs, how
// they are run, and how the outcome is reported. It knows the outside world only
// through the funcs of [World], prints nothing while it runs, and no secret value
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

// World is everything that the checks of one delivery look at or act on.
type World struct {
	// Stored returns what the store has, and its version. It is nil where there is
	// no access to the store; an absent secret is an fs.ErrNotExist, and one that is
	// there and can be read by nobody an fs.ErrInvalid.
	Stored func(ctx context.Context, s config.Secret) (secret.Value, string, error)
	// Put writes a value to the store and returns its version. It may be nil.
	Put func(ctx context.Context, s config.Secret, v secret.Value) (string, error)
	// Reach returns what answers at the store's address; nil where that is not asked.
	// What answers and is not what the delivery says is an fs.ErrInvalid.
	Reach func(ctx context.Context) (string, error)
	// Newest returns the id of the newest version as the driver's status of a pod has
	// it, without the value, or a few of which one is it; nil where the status has no
	// such id. The errors are those of Stored.
	Newest func(ctx context.Context, s config.Secret) ([]string, error)
	// LogIn logs in to the store as the pod does, with a token of its ServiceAccount;
	// nil where nobody knows how. What the store refuses is an fs.ErrPermission.
	LogIn func(ctx context.Context, jwt secret.Value) (Session, error)
	// Granted says what lets the pod read the store, where its login can be tried on
	// its node alone; nil where LogIn can.
	Granted func(ctx context.Context) (string, error)
	// Source returns the value of the secret's own source. It is called only for
	// sources that give the same value each time: env and file.
	Source func(ctx context.Context, s config.Secret) (secret.Value, error)
	// References returns what Aidbox has for a resource: the secret that each field
	// refers to, and the fields that hold a literal value. It is nil where nothing
	// can be read as an administrator; an absent resource is an fs.ErrNotExist.
	References func(ctx context.Context, r config.Resource) (refs map[string]string, literals []string, err error)
	// ApplyResource and DeleteResource write to Aidbox; both are nil, or neither.
	ApplyResource  func(ctx context.Context, r config.Resource) error
	DeleteResource func(ctx context.Context, resourceType, id string) error
	// Probe requests a path of Aidbox as a Client, by Basic authentication. err is
	// for requests without an answer; detail is what the server said.
	Probe func(ctx context.Context, path, clientID string, v secret.Value) (status int, detail string, err error)
	// Token requests an access token by the client_credentials grant.
	Token func(ctx context.Context, clientID string, v secret.Value) (status int, detail string, err error)
	// ProbeAt and TokenAt are Probe and Token of one pod, whatever aidbox.url says;
	// both are nil, or neither.
	ProbeAt func(ctx context.Context, p cluster.Pod, path, clientID string, v secret.Value) (status int, detail string, err error)
	TokenAt func(ctx context.Context, p cluster.Pod, clientID string, v secret.Value) (status int, detail string, err error)
	// Health asks Aidbox once, without trying again, whether it is up. It may be nil.
	Health func(ctx context.Context) error
	// Version returns the version that Aidbox says it has. It may be nil.
	Version func(ctx context.Context) (string, error)
	// Mounts has one entry for each replica of Aidbox; those of a Cluster are found
	// when the checks run.
	Mounts []Mount
	// Cluster is where the delivery runs; nil for the local target.
	Cluster *cluster.Cluster
	// NoCluster says why Cluster is nil, where that is not on purpose: then what it
	// would tell is unknown, and not skipped.
	NoCluster error
}

// Session is what the pod may do in the store. It has to be ended.
type Session interface {
	// Get is World.Stored with the pod's rights: what these lack is an
	// fs.ErrPermission.
	Get(ctx context.Context, s config.Secret) (secret.Value, string, error)
	End(ctx context.Context) error
}

// Mount is one replica's mount of the secrets. [Local] makes one; those of pods
// follow from the Cluster of the [World].
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
func Run(ctx context.Context, d *config.Delivery, w World, o Options) (DeliveryReport, error) {
	emit := func(e Event) {
		if o.Progress != nil {
			e.Delivery, e.Title = d.Name, Title(e.ID)
			o.Progress(e)
		}
	}
	vs := &values{w: w, store: map[string]stored{}, versions: map[string]versions{}}
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
func plan(d *config.Delivery, w World, vs *values, site *site, o Options, emit func(Event)) ([]check, *rotation) {
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

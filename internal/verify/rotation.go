package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
)

const (
	defaultDeadline = 4 * time.Minute // of a driver with its default poll interval
	defaultPoll     = 200 * time.Millisecond
	podPoll         = time.Second // of files in pods, which takes a command in each
	aidboxPoll      = time.Second
	aidboxCache     = 30 * time.Second // how long Aidbox may take to look at the file again; at most the deadline
)

// Rotation is a new value for a secret, which the rotation checks write to the
// store and follow to Aidbox.
type Rotation struct {
	Secret   string
	New      secret.Value
	Deadline time.Duration // from the write to the changed file; default: what the driver takes, or 4 minutes
	Poll     time.Duration // how often files are read; default 200 ms, in pods 1 s
	Nudge    bool          // annotate the pods after the write, so that kubelet syncs them at once
}

var rotationChecks = []Check{
	{
		ID: "rotation/store-updated", Title: "the store took the new value",
		subjects: rotatedSecret,
		run:      func(ctx context.Context, r *run, _ subject) Result { return r.rotation.storeUpdated(ctx) },
	},
	{
		ID: "rotation/mounted", Title: "the new value reached the mount",
		Needs:    []string{"rotation/store-updated"},
		subjects: rotatedSecret,
		run:      func(ctx context.Context, r *run, _ subject) Result { return r.rotation.mounted(ctx) },
	},
	{
		ID: "rotation/new-accepted", Title: "Aidbox accepts the new value",
		Needs:    []string{"rotation/mounted"},
		subjects: rotatedSecret,
		run:      func(ctx context.Context, r *run, _ subject) Result { return r.rotation.newAccepted(ctx) },
	},
	{
		ID: "rotation/old-rejected", Title: "Aidbox refuses the old value",
		Needs:    []string{"rotation/new-accepted"},
		subjects: rotatedSecret,
		run:      func(ctx context.Context, r *run, _ subject) Result { return r.rotation.oldRejected(ctx) },
	},
	{
		ID: "rotation/no-restart", Title: "Aidbox stayed up meanwhile",
		subjects: rotatedSecret,
		run:      func(ctx context.Context, r *run, _ subject) Result { return r.rotation.noRestart(ctx) },
	},
}

func rotatedSecret(_ context.Context, r *run) []subject {
	return []subject{{name: r.rotation.secret.Name}}
}

// rotation is one under way.
type rotation struct {
	*run
	Rotation
	secret config.Secret
	none   *Result // why there is none
	client *client // one that uses the secret; or nil
	watch  healthWatch

	mechanism cluster.Rotation
	why       string        // of the deadline
	age       time.Duration // of what is mounted
	before    []cluster.Pod
	// What the driver said before the write, by the UID of the pod; and whether it
	// has said something else of each since.
	versions   map[string]string
	statusSeen chan struct{}

	old     secret.Value
	written time.Time
	times   timeline
	trails  []*trail
	follow  following
}

func newRotation(of *run) *rotation {
	r := &rotation{run: of, watch: healthWatch{aidbox: of.Aidbox}, secret: config.Secret{Name: of.d.Name}}
	none := func(format string, args ...any) *Result {
		result := Skip(format, args...)
		return &result
	}
	asked := of.o.Rotation
	if asked == nil {
		r.none = none("no secret to rotate")
		r.none.Hint = "canary: true in the config adds a secret and a Client for the purpose; or name a secret"
		return r
	}
	r.Rotation = *asked
	s, known := of.d.Secret(r.Secret)
	if !known {
		r.none = none("%s has no secret %s", of.d.Name, r.Secret)
		return r
	}
	r.secret = s
	r.client = clientWith(of.d, of.Dependencies, s, grantBasic, grantCredentials)
	return r
}

func orDuration(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// stop ends what is under way beside the checks.
func (r *rotation) stop() {
	r.follow.stop()
	r.watch.stop()
}

func (r *rotation) storeUpdated(ctx context.Context) Result {
	if r.none != nil {
		return *r.none
	}
	r.Sanitizer.Learn(r.New)
	old, before, err := r.Store.Get(ctx, r.secret)
	r.Sanitizer.Learn(old)
	stored := r.New
	var invalid error
	if r.New, invalid = r.values.inFile(r.secret, stored); invalid != nil {
		return r.fail(invalid)
	}
	r.old, _ = r.values.inFile(r.secret, old) // one that is not decoded is in no file
	switch {
	case errors.Is(err, fs.ErrNotExist):
		before = "none"
	case err != nil:
		return r.unknown(err)
	case old.Equal(stored):
		return Fail("the store has the new value already, so that nothing would change").WithHint("give another value")
	}
	if stopped, ok := r.prepare(ctx); !ok {
		return stopped
	}
	if r.pods == nil {
		r.watch.start(ctx)
	}
	if _, err := r.Store.Put(ctx, r.secret, stored); err != nil {
		return r.unknown(err)
	}
	r.written = time.Now()
	r.values.forget()
	r.times.add("", momentWritten)
	r.followTrails(ctx)
	back, version, err := r.Store.Get(ctx, r.secret)
	switch {
	case err != nil:
		return r.unknown(err)
	case !back.Equal(stored):
		return Fail("the store does not give back what was written").WithHint("does something else write there too?")
	case version == before:
		return Fail("the version is still %s after the write", version).WithHint("secretctl needs a store that counts versions")
	}
	detail := fmt.Sprintf("version %s, was %s", version, before)
	if r.mechanism.Why != "" {
		detail += "; " + r.mechanism.Why
	}
	return Pass("%s", detail)
}

func (r *rotation) mounted(ctx context.Context) Result {
	if len(r.mounts) == 0 {
		return Unknown("there is no mount to look at")
	}
	var arrived, gone []string
	var late, blind []*trail
	for _, t := range r.trails {
		if t.mount == nil {
			continue
		}
		r.wait(ctx, "rotation/mounted", r.Deadline, t.file.done)
		switch {
		case t.file.ok:
			arrived = append(arrived, t.name+" "+tenths(t.file.after))
		case errors.Is(t.file.err, errGone):
			gone = append(gone, t.name+" went away meanwhile")
		case t.blind():
			blind = append(blind, t)
		default:
			late = append(late, t)
		}
	}
	have := strings.Join(arrived, ", ")
	switch {
	case ctx.Err() != nil:
		return Unknown("not yet %s", r.sinceWrite())
	case len(late) > 0:
		return r.stuck(ctx, late, have)
	case len(blind) > 0:
		return r.unseen(blind, have)
	case len(arrived) == 0:
		return Unknown("%s", strings.Join(gone, ", ")).WithHint("something replaces the pods; run it again when that is over")
	}
	r.awaitStatus(ctx)
	detail := have + " after the write"
	if r.pods != nil {
		detail += fmt.Sprintf(", of at most %s: %s", tenths(r.Deadline), r.why)
	}
	for _, g := range gone {
		detail += "; " + g
	}
	if r.Nudge {
		detail += "; the pods were annotated, so that kubelet synced them at once"
	}
	return Pass("%s", detail)
}

// unseen says that nobody could look at some files. Where Aidbox can be asked, its
// answer to the new value tells more than they would.
func (r *rotation) unseen(blind []*trail, have string) Result {
	detail := r.line(blind[0].file.err.Error())
	if have != "" {
		detail += "; in time: " + have
	}
	if r.client == nil {
		return Unknown("%s", detail).WithHint("%s", hint.Of(blind[0].file.err))
	}
	return Warn("%s; rotation/new-accepted tells whether it arrived", detail).WithHint("%s", hint.Of(blind[0].file.err))
}

func (r *rotation) newAccepted(ctx context.Context) Result {
	if r.client == nil {
		return Skip("no Client of the config uses %s with the grant type basic or client_credentials", r.secret.Name)
	}
	var said []string
	for _, t := range r.speaking() {
		r.wait(ctx, "rotation/new-accepted", r.patience(), t.accepted.done)
		switch got := t.accepted.last; {
		case !t.accepted.ok && (ctx.Err() != nil || got.outcome == unclear):
			return r.at(t, got).unknown()
		case got.outcome == odd:
			return Fail("%s%s: that says nothing about the secret", t.prefix(), got).WithHint("%s", got.hint)
		case got.outcome == refused:
			return Fail("%s: %s%s to the new value, %s", r.client.Ref(), t.prefix(), got, r.sinceWrite()).
				WithHint("does this Aidbox read the file that changed? a vault config of the object dialect is read only at its start")
		}
		said = append(said, fmt.Sprintf("%s%s, %s after the write", t.prefix(), t.accepted.last.brief(), tenths(t.accepted.after)))
	}
	return Pass("%s: %s", r.client.Ref(), strings.Join(said, "; "))
}

func (r *rotation) oldRejected(ctx context.Context) Result {
	if r.old.Empty() {
		return Skip("the store had no value before")
	}
	var said []string
	for _, t := range r.speaking() {
		r.wait(ctx, "rotation/old-rejected", r.patience(), t.refused.done)
		switch got := t.refused.last; {
		case t.refused.ok:
		case ctx.Err() == nil && (got.outcome == accepted || got.outcome == forbidden):
			return Fail("the old value is still ACCEPTED: %s: %s%s, %s", r.client.Ref(), t.prefix(), got, r.sinceWrite()).
				WithHint("is there a replica that has the old file, or another Client with this value?")
		default:
			return r.at(t, got).unknown()
		}
		said = append(said, fmt.Sprintf("%s%s, %s after the write", t.prefix(), t.refused.last.brief(), tenths(t.refused.after)))
	}
	return Pass("%s: %s", r.client.Ref(), strings.Join(said, "; "))
}

func (r *rotation) noRestart(ctx context.Context) Result {
	if r.none != nil {
		return *r.none
	}
	if r.load(ctx); r.pods != nil {
		return r.samePods(ctx)
	}
	return r.watch.result(ctx, r.written, r.Sanitizer)
}

func (r *rotation) sinceWrite() string {
	return tenths(time.Since(r.written)) + " after the write"
}

func tenths(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }

package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

const (
	defaultDeadline = 4 * time.Minute // of a driver with its default poll interval
	defaultPoll     = 200 * time.Millisecond
	aidboxPoll      = time.Second
	aidboxCache     = 30 * time.Second // how long Aidbox may take to look at the file again; at most the deadline
	newsEvery       = time.Second
)

// Rotation is a new value for a secret, which the rotation checks write to the
// store and follow to Aidbox.
type Rotation struct {
	Secret   string
	New      secret.Value
	Deadline time.Duration // from the write to the changed file; default 4 minutes
	Poll     time.Duration // how often files are read; default 200 ms
}

// rotation is one under way.
type rotation struct {
	Rotation
	secret config.Secret
	reason string // why there is none, or ""
	hint   string
	client *client // one that uses the secret; or nil
	w      World
	vs     *values
	emit   func(Event)
	watch  healthWatch

	old     secret.Value
	written time.Time
}

func newRotation(d *config.Delivery, w World, vs *values, asked *Rotation, emit func(Event)) *rotation {
	r := &rotation{w: w, vs: vs, emit: emit, watch: healthWatch{health: w.Health}}
	r.secret.Name = d.Name
	if asked == nil {
		r.reason, r.hint = "no secret to rotate", "canary: true in the config adds a secret and a Client for the purpose; or name a secret"
		return r
	}
	r.Rotation = *asked
	if r.Deadline <= 0 {
		r.Deadline = defaultDeadline
	}
	if r.Poll <= 0 {
		r.Poll = defaultPoll
	}
	s, known := d.Secret(r.Secret)
	if !known {
		r.reason = fmt.Sprintf("%s has no secret %s", d.Name, r.Secret)
		return r
	}
	r.secret = s
	users := clients(d, w, vs)
	if i := slices.IndexFunc(users, func(c client) bool {
		return c.secret.Name == s.Name && (c.grants(grantBasic) || c.grants(grantCredentials))
	}); i >= 0 {
		r.client = &users[i]
	}
	return r
}

func (r *rotation) checks() []check {
	list := []check{
		{"rotation/store-updated", r.secret.Name, nil, r.storeUpdated},
		{"rotation/mounted", r.secret.Name, []string{"rotation/store-updated"}, r.mounted},
		{"rotation/new-accepted", r.secret.Name, []string{"rotation/mounted"}, r.newAccepted},
		{"rotation/old-rejected", r.secret.Name, []string{"rotation/new-accepted"}, r.oldRejected},
		{"rotation/no-restart", r.secret.Name, nil, r.noRestart},
	}
	if r.reason != "" {
		for i := range list {
			list[i].needs, list[i].run = nil, func(context.Context) Result { return Skip("%s", r.reason).WithHint("%s", r.hint) }
		}
	}
	return list
}

func (r *rotation) storeUpdated(ctx context.Context) Result {
	if r.w.Stored == nil || r.w.Put == nil {
		return Unknown("no access to the store").WithHint("rotation writes a new value there: give secretctl the right to")
	}
	r.watch.start(ctx)
	r.vs.note(r.New)
	old, before, err := r.w.Stored(ctx, r.secret)
	r.old = r.vs.note(old)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		before = "none"
	case err != nil:
		return r.vs.unknown(err)
	case old.Equal(r.New):
		return Fail("the store has the new value already, so that nothing would change").WithHint("give another value")
	}
	if _, err := r.w.Put(ctx, r.secret, r.New); err != nil {
		return r.vs.unknown(err)
	}
	r.written = time.Now()
	back, version, err := r.w.Stored(ctx, r.secret)
	switch {
	case err != nil:
		return r.vs.unknown(err)
	case !back.Equal(r.New):
		return Fail("the store does not give back what was written").WithHint("does something else write there too?")
	case version == before:
		return Fail("the version is still %s after the write", version).WithHint("secretctl needs a store that counts versions: KV version 2, or Key Vault")
	}
	return Pass("version %s, was %s", version, before)
}

func (r *rotation) mounted(ctx context.Context) Result {
	pending, arrived := slices.Clone(r.w.Mounts), []string{}
	done := r.poll(ctx, "rotation/mounted", r.Poll, r.Deadline, func() bool {
		pending = slices.DeleteFunc(pending, func(m Mount) bool {
			v, err := m.Read(ctx, r.secret)
			if err != nil || !v.Equal(r.New) {
				return false
			}
			arrived = append(arrived, m.Replica+" "+r.sinceWrite())
			return true
		})
		return len(pending) == 0
	})
	switch {
	case len(r.w.Mounts) == 0:
		return Unknown("there is no mount to look at")
	case done:
		return Pass("%s", strings.Join(arrived, ", "))
	case ctx.Err() != nil:
		return Unknown("not yet %s", r.sinceWrite())
	}
	return r.stuck(ctx, pending[0])
}

// stuck says what is in a mount that the new value did not reach, and the first
// thing that is wrong on its way.
func (r *rotation) stuck(ctx context.Context, m Mount) Result {
	what := "another value"
	if v, err := m.Read(ctx, r.secret); err != nil {
		what = r.vs.outside(err.Error())
	} else if r.vs.note(v).Equal(r.old) {
		what = "still the old value"
	}
	fail := Fail("%s: %s, %s", m.Replica, what, r.sinceWrite())
	for _, look := range []func(context.Context, config.Secret) Result{m.Present, m.Status} {
		if hop := look(ctx, r.secret); hop.Status == StatusFail || hop.Status == StatusWarn {
			return fail.WithHint("%s; %s", hop.Detail, hop.Hint)
		}
	}
	return fail.WithHint(driverHint)
}

func (r *rotation) newAccepted(ctx context.Context) Result {
	if r.client == nil {
		return Skip("no Client of the config uses %s with the grant type basic or client_credentials", r.secret.Name)
	}
	got := r.try(ctx, "rotation/new-accepted", r.New, func(o outcome) bool { return o == accepted || o == forbidden || o == odd })
	switch {
	case ctx.Err() != nil || got.outcome == unclear:
		return got.unknown()
	case got.outcome == odd:
		return Fail("%s: that says nothing about the secret", got).WithHint("%s", got.hint)
	case got.outcome == refused:
		return Fail("%s: %s to the new value, %s", r.client.Ref(), got, r.sinceWrite()).
			WithHint("does this Aidbox read the file that changed? a vault config of the object dialect is read only at its start")
	}
	return Pass("%s: %s, %s", r.client.Ref(), got.brief(), r.sinceWrite())
}

func (r *rotation) oldRejected(ctx context.Context) Result {
	if r.old.Empty() {
		return Skip("the store had no value before")
	}
	got := r.try(ctx, "rotation/old-rejected", r.old, func(o outcome) bool { return o == refused })
	switch {
	case got.outcome == refused:
		return Pass("%s: %s, %s", r.client.Ref(), got.brief(), r.sinceWrite())
	case ctx.Err() == nil && (got.outcome == accepted || got.outcome == forbidden):
		return Fail("the old value is still ACCEPTED: %s: %s, %s", r.client.Ref(), got, r.sinceWrite()).
			WithHint("is there a replica that has the old file, or another Client with this value?")
	}
	return got.unknown()
}

func (r *rotation) noRestart(ctx context.Context) Result {
	if r.w.Health == nil {
		return Skip("nothing to ask whether Aidbox is up")
	}
	return r.watch.result(ctx, r.written, r.vs)
}

// try authenticates with a value until the outcome is settled, or until Aidbox
// should have seen the file.
func (r *rotation) try(ctx context.Context, id string, v secret.Value, settled func(outcome) bool) (got answer) {
	way := r.client.token
	if r.client.grants(grantBasic) {
		way = r.client.probe
	}
	r.poll(ctx, id, aidboxPoll, r.Deadline+min(r.Deadline, aidboxCache), func() bool {
		got = way(ctx, v)
		return settled(got.outcome)
	})
	return got
}

// poll asks at once and then again and again, for the last time when the deadline
// after the write has come. It says whether the answer was yes.
func (r *rotation) poll(ctx context.Context, id string, every, deadline time.Duration, done func() bool) bool {
	news := time.Now().Add(newsEvery)
	for !done() {
		left := time.Until(r.written.Add(deadline))
		if left <= 0 {
			return false
		}
		if !time.Now().Before(news) {
			news = time.Now().Add(newsEvery)
			r.emit(Event{Kind: Waiting, ID: id, Subject: r.secret.Name, Elapsed: time.Since(r.written), Deadline: deadline})
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(min(every, left)):
		}
	}
	return true
}

func (r *rotation) sinceWrite() string {
	return fmt.Sprintf("%s after the write", time.Since(r.written).Round(100*time.Millisecond))
}

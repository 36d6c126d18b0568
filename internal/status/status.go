// Package status shows which version of each secret the store has and which one each
// replica has mounted. It only reads.
package status

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/verify"
)

// The states of secrets and resources, besides those of a mounted file.
const (
	Wrong   verify.State = "wrong"   // a resource that holds a literal secret, or refers to another one
	Expired verify.State = "expired" // a secret past its expiry date; mounted all the same
	Due     verify.State = "due"     // a secret older than its maxAge
)

// severity orders the states, the worst first.
var severity = []verify.State{verify.StateMissing, verify.StateEmpty, verify.StateBehind, Wrong, verify.StateUnknown, Expired, Due, verify.StateCurrent}

// Report is the status of all deliveries.
type Report struct {
	SchemaVersion int           `json:"schemaVersion"`
	Time          time.Time     `json:"time"`
	State         verify.State  `json:"state"`
	Deliveries    []Delivery    `json:"deliveries"`
	Error         *hint.Problem `json:"error,omitempty"`
}

// Delivery is the status of one delivery; what is wrong comes first.
type Delivery struct {
	Name      string        `json:"name"`
	State     verify.State  `json:"state"`
	Secrets   []Secret      `json:"secrets"`
	Resources []Resource    `json:"resources"`
	Error     *hint.Problem `json:"error,omitempty"`
}

// Secret is a secret in the store and in the replicas.
type Secret struct {
	Name  string       `json:"name"`
	State verify.State `json:"state"`
	// Version is the store's newest, "" if it is unknown.
	Version string    `json:"version,omitempty"`
	Written time.Time `json:"written,omitzero"` // when that version was written
	Rotated time.Time `json:"rotated,omitzero"` // the same, unless it is the first version
	Expires time.Time `json:"expires,omitzero"`
	Detail  string    `json:"detail,omitempty"`
	Hint    string    `json:"hint,omitempty"`

	Replicas []Replica `json:"replicas"`

	versions []store.Version
	values   []secret.Value // of the newest versions, those that were read
}

// Replica is what a replica has of a secret, or what all those have that have no pod.
type Replica struct {
	Name    string       `json:"name"`
	State   verify.State `json:"state"`
	Version string       `json:"version,omitempty"`
	Behind  int          `json:"behind,omitempty"` // by how many versions
	Detail  string       `json:"detail,omitempty"`
	Hint    string       `json:"hint,omitempty"`

	count int // of the replicas
}

// Resource is the state of a resource in Aidbox.
type Resource struct {
	Name   string       `json:"name"`
	State  verify.State `json:"state"`
	Detail string       `json:"detail"`
	Hint   string       `json:"hint,omitempty"`
}

// Hints changes every hint.
func (d *Delivery) Hints(change func(string) string) {
	for i := range d.Secrets {
		s := &d.Secrets[i]
		s.Hint = change(s.Hint)
		for j := range s.Replicas {
			s.Replicas[j].Hint = change(s.Replicas[j].Hint)
		}
	}
	for i := range d.Resources {
		d.Resources[i].Hint = change(d.Resources[i].Hint)
	}
}

// NewReport sums up the deliveries. failed is what kept the status from being known, or nil.
func NewReport(deliveries []Delivery, failed *hint.Problem) Report {
	r := Report{SchemaVersion: 1, Time: time.Now().UTC().Truncate(time.Second), State: verify.StateCurrent, Deliveries: append([]Delivery{}, deliveries...), Error: failed}
	if failed != nil {
		r.State = verify.StateUnknown
	}
	worstFirst(r.Deliveries, func(d Delivery) verify.State { return d.State })
	for _, d := range r.Deliveries {
		r.State = worse(r.State, d.State)
	}
	return r
}

// Look finds out the status of a delivery. parallel is how many requests, and looks into
// pods, it makes at the same time.
func Look(ctx context.Context, d *config.Delivery, deps verify.Dependencies, parallel int) Delivery {
	is := Delivery{Name: d.Name, State: verify.StateCurrent, Secrets: make([]Secret, len(d.Secrets)), Resources: []Resource{}}
	var mounted []verify.Mounted
	_ = store.Parallel(len(d.Secrets)+2, parallel+2, func(i int) error {
		switch i {
		case 0:
			mounted = verify.Observe(ctx, d, deps, parallel)
		case 1:
			is.Resources = resources(ctx, d, deps, parallel)
		default:
			is.Secrets[i-2] = stored(ctx, d.Secrets[i-2], deps)
		}
		return nil
	})
	_ = store.Parallel(len(d.Secrets), parallel, func(i int) error {
		is.Secrets[i].place(ctx, d.Secrets[i], deps, mounted)
		return nil
	})
	worstFirst(is.Secrets, func(s Secret) verify.State { return s.State })
	worstFirst(is.Resources, func(r Resource) verify.State { return r.State })
	for _, s := range is.Secrets {
		is.State = worse(is.State, s.State)
	}
	for _, r := range is.Resources {
		is.State = worse(is.State, r.State)
	}
	return is
}

// stored asks the store for the versions of a secret.
func stored(ctx context.Context, s config.Secret, deps verify.Dependencies) Secret {
	is := Secret{Name: s.Name, State: verify.StateCurrent, Replicas: []Replica{}}
	all, err := deps.Store.Versions(ctx, s)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		is.State, is.Detail, is.Hint = verify.StateMissing, deps.Sanitizer.Line(err.Error()), hint.Of(err)
		return is
	case err != nil:
		is.unversioned(ctx, s, deps, err)
		return is
	}
	newest := all[0]
	is.versions, is.Version, is.Written, is.Expires = all, deps.Sanitizer.Line(newest.ID), newest.Created, newest.Expires
	if len(all) > 1 {
		is.Rotated = newest.Created
	}
	switch {
	case newest.Gone:
		is.State, is.Detail = verify.StateMissing, "version "+is.Version+" is deleted or disabled"
		is.Expires = time.Time{} // of a deleted version in Vault, the time of its deletion
	case !newest.Expires.IsZero() && newest.Expires.Before(time.Now()):
		is.State, is.Hint = Expired, secret.Shellf("secretctl rotate %s", s.Name)
	case s.DueAfter() > 0:
		at, err := store.WrittenAt(ctx, deps.Store, s)
		switch {
		case err != nil:
			is.Detail, is.Hint = "age unknown: "+deps.Sanitizer.Line(err.Error()), hint.Of(err)
		case time.Since(at) > s.DueAfter():
			is.State, is.Detail, is.Hint = Due, "older than "+s.MaxAge, secret.Shellf("secretctl rotate --due %s", s.Name)
		}
	}
	return is
}

// unversioned falls back to the value if the versions are unknown.
func (is *Secret) unversioned(ctx context.Context, s config.Secret, deps verify.Dependencies, why error) {
	_, version, err := deps.Store.Get(ctx, s)
	is.Version, is.Detail, is.Hint = deps.Sanitizer.Line(version), "age unknown: "+deps.Sanitizer.Line(why.Error()), hint.Of(why)
	switch {
	case errors.Is(why, store.ErrPEM):
		is.Detail, is.Hint = why.Error(), ""
	case errors.Is(err, fs.ErrNotExist):
		is.State, is.Detail, is.Hint = verify.StateMissing, deps.Sanitizer.Line(err.Error()), hint.Of(err)
	case err != nil && !errors.Is(err, store.ErrPEM):
		is.State, is.Detail = verify.StateUnknown, deps.Sanitizer.Line(why.Error())
	}
}

// place adds what each replica has, and how far it is behind.
func (is *Secret) place(ctx context.Context, s config.Secret, deps verify.Dependencies, mounted []verify.Mounted) {
	for _, m := range mounted {
		if m.Secret != s.Name {
			continue
		}
		r := Replica{Name: m.Replica, State: m.State, Version: deps.Sanitizer.Line(m.Version), Detail: m.Detail, Hint: m.Hint, count: m.Replicas}
		switch m.State {
		case verify.StateBehind:
			is.compare(ctx, s, deps, m, &r)
		case verify.StateCurrent:
			r.Version, r.Detail, r.Hint = is.Version, "", ""
		}
		is.Replicas = append(is.Replicas, r)
		is.State = worse(is.State, r.State)
		if m.NotStored {
			is.State = worse(is.State, verify.StateMissing)
		}
	}
	worstFirst(is.Replicas, func(r Replica) verify.State { return r.State })
}

// compare finds the version that a replica has: by the driver's status, or else by the
// values of earlier versions, which it reads.
func (is *Secret) compare(ctx context.Context, s config.Secret, deps verify.Dependencies, m verify.Mounted, r *Replica) {
	named := slices.IndexFunc(is.versions, func(v store.Version) bool { return v.ID == m.Version })
	if named > 0 {
		r.Behind, r.Hint = named, behindHint
		return
	}
	for i := range is.versions[:min(len(is.versions), lookBack)] {
		v := is.value(ctx, s, deps, i)
		if i > 0 && !v.Equal(is.values[i-1]) {
			r.Behind++ // otherwise the version changed another secret of the same path
		}
		if !v.Empty() && m.Has(v) {
			r.Version, r.Hint = deps.Sanitizer.Line(is.versions[i].ID), behindHint
			return
		}
	}
	r.Behind = 0
}

const behindHint = "after a rotation, wait; if it stays behind, secretctl doctor and secretctl verify mount explain why"

// lookBack is how many versions are compared with a file. Vault keeps ten by default.
const lookBack = 10

// value returns the value of a version as a file has it, by its index; empty if it cannot
// be read.
func (is *Secret) value(ctx context.Context, s config.Secret, deps verify.Dependencies, i int) secret.Value {
	for n := len(is.values); n <= i; n++ {
		var v secret.Value
		if of := is.versions[n]; !of.Gone {
			if got, err := deps.Store.GetVersion(ctx, s, of.ID); err == nil {
				v, _ = s.InFile(got)
			}
		}
		deps.Sanitizer.Learn(v)
		is.values = append(is.values, v)
	}
	return is.values[i]
}

// resources returns the state of each resource, from the checks that read it.
func resources(ctx context.Context, d *config.Delivery, deps verify.Dependencies, parallel int) []Resource {
	report, _ := verify.Run(ctx, d, deps, verify.Options{Selected: []string{"client/exists", "client/masked", "client/reference"}, Parallel: parallel})
	all := []Resource{}
	var prerequisite verify.Result
	for _, c := range report.Checks {
		if c.Subject == "" { // a prerequisite, such as cluster/api, comes before what needs it
			prerequisite = c
			continue
		}
		if c.Status == verify.StatusSkip && prerequisite.ID != "" && prerequisite.Status != verify.StatusPass {
			c.Detail, c.Hint = prerequisite.Detail, prerequisite.Hint
		}
		state := verify.StateUnknown
		switch {
		case c.Status == verify.StatusPass:
			state = verify.StateCurrent
		case c.Status == verify.StatusFail && c.ID == "client/exists":
			state = verify.StateMissing
		case c.Status == verify.StatusFail:
			state = Wrong
		}
		i := slices.IndexFunc(all, func(r Resource) bool { return r.Name == c.Subject })
		if i < 0 {
			i, all = len(all), append(all, Resource{Name: c.Subject, State: verify.StateCurrent})
		}
		if worse(all[i].State, state) != all[i].State || state == verify.StateCurrent && all[i].State == state {
			all[i].State, all[i].Detail, all[i].Hint = state, c.Detail, c.Hint
		}
	}
	return all
}

func worse(a, b verify.State) verify.State {
	return severity[min(slices.Index(severity, a), slices.Index(severity, b))]
}

func worstFirst[T any](all []T, state func(T) verify.State) {
	slices.SortStableFunc(all, func(a, b T) int {
		return cmp.Compare(slices.Index(severity, state(a)), slices.Index(severity, state(b)))
	})
}

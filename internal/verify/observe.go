package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// State is what a replica has of a secret, compared with the store.
type State string

// An empty file or folder and a missing file are told apart, because the driver can
// leave a pod Ready with an empty folder.
const (
	StateCurrent State = "current"
	StateBehind  State = "behind"
	StateEmpty   State = "empty"
	StateMissing State = "missing"
	StateUnknown State = "unknown"
)

// Mounted is what a replica has of a secret, or what all those have that have no pod.
type Mounted struct {
	Secret, Replica string
	Replicas        int // how many it stands for
	State           State
	Version         string // of a file that is behind, where the driver names versions as the store does
	Detail, Hint    string
	NotStored       bool // the store lacks the secret, so there is nothing to compare with

	digest string // of the file
}

// Has reports whether the file has this value.
func (m Mounted) Has(v secret.Value) bool { return m.digest == digest(v) }

// Observe looks at every secret in every replica, as the mount checks do, and changes
// nothing. It looks into at most parallel replicas at the same time.
func Observe(ctx context.Context, d *config.Delivery, deps Dependencies, parallel int) (all []Mounted) {
	r := newRun(ctx, d, deps, Options{Parallel: parallel})
	subjects := perFile(ctx, r)
	lookIntoAll(ctx, r)
	podless := r.podless()
	for _, s := range subjects {
		if podless.Replicas > 0 && s.mount.pod == nil { // it stands for all of them
			continue
		}
		is := r.observe(ctx, s)
		is.Secret, is.Replica, is.Replicas = s.secret.Name, s.mount.replica, 1
		if r.pods != nil && r.pods.err == nil && s.mount.pod == nil { // none is wanted
			is.Replicas = 0
		}
		all = append(all, is)
	}
	if podless.Replicas > 0 {
		for _, s := range d.Secrets {
			podless.Secret = s.Name
			all = append(all, podless)
		}
	}
	return all
}

// podless counts the replicas that the workload should have and that have no pod, and
// says why, if the workload does: because of a quota, for example.
func (r *run) podless() Mounted {
	if r.pods == nil || r.pods.err != nil {
		return Mounted{}
	}
	w := r.pods.workload
	absent := max(0, int(w.Desired)-len(r.pods.replicas()))
	return Mounted{
		Replica: deployment(r.d), Replicas: absent, State: StateMissing,
		Detail: strings.Join(append([]string{fmt.Sprintf("no pod for %d of %s", absent, Count(int(w.Desired), "replica"))}, w.Problems...), ": "),
		Hint:   r.describe(),
	}
}

func (r *run) observe(ctx context.Context, s subject) Mounted {
	if present := filePresent(ctx, r, s); present.Status != StatusPass {
		is := present.mounted(StateMissing)
		if folder := fileOf(s.mount.folder(s.secret))(s.mount.observation(ctx)); folder.Found && folder.Err == nil && len(folder.Names) == 0 {
			is.State = StateEmpty
		}
		return is
	}
	got := s.mount.look(ctx, s.secret)
	if readable := fileReadable(ctx, r, s); readable.Status != StatusPass {
		if got.Digest == emptyDigest {
			return readable.mounted(StateEmpty)
		}
		return readable.mounted(StateUnknown)
	}
	is := fileMatchesStore(ctx, r, s).mounted(StateBehind)
	is.digest = got.Digest
	switch _, err := r.expected(ctx, s.secret); {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		is.State, is.NotStored = StateUnknown, errors.Is(err, fs.ErrNotExist)
	case errors.Is(err, store.ErrPEM) && s.secret.KeyVaultType() == config.ObjectKey:
		is.State = StateCurrent // as far as can be told: no store gives a key out
	}
	if is.State != StateCurrent {
		r.byVersion(ctx, s, &is)
	}
	return is
}

// byVersion says what the driver's status says of a file that has not the store's value,
// or cannot be compared with it.
func (r *run) byVersion(ctx context.Context, s subject, is *Mounted) {
	newest, err := r.newestVersions(ctx, s.secret)
	if err != nil || s.mount.pod == nil {
		return
	}
	version, _, wrong := mountedVersion(ctx, r, s)
	if wrong.Status != "" {
		return
	}
	is.Version = version
	switch {
	case is.State != StateUnknown:
	case slices.Contains(newest, version):
		is.State, is.Detail, is.Hint = StateCurrent, "", ""
	default:
		is.State = StateBehind
	}
}

// mounted is a result as the state of a file; failed is what a failure means.
func (r Result) mounted(failed State) Mounted {
	is := Mounted{State: StateUnknown, Detail: r.Detail, Hint: r.Hint}
	switch r.Status {
	case StatusPass, StatusWarn:
		is.State = StateCurrent
	case StatusFail:
		is.State = failed
	}
	return is
}

// Package store says what a secret store is: what secretctl asks of one, what a
// provider says about itself, and the errors and steps that all of them share. It
// knows no provider; those are the packages below it, and store/providers lists them.
package store

import (
	"context"
	"io"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// Store is the secret store of one delivery. Its methods may be called at the same
// time. Every error is one line that names the object, without anything that was
// sent or stored.
//
// A secret that does not exist, or is deleted, is an [fs.ErrNotExist]; one that
// exists and nobody can read as it is, such as a disabled one, an [fs.ErrInvalid];
// what the caller may not do, an [fs.ErrPermission].
type Store interface {
	// Reach returns what answers at the store's address, such as "Vault 1.21.0". It
	// takes no credential. What answers and is not what the delivery says is an
	// [fs.ErrInvalid].
	Reach(ctx context.Context) (string, error)
	// Get returns the value of a secret and its version. What is no value by itself is
	// an [ErrPEM], with the version where there is one.
	Get(ctx context.Context, s config.Secret) (secret.Value, string, error)
	// Versions returns the versions of a secret, the newest first, and reads no value.
	Versions(ctx context.Context, s config.Secret) ([]Version, error)
	// GetVersion returns the value that a version has.
	GetVersion(ctx context.Context, s config.Secret, id string) (secret.Value, error)
	// Put writes a value and returns the version that holds it. It overwrites no
	// value that somebody else wrote in the meantime.
	Put(ctx context.Context, s config.Secret, v secret.Value) (version string, err error)
	// StatusVersions returns the versions by which the driver's status of a pod names
	// the newest value, without reading the value: one, or a few of which one is it.
	// The error is [ErrNoStatusVersion] where the status has none that can be compared.
	StatusVersions(ctx context.Context, s config.Secret) ([]string, error)
	// Login logs in as the delivery's pod does, with a token of its ServiceAccount.
	// What the store refuses is an [fs.ErrPermission] whose text says why, as far as
	// the caller may find out. The error is [ErrLoginOnNode] where only the pod's node
	// can log in; then Granted says what is known.
	Login(ctx context.Context, jwt secret.Value) (Session, error)
	// Granted says what lets the pod read the store, where Login is an
	// [ErrLoginOnNode]; elsewhere it is an [errors.ErrUnsupported].
	Granted(ctx context.Context) (string, error)
	// Steps returns what provisions the delivery, a step for each of the provider's
	// phases. in is where values come from; concurrency is how many requests are under
	// way at the same time, 16 where it is 0. The steps remember what they read and
	// generated: they are for one run, or several in a row.
	Steps(in *secret.Inputs, concurrency int) []Step
	// Close gives back what Options.Login got, also where ctx has ended.
	Close(ctx context.Context) error
}

// Version is one version of a secret. In a store whose versions have several secrets,
// another of them may be what changed.
type Version struct {
	ID      string
	Created time.Time
	Expires time.Time // zero without an end
	Gone    bool      // deleted or disabled: nobody gets its value
}

// Dated is a store that keeps when a secret is valid, and gives it out at any time.
type Dated interface {
	// Validity returns from when and until when a secret is valid; the zero time is an
	// open end.
	Validity(ctx context.Context, s config.Secret) (from, until time.Time, err error)
}

// Versioned is a store that keeps earlier values.
type Versioned interface {
	// Previous returns the value before the newest one; an empty one where there is
	// none, or it was deleted.
	Previous(ctx context.Context, s config.Secret) (secret.Value, error)
}

// Session is the store as a pod has it. It has to be ended.
type Session interface {
	// Get is [Store.Get] with the pod's rights.
	Get(ctx context.Context, s config.Secret) (secret.Value, string, error)
	// End gives the pod's token back, also where ctx has ended.
	End(ctx context.Context) error
}

// Differing is a session that was not got in every respect as the pod gets it.
type Differing interface {
	// Difference says how it differs, as a part of a sentence; "" for nothing. next is
	// what to do about one that keeps the pod out, and "" for one that may not matter.
	Difference() (what, next string)
}

// Found is a setting that was looked up.
type Found struct{ Setting, Value, From string }

// Options is what a delivery does not say about how its store is used.
type Options struct {
	// Token is what to act with; default: what the store's own command line has.
	Token secret.Value
	// Login is used in place of a token; its request is made when it is first needed.
	// A store that takes no tokens does without both.
	Login *Login
	// Anonymous allows for no token: Reach and Login then work, and all else is
	// [ErrNoToken]. Without it, Open returns ErrNoToken where there is none.
	Anonymous bool

	Adopt   bool // secrets that have another owner may be overwritten
	Recover bool // deleted secrets may be recovered
	// Compare is for steps that are only compared: what has another owner or is
	// deleted is a change, and no error that hides the others.
	Compare bool

	AllowHTTP bool              // plain http to another host is fine
	Sanitizer *secret.Sanitizer // learns every value and token, and cleans what servers say
	// Timeout is for one request; 0 is what the store's own variables say, or 15 s.
	Timeout time.Duration
	Log     io.Writer // gets a line for each request; nil for none
	// Waiting is told what is waited for: access that propagates, a deletion under
	// way, throttling. Nil: nothing is waited for. Several goroutines may call it.
	Waiting func(why string)
}

// Login is a login with a JWT at one of the store's auth methods.
type Login struct {
	Method, Role string // both empty: the delivery's own, as its pod logs in
	JWT          func(ctx context.Context) (secret.Value, error)
}

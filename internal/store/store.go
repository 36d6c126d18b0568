// Package store says what a secret store is: what secretctl asks of one, what a provider
// says about itself, and the errors and steps that all stores share. It knows no
// provider: those are the packages below it, and store/providers lists them.
package store

import (
	"context"
	"io"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// Store is the secret store of one delivery. Its methods may be called concurrently.
// Every error is one line that names the object, and repeats nothing that was sent or
// stored.
//
// A secret that does not exist, or is deleted, is an [fs.ErrNotExist]. A secret that
// exists but cannot be read by anybody, such as a disabled one, is an [fs.ErrInvalid].
// What the caller may not do is an [fs.ErrPermission].
type Store interface {
	// Reach returns what answers at the store's address, such as "Vault 1.21.0". It
	// needs no credential. If something else answers than the delivery says, the error
	// is an [fs.ErrInvalid].
	Reach(ctx context.Context) (string, error)
	// Get returns the value of a secret and its version. If the stored value is not the
	// content of the file, the error is [ErrPEM], with the version if there is one.
	Get(ctx context.Context, s config.Secret) (secret.Value, string, error)
	// GetVersion returns the value of a version.
	GetVersion(ctx context.Context, s config.Secret, id string) (secret.Value, error)
	// Versions returns the versions of a secret, newest first, and reads no value.
	Versions(ctx context.Context, s config.Secret) ([]Version, error)
	// StatusVersions returns what the driver's status of a pod may name as the newest
	// version, without reading a value. The error is [ErrNoStatusVersion] if the status
	// has no version that can be compared.
	StatusVersions(ctx context.Context, s config.Secret) ([]string, error)
	// Put writes a value and returns its version. It overwrites no value that somebody
	// else wrote since Put read it.
	Put(ctx context.Context, s config.Secret, v secret.Value) (version string, err error)
	// Login logs in as the delivery's pod does, with a token of its ServiceAccount. If
	// the store refuses, the error is an [fs.ErrPermission] that says why, as far as the
	// caller may find out. The error is [ErrLoginOnNode] if only the pod's node can log
	// in; then ask Granted.
	Login(ctx context.Context, jwt secret.Value) (Session, error)
	// Granted says what lets the pod read the store, if Login is an [ErrLoginOnNode];
	// otherwise the error is [errors.ErrUnsupported].
	Granted(ctx context.Context) (string, error)
	// Steps returns the steps that provision the delivery, one for each of the provider's
	// phases. Values come from in; concurrency is how many requests run at the same time,
	// 16 if it is 0. Steps remember what they read and generated.
	Steps(in *secret.Inputs, concurrency int) []Step
	// Close revokes the token of Options.Login, even if ctx has ended.
	Close(ctx context.Context) error
}

// Version is a version of a secret. In a store whose versions hold several secrets, it
// may be another secret that changed.
type Version struct {
	ID      string
	Created time.Time
	Expires time.Time // zero for never
	Gone    bool      // deleted or disabled: its value cannot be read
	Oldest  bool      // there were earlier ones, which the store no longer keeps
}

// Dated is a store that keeps when a secret is valid, and returns it at any time.
type Dated interface {
	// Validity returns when a secret's validity starts and ends; zero for never.
	Validity(ctx context.Context, s config.Secret) (from, until time.Time, err error)
}

// Versioned is a store that keeps earlier values.
type Versioned interface {
	// Previous returns the value before the newest one, or an empty value if there is
	// none any more.
	Previous(ctx context.Context, s config.Secret) (secret.Value, error)
}

// Session is the store as a pod has it. It has to be ended.
type Session interface {
	// Get is [Store.Get] with the pod's rights.
	Get(ctx context.Context, s config.Secret) (secret.Value, string, error)
	// End revokes the pod's token, even if ctx has ended.
	End(ctx context.Context) error
}

// Differing is a session whose login differs from the pod's.
type Differing interface {
	// Difference says how it differs, as a part of a sentence; "" if it does not. next
	// says what to do about a difference that keeps the pod out, and is "" for others.
	Difference() (what, next string)
}

// Found is a setting that was looked up.
type Found struct{ Setting, Value, From string }

// Options say how a delivery's store is used.
type Options struct {
	// Token is the token to use; default: that of the store's own command line.
	Token secret.Value
	// Login replaces Token; it logs in when it is first needed. A store without tokens
	// ignores both.
	Login *Login
	// Anonymous allows having no token: then only Reach and Login work, and everything
	// else is [ErrNoToken]. Otherwise Open returns ErrNoToken.
	Anonymous bool

	Adopt   bool // secrets with another owner may be overwritten
	Recover bool // deleted secrets may be recovered
	// Compare is for steps whose Diff alone is run: what Apply would refuse is a change,
	// not an error that hides the others.
	Compare bool

	AllowHTTP bool              // allows plain http to other hosts
	Sanitizer *secret.Sanitizer // learns every value and token, and cleans what servers say
	// Timeout is for one request; 0 is that of the store's own variables, or 15 s.
	Timeout time.Duration
	Log     io.Writer // gets a line for each request; nil for none
	// Waiting is told what the store waits for: access that propagates, a deletion in
	// progress, throttling. It may be called concurrently. If it is nil, the store does
	// not wait.
	Waiting func(why string)
}

// Login is a login with a JWT at an auth method of the store.
type Login struct {
	Method, Role string // both empty: those of the delivery's pod
	JWT          func(ctx context.Context) (secret.Value, error)
}

package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// oddityHint is what to do about a value with a line break, white space or a byte order
// mark at an end.
const oddityHint = "Aidbox takes it as part of the secret: store the value without it (printf, not echo)"

// values finds out which value each secret should have, and asks the store once
// for each.
type values struct {
	deps   Dependencies
	stored memo[stored]
	newest memo[[]string]
}

type stored struct {
	value   secret.Value
	version string
}

// expectation is a value, and where it comes from.
type expectation struct {
	value secret.Value
	from  string // "the store, version 3"
}

// expected returns the value that the mount should have: the store's, or that of
// the secret's source where the store cannot be read. It is an fs.ErrNotExist
// where the store can be read and has none.
func (vs *values) expected(ctx context.Context, s config.Secret) (expectation, error) {
	got, err := vs.inStore(ctx, s)
	switch {
	case err == nil:
		return expectation{got.value, "the store, version " + got.version}, nil
	case errors.Is(err, fs.ErrNotExist):
		return expectation{}, fmt.Errorf("secret not found in the store: %w", err)
	case errors.Is(err, fs.ErrInvalid), errors.Is(err, store.ErrPEM):
		return expectation{}, err
	}
	if s.Value.Env == "" && s.Value.File == "" {
		return expectation{}, fmt.Errorf("%w: without the store there is nothing to compare with", err)
	}
	v, sourceErr := vs.deps.Source(ctx, s)
	if sourceErr != nil {
		return expectation{}, fmt.Errorf("%w: so there is nothing to compare with: %s", err, sourceErr.Error())
	}
	why := "store not readable: " + vs.deps.Sanitizer.Line(err.Error())
	vs.deps.Sanitizer.Learn(v)
	if v, err = vs.inFile(s, v); err != nil {
		return expectation{}, err
	}
	return expectation{v, fmt.Sprintf("%s (%s)", s.Value, why)}, nil
}

// toTry returns the value to authenticate with: the expected one, or else what
// the first readable mount has.
func (vs *values) toTry(ctx context.Context, s config.Secret, mounts []*mount) (expectation, error) {
	e, err := vs.expected(ctx, s)
	if err == nil {
		return e, nil
	}
	for _, m := range mounts {
		if v, readErr := m.value(ctx, s); readErr == nil && !v.Empty() {
			vs.deps.Sanitizer.Learn(v)
			return expectation{v, fmt.Sprintf("the mounted file (%s; %s)", m.replica, vs.deps.Sanitizer.Line(err.Error()))}, nil
		}
	}
	return expectation{}, fmt.Errorf("%w; no mounted file has a value to try", err)
}

// inStore returns what the store has.
func (vs *values) inStore(ctx context.Context, s config.Secret) (stored, error) {
	return vs.stored.get(s.Name, func() (stored, error) {
		v, version, err := vs.deps.Store.Get(ctx, s)
		vs.deps.Sanitizer.Learn(v)
		if err == nil {
			v, err = vs.inFile(s, v)
		}
		return stored{v, version}, err
	})
}

// inFile returns what the file has where the store has v.
func (vs *values) inFile(s config.Secret, v secret.Value) (secret.Value, error) {
	decoded, err := s.InFile(v)
	if err != nil {
		return secret.Value{}, store.Invalid("the value " + err.Error())
	}
	vs.deps.Sanitizer.Learn(decoded)
	return decoded, nil
}

// newestVersions returns the newest version of a secret, or a few of which one is
// it, without its value.
func (vs *values) newestVersions(ctx context.Context, s config.Secret) ([]string, error) {
	return vs.newest.get(s.Name, func() ([]string, error) { return vs.deps.Store.StatusVersions(ctx, s) })
}

// forget has the store asked again.
func (vs *values) forget() {
	vs.stored.forget()
	vs.newest.forget()
}

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

// values finds out which value each secret should have, and asks the store once for each.
type values struct {
	deps   Dependencies
	stored memo[stored]
	newest memo[[]string]
}

type stored struct {
	value   secret.Value // as the file has it
	version string
}

// expectation is a value, and where it comes from.
type expectation struct {
	value secret.Value
	from  string // "the store, version 3"
}

// expected returns the value that the mount should have: the store's, or the value of the
// secret's source if the store cannot be read. The error is an fs.ErrNotExist if the store
// can be read and has none.
func (vs *values) expected(ctx context.Context, s config.Secret) (expectation, error) {
	got, err := vs.inStore(ctx, s)
	switch {
	case err == nil:
		return expectation{got.value, "the store, version " + got.version}, nil
	case errors.Is(err, fs.ErrNotExist):
		return expectation{}, fmt.Errorf("secret not found in the store: %w", err)
	case errors.Is(err, fs.ErrInvalid), errors.Is(err, store.ErrPEM):
		return expectation{}, err
	case s.Value.Env == "" && s.Value.File == "":
		return expectation{}, fmt.Errorf("%w: without the store there is nothing to compare with", err)
	}
	v, sourceErr := vs.deps.Source(ctx, s)
	if sourceErr != nil {
		return expectation{}, fmt.Errorf("%w: so there is nothing to compare with: %s", err, sourceErr.Error())
	}
	vs.deps.Sanitizer.Learn(v)
	from := fmt.Sprintf("%s (store not readable: %s)", s.Value, vs.deps.Sanitizer.Line(err.Error()))
	v, err = vs.inFile(s, v)
	return expectation{v, from}, err
}

// toTry returns the value to authenticate with: the expected value, or the content of the
// first mounted file that can be read.
func (r *run) toTry(ctx context.Context, s config.Secret) (expectation, error) {
	e, err := r.values.expected(ctx, s)
	if err == nil {
		return e, nil
	}
	r.load(ctx)
	for _, m := range r.mounts {
		if v, readErr := m.value(ctx, s); readErr == nil && !v.Empty() {
			r.Sanitizer.Learn(v)
			return expectation{v, fmt.Sprintf("the mounted file (%s; %s)", m.replica, r.line(err.Error()))}, nil
		}
	}
	return expectation{}, fmt.Errorf("%w; no mounted file has a value to try", err)
}

// inStore returns the value in the store.
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

// inFile returns the content of the file if v is the value in the store.
func (vs *values) inFile(s config.Secret, v secret.Value) (secret.Value, error) {
	decoded, err := s.InFile(v)
	if err != nil {
		return secret.Value{}, store.Invalid("the value " + err.Error())
	}
	vs.deps.Sanitizer.Learn(decoded)
	return decoded, nil
}

// newestVersions returns what the driver's status may have as the newest version of a secret,
// without reading its value.
func (vs *values) newestVersions(ctx context.Context, s config.Secret) ([]string, error) {
	return vs.newest.get(s.Name, func() ([]string, error) { return vs.deps.Store.StatusVersions(ctx, s) })
}

// forget has the store asked again.
func (vs *values) forget() {
	vs.stored.forget()
	vs.newest.forget()
}

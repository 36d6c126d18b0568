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
func (r *run) expected(ctx context.Context, s config.Secret) (expectation, error) {
	got, err := r.inStore(ctx, s)
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
	v, sourceErr := r.Source(ctx, s)
	if sourceErr != nil {
		return expectation{}, fmt.Errorf("%w: so there is nothing to compare with: %s", err, sourceErr.Error())
	}
	r.Sanitizer.Learn(v)
	from := fmt.Sprintf("%s (store not readable: %s)", s.Value, r.line(err.Error()))
	v, err = r.inFile(s, v)
	return expectation{v, from}, err
}

// toTry returns the value to authenticate with: the expected value, or the content of the
// first mounted file that can be read.
func (r *run) toTry(ctx context.Context, s config.Secret) (expectation, error) {
	e, err := r.expected(ctx, s)
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
func (r *run) inStore(ctx context.Context, s config.Secret) (stored, error) {
	return r.stored.get(s.Name, func() (stored, error) {
		v, version, err := r.Store.Get(ctx, s)
		r.Sanitizer.Learn(v)
		if err == nil {
			v, err = r.inFile(s, v)
		}
		return stored{v, version}, err
	})
}

// inFile returns the content of the file if v is the value in the store.
func (r *run) inFile(s config.Secret, v secret.Value) (secret.Value, error) {
	decoded, err := s.InFile(v)
	if err != nil {
		return secret.Value{}, store.Invalid("the value " + err.Error())
	}
	r.Sanitizer.Learn(decoded)
	return decoded, nil
}

// newestVersions returns what the driver's status may have as the newest version of a secret,
// without reading its value.
func (r *run) newestVersions(ctx context.Context, s config.Secret) ([]string, error) {
	return r.newest.get(s.Name, func() ([]string, error) { return r.Store.StatusVersions(ctx, s) })
}

// forgetValues has the store asked again.
func (r *run) forgetValues() {
	r.stored.forget()
	r.newest.forget()
}

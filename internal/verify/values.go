package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
)

// values finds out which value each secret should have, and asks the store once
// for each.
type values struct {
	w     Dependencies
	clean *secret.Sanitizer
	// What the store said, by the secret's name: its value, or its versions alone.
	found    map[string]stored
	versions map[string]versions
}

type versions struct {
	ids []string
	err error
}

type stored struct {
	value   secret.Value
	version string
	err     error
}

func newValues(w Dependencies) *values {
	return &values{w: w, clean: w.Sanitizer, found: map[string]stored{}, versions: map[string]versions{}}
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
	got := vs.stored(ctx, s)
	switch {
	case got.err == nil:
		return expectation{got.value, "the store, version " + got.version}, nil
	case errors.Is(got.err, fs.ErrNotExist):
		return expectation{}, fmt.Errorf("the store has no such secret: %w", got.err)
	}
	why := "store not readable: " + vs.clean.Line(got.err.Error())
	if s.Value.Env == "" && s.Value.File == "" {
		return expectation{}, fmt.Errorf("nothing to compare with: %s; value: %s", why, s.Value)
	}
	v, err := vs.w.Source(ctx, s)
	if err != nil {
		return expectation{}, fmt.Errorf("nothing to compare with: %s; %w", why, err)
	}
	return expectation{vs.learn(v), fmt.Sprintf("%s (%s)", s.Value, why)}, nil
}

// toTry returns the value to authenticate with: the expected one, or else what
// the first readable mount has.
func (vs *values) toTry(ctx context.Context, s config.Secret) (expectation, error) {
	e, err := vs.expected(ctx, s)
	if err == nil {
		return e, nil
	}
	for _, m := range vs.w.Mounts {
		if v, readErr := m.Read(ctx, s); readErr == nil && !v.Empty() {
			return expectation{vs.learn(v), fmt.Sprintf("the mounted file itself (%s)", vs.clean.Line(err.Error()))}, nil
		}
	}
	return expectation{}, fmt.Errorf("no value to try: %w; and the mounted file cannot be read", err)
}

func (vs *values) stored(ctx context.Context, s config.Secret) stored {
	if _, asked := vs.found[s.Name]; !asked {
		v, version, err := vs.w.Store.Get(ctx, s)
		vs.found[s.Name] = stored{vs.learn(v), version, err}
	}
	return vs.found[s.Name]
}

// newest asks for the newest version of a secret, and not for its value.
func (vs *values) newest(ctx context.Context, s config.Secret) ([]string, error) {
	if _, asked := vs.versions[s.Name]; !asked {
		ids, err := vs.w.Store.StatusVersions(ctx, s)
		vs.versions[s.Name] = versions{ids, err}
	}
	return vs.versions[s.Name].ids, vs.versions[s.Name].err
}

// readAll asks the store for every value, before text is shown that could have one.
func (vs *values) readAll(ctx context.Context, d *config.Delivery) {
	for _, s := range d.Secrets {
		vs.stored(ctx, s)
	}
}

// learn has the sanitizer know a value, and returns it.
func (vs *values) learn(v secret.Value) secret.Value {
	vs.clean.Learn(v)
	return v
}

// unknown turns an error into a result.
func (vs *values) unknown(err error) Result {
	return Unknown("%s", vs.clean.Line(err.Error())).WithHint("%s", hint.Of(err))
}

// fail turns an error that answers the question into a result.
func (vs *values) fail(err error) Result {
	r := vs.unknown(err)
	r.Status = StatusFail
	return r
}

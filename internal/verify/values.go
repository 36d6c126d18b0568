package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"unicode"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
)

// maxOutside is how many characters of a text from outside are shown.
const maxOutside = 200

// values finds out which value Aidbox should accept, asks the store once for
// each secret, and remembers every value that it has seen, so that none of them
// can come back in a message.
type values struct {
	w     World
	store map[string]stored
	// What the store says of versions alone.
	versions map[string]versions
	mu       sync.Mutex
	known    []secret.Value
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
	case got.err == nil && got.version == "":
		return expectation{got.value, "the store"}, nil
	case got.err == nil:
		return expectation{got.value, "the store, version " + got.version}, nil
	case errors.Is(got.err, fs.ErrNotExist):
		return expectation{}, fmt.Errorf("the store has no such secret: %w", got.err)
	}
	why := "store not readable: " + vs.outside(got.err.Error())
	if s.Value.Env == "" && s.Value.File == "" {
		return expectation{}, fmt.Errorf("nothing to compare with: %s; value: %s", why, s.Value)
	}
	v, err := vs.w.Source(ctx, s)
	if err != nil {
		return expectation{}, fmt.Errorf("nothing to compare with: %s; %w", why, err)
	}
	return expectation{vs.note(v), fmt.Sprintf("%s (%s)", s.Value, why)}, nil
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
			return expectation{vs.note(v), fmt.Sprintf("the mounted file itself (%s)", vs.outside(err.Error()))}, nil
		}
	}
	return expectation{}, fmt.Errorf("no value to try: %w; and the mounted file cannot be read", err)
}

func (vs *values) stored(ctx context.Context, s config.Secret) stored {
	if vs.w.Stored == nil {
		return stored{err: errors.New("no access to it")}
	}
	if _, asked := vs.store[s.Name]; !asked {
		v, version, err := vs.w.Stored(ctx, s)
		vs.store[s.Name] = stored{vs.note(v), version, err}
	}
	return vs.store[s.Name]
}

// newest asks for the newest version of a secret, and not for its value.
func (vs *values) newest(ctx context.Context, s config.Secret) ([]string, error) {
	if _, asked := vs.versions[s.Name]; !asked {
		ids, err := vs.w.Newest(ctx, s)
		vs.versions[s.Name] = versions{ids, err}
	}
	return vs.versions[s.Name].ids, vs.versions[s.Name].err
}

// learn asks the store for every value, before text is shown that could have one.
func (vs *values) learn(ctx context.Context, d *config.Delivery) {
	for _, s := range d.Secrets {
		vs.stored(ctx, s)
	}
}

// note remembers a value and returns it.
func (vs *values) note(v secret.Value) secret.Value {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	vs.known = append(vs.known, v)
	return v
}

// outside makes text that came from elsewhere fit to show: without any value
// seen so far, on one line, and short.
func (vs *values) outside(text string) string {
	vs.mu.Lock()
	known := vs.known
	vs.mu.Unlock()
	text = oneLine(secret.ScrubText(text, known...))
	if r := []rune(text); len(r) > maxOutside {
		return string(r[:maxOutside-1]) + "…"
	}
	return text
}

// unknown turns an error into a result.
func (vs *values) unknown(err error) Result {
	return Unknown("%s", vs.outside(err.Error())).WithHint("%s", hint.Of(err))
}

// oneLine replaces what would break the line or steer a terminal.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
}

package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
)

// defaultConcurrency is how many requests run at the same time by default.
const defaultConcurrency = 16

// Sources gives the values that the config wants in the store. It reads each source
// once: stdin can be read only once, and a generated value has to stay the same.
type Sources struct {
	Delivery  *config.Delivery
	Inputs    *secret.Inputs
	Sanitizer *secret.Sanitizer // learns every value

	values map[string]secret.Value // by the secret's name
}

// Read reads all sources, before any value is asked for.
func (s *Sources) Read(ctx context.Context) error {
	if s.values != nil {
		return nil
	}
	values := map[string]secret.Value{}
	for _, wanted := range s.Delivery.Secrets {
		if wanted.Value.IsZero() {
			continue
		}
		value, err := s.Inputs.Read(ctx, wanted.Value, wanted.Name+" of "+s.Delivery.Name)
		if err != nil {
			return fmt.Errorf("secret %q: %w", wanted.Name, err)
		}
		if _, err := wanted.InFile(value); err != nil { // and would then mount none of the secrets
			return hint.Usage("give it such a value, or change the encoding", "secret %q: the value of %s %v", wanted.Name, wanted.Value, err)
		}
		values[wanted.Name] = value
	}
	s.values = values
	s.Sanitizer.Learn(slices.Collect(maps.Values(values))...)
	return nil
}

// Value returns the value from a secret's source, if it has one.
func (s *Sources) Value(wanted config.Secret) (value secret.Value, found bool) {
	value, found = s.values[wanted.Name]
	return value, found
}

// Accepts reports whether a value in the store is what the config wants. A source that
// generates accepts any value, and so does a secret without a source.
func (s *Sources) Accepts(wanted config.Secret, stored secret.Value) bool {
	value, found := s.values[wanted.Name]
	return !found || wanted.Value.Generate != nil || value.Equal(stored)
}

// Compare returns the change that a secret needs. version is the version of the stored
// value, "" if the store has none.
func (s *Sources) Compare(wanted config.Secret, object string, stored secret.Value, version string) Change {
	c := Change{Phase: PhaseStore, Object: object}
	value, found := s.values[wanted.Name]
	switch {
	case version == "" && !found:
		c.Action, c.Warning = Absent, "is not in the store, and the config names no source for it"
		return c
	case version == "":
		c.Action, c.Detail = Create, wanted.Value.String()
	case !s.Accepts(wanted, stored):
		c.Action, c.Detail, c.OtherValue = Update, wanted.Value.String(), true
	default:
		c.Action, c.Detail, value = Unchanged, "version "+version, stored
	}
	c.Warning = valueWarning(wanted, value)
	return c
}

// valueWarning returns what is odd about a value, or "".
func valueWarning(wanted config.Secret, value secret.Value) string {
	inFile, err := wanted.InFile(value)
	switch odd := inFile.Oddity(); {
	case value.Empty():
		return "is empty"
	case err != nil:
		return err.Error()
	case odd != "":
		return odd + ", which Aidbox takes as part of the secret"
	}
	return ""
}

// Conflict is the error of a secret that another writer changed between the read and
// the write. A version is "" where there was no value.
func Conflict(was, now string) error {
	err := fmt.Errorf("changed since it was read (version %s, now %s); not overwritten", cmp.Or(was, "none"), cmp.Or(now, "none"))
	return hint.Wrap(err, "run again: it compares with the value that is stored now")
}

// Parallel calls do for 0 to n-1, limit of them at a time (16 where it is 0). After the
// first error, which it returns, it starts no more calls and lets running ones finish:
// a request that is cut short leaves unknown what it wrote.
func Parallel(n, limit int, do func(int) error) error {
	var group errgroup.Group
	var next atomic.Int64
	var failed atomic.Bool
	for range min(n, cmp.Or(max(limit, 0), defaultConcurrency)) {
		group.Go(func() error {
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					break
				}
				if err := do(i); err != nil {
					failed.Store(true)
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

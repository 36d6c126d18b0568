package memory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

const phaseStore = "store"

// Steps implements [store.Store].
func (s *Store) Steps(in *secret.Inputs, _ int) []store.Step {
	step := &storeStep{Store: s, in: in}
	made := store.NewStep([]string{phaseStore}, phaseStore, store.Part{Diff: step.diff, Apply: step.apply})
	made.Read = step.read
	return []store.Step{made}
}

// storeStep writes the secrets.
type storeStep struct {
	*Store
	in      *secret.Inputs
	values  map[string]secret.Value // by the secret's name; those that have a source
	changes []store.Change          // of diff
	found   []string                // by diff: the version of each secret, "" for none
}

func (s *storeStep) read(ctx context.Context) (err error) {
	s.values, err = store.ReadSources(ctx, s.in, s.d)
	s.o.Sanitizer.Learn(slices.Collect(maps.Values(s.values))...)
	return err
}

func (s *storeStep) diff(ctx context.Context) ([]store.Change, error) {
	s.changes, s.found = nil, nil
	for _, wanted := range s.d.Secrets {
		c := store.Change{Phase: phaseStore, Object: wanted.Name, Action: store.Unchanged}
		value, sourced := s.values[wanted.Name]
		is, version, err := s.Get(ctx, wanted)
		switch absent := errors.Is(err, fs.ErrNotExist); {
		case err != nil && !absent:
			return s.changes, err
		case absent && sourced:
			c.Action, c.Warning = store.Create, store.ValueWarning(wanted, value)
		case absent:
			c.Action, c.Warning = store.Absent, "is not in the store, and the config names no source for it"
		case sourced && wanted.Value.Generate == nil && !is.Equal(value):
			c.Action, c.Detail, c.Warning, c.OtherValue = store.Update, wanted.Value.String(), store.ValueWarning(wanted, value), true
		default:
			c.Detail, c.Warning = "version "+version, store.ValueWarning(wanted, is)
		}
		s.changes, s.found = append(s.changes, c), append(s.found, version)
	}
	return s.changes, nil
}

func (s *storeStep) apply(ctx context.Context) ([]store.Change, error) {
	for i := range s.changes {
		if !s.changes[i].Pending() {
			continue
		}
		if err := s.write(ctx, s.d.Secrets[i], &s.changes[i], s.found[i]); err != nil {
			return s.changes[:i], err
		}
	}
	return s.changes, nil
}

func (s *storeStep) write(ctx context.Context, wanted config.Secret, c *store.Change, found string) error {
	if s.server.BeforeWrite != nil {
		s.server.BeforeWrite()
	}
	is, now, err := s.Get(ctx, wanted)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	value := s.values[wanted.Name]
	switch theirs := now != found; {
	case theirs && (wanted.Value.Generate != nil || is.Equal(value)):
		c.Action = store.Unchanged
	case theirs:
		return hint.Wrap(fmt.Errorf("memory: secret %q: changed since it was read (version %s, now %s); not overwritten", wanted.Name, found, now), "run again")
	default:
		now, err = s.Put(ctx, wanted, value)
	}
	c.Detail = "version " + now
	return err
}

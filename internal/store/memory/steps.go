package memory

import (
	"context"
	"errors"
	"io/fs"

	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

const phaseStore = "store"

// Steps implements [store.Store].
func (s *Store) Steps(in *secret.Inputs, _ int) []store.Step {
	step := &storeStep{Store: s, in: in}
	made := store.NewStep([]string{phaseStore}, phaseStore, step.diff, step.apply)
	made.Read = step.read
	return []store.Step{made}
}

// storeStep writes the secrets.
type storeStep struct {
	*Store
	in      *secret.Inputs
	values  map[string]secret.Value // by the secret's name; those that have a source
	changes []store.Change          // of diff
}

func (s *storeStep) read(ctx context.Context) (err error) {
	s.values, err = store.ReadSources(ctx, s.in, s.d)
	return err
}

func (s *storeStep) diff(ctx context.Context) ([]store.Change, error) {
	s.changes = nil
	for _, wanted := range s.d.Secrets {
		c := store.Change{Phase: phaseStore, Object: wanted.Name, Action: store.Unchanged}
		value, sourced := s.values[wanted.Name]
		is, _, err := s.Get(ctx, wanted)
		switch absent := errors.Is(err, fs.ErrNotExist); {
		case err != nil && !absent:
			return s.changes, err
		case absent && sourced:
			c.Action, c.Warning = store.Create, store.ValueWarning(value)
		case absent:
			c.Action, c.Warning = store.Absent, "the store lacks it, and the config names no source for it"
		case sourced && wanted.Value.Generate == nil && !is.Equal(value):
			c.Action, c.Detail, c.Warning, c.OtherValue = store.Update, wanted.Value.String(), store.ValueWarning(value), true
		}
		s.changes = append(s.changes, c)
	}
	return s.changes, nil
}

func (s *storeStep) apply(ctx context.Context) ([]store.Change, error) {
	for i, c := range s.changes {
		if !c.Pending() {
			continue
		}
		wanted, _ := s.d.Secret(c.Object)
		if _, err := s.Put(ctx, wanted, s.values[c.Object]); err != nil {
			return s.changes[:i], err
		}
	}
	return s.changes, nil
}

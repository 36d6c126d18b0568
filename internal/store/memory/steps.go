package memory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// Steps implements [store.Store].
func (s *Store) Steps(in *secret.Inputs, _ int) []store.Step {
	step := &storeStep{Store: s, sources: &store.Sources{Delivery: s.d, Inputs: in, Sanitizer: s.o.Sanitizer}}
	made := store.NewStep(phases, store.PhaseStore, store.Part{Diff: step.diff, Apply: step.apply})
	made.Read = step.sources.Read
	return []store.Step{made}
}

type storeStep struct {
	*Store
	sources  *store.Sources
	plan     []store.Change // in the order of the delivery's secrets
	versions []string       // of the same secrets; "" for none
}

func (s *storeStep) diff(ctx context.Context) ([]store.Change, error) {
	s.plan, s.versions = nil, nil
	for _, wanted := range s.d.Secrets {
		is, version, err := s.Get(ctx, wanted)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		s.plan = append(s.plan, s.sources.Compare(wanted, wanted.Name, is, version))
		s.versions = append(s.versions, version)
	}
	return s.plan, nil
}

func (s *storeStep) apply(ctx context.Context) ([]store.Change, error) {
	for i := range s.plan {
		if !s.plan[i].Pending() {
			continue
		}
		if err := s.write(ctx, s.d.Secrets[i], &s.plan[i], s.versions[i]); err != nil {
			return s.plan[:i], err
		}
	}
	return s.plan, nil
}

func (s *storeStep) write(ctx context.Context, wanted config.Secret, c *store.Change, version string) error {
	if s.server.BeforeWrite != nil {
		s.server.BeforeWrite()
	}
	is, now, err := s.Get(ctx, wanted)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case now == version:
		value, _ := s.sources.Value(wanted)
		if now, err = s.Put(ctx, wanted, value); err != nil {
			return err
		}
	case s.sources.Accepts(wanted, is):
		c.Action = store.Unchanged
	default:
		return fmt.Errorf("memory: secret %q: %w", wanted.Name, store.Conflict(version, now))
	}
	c.Detail = "version " + now
	return nil
}

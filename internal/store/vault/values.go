package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// storeStep writes the values. Sources are read once, by the first Read: standard
// input can be read but once, and a generated value has to stay the same.
type storeStep struct {
	v           *Store
	in          *secret.Inputs
	concurrency int

	values  map[string]secret.Value // by name of the secret
	entries map[string]entry        // by path
	plan    []store.Change          // in the order of the delivery's secrets
}

func newStoreStep(v *Store, in *secret.Inputs, concurrency int) *storeStep {
	return &storeStep{v: v, in: in, concurrency: cmp.Or(max(concurrency, 0), store.DefaultConcurrency)}
}

func (s *storeStep) read(ctx context.Context) (err error) {
	if s.values == nil {
		s.values, err = store.ReadSources(ctx, s.in, s.v.d)
		s.v.o.Sanitizer.Learn(slices.Collect(maps.Values(s.values))...)
	}
	return err
}

func (s *storeStep) diff(ctx context.Context) ([]store.Change, error) {
	if err := s.readStore(ctx); err != nil {
		return nil, err
	}
	s.plan = nil
	for _, wanted := range s.v.d.Secrets {
		change, err := s.compare(wanted, s.entries[wanted.Path])
		if err != nil {
			return nil, err
		}
		s.plan = append(s.plan, change)
	}
	return s.plan, nil
}

// readStore reads each path once.
func (s *storeStep) readStore(ctx context.Context) error {
	unseen := s.v.checkMount(ctx)
	if _, ok := errors.AsType[*unseenError](unseen); unseen != nil && !ok {
		return unseen
	}
	s.entries = map[string]entry{}
	var paths []string
	for _, wanted := range s.v.d.Secrets {
		if _, known := s.entries[wanted.Path]; !known {
			s.entries[wanted.Path] = entry{}
			paths = append(paths, wanted.Path)
		}
	}
	skip := map[string]bool{}
	if unseen == nil {
		s.v.neverWritten(ctx, "", paths, skip)
	}
	read := make([]entry, len(paths))
	err := store.Parallel(len(paths), s.concurrency, func(i int) (err error) {
		if !skip[paths[i]] {
			read[i], err = s.v.readEntry(ctx, paths[i])
		}
		return err
	})
	versioned := false
	for i, path := range paths {
		s.entries[path] = read[i]
		versioned = versioned || read[i].version > 0
	}
	// Something in between may forbid the question about the mount alone. A version
	// that was read answers it as well.
	if unseen != nil && !versioned && ctx.Err() == nil {
		return unseen
	}
	return err
}

// compare says what is to happen to a secret.
func (s *storeStep) compare(wanted config.Secret, is entry) (store.Change, error) {
	change := store.Change{Phase: phaseStore, Object: s.v.object(wanted)}
	value, hasSource := s.values[wanted.Name]
	raw, stored := is.values[wanted.Key]
	switch {
	case !stored && !hasSource:
		change.Action, change.Warning = store.Absent, "is not in the store, and the config names no source for it"
		return change, nil
	case !stored:
		change.Action, change.Detail = store.Create, wanted.Value.String()
	case hasSource && !s.write(wanted).done(is):
		change.Action, change.Detail, change.OtherValue = store.Update, wanted.Value.String(), true
	default:
		current, err := s.v.text(wanted, raw)
		if err != nil {
			return store.Change{}, err
		}
		value = current
		change.Action, change.Detail = store.Unchanged, version(is.version)
	}
	change.Warning = store.ValueWarning(wanted, value)
	return change, nil
}

func version(n int64) string { return fmt.Sprintf("version %d", n) }

func (s *storeStep) apply(ctx context.Context) ([]store.Change, error) {
	var paths []string
	writes := map[string][]keyWrite{}
	for i, wanted := range s.v.d.Secrets {
		if !s.plan[i].Pending() {
			continue
		}
		if writes[wanted.Path] == nil {
			paths = append(paths, wanted.Path)
		}
		writes[wanted.Path] = append(writes[wanted.Path], s.write(wanted))
	}
	results := make([]written, len(paths))
	err := store.Parallel(len(paths), s.concurrency, func(i int) (err error) {
		results[i], err = s.v.writeEntry(ctx, paths[i], s.entries[paths[i]], writes[paths[i]])
		return err
	})

	byPath := map[string]written{}
	for i, path := range paths {
		byPath[path] = results[i]
	}
	var done []store.Change
	for i, change := range s.plan {
		if change.Pending() {
			wanted := s.v.d.Secrets[i]
			result := byPath[wanted.Path]
			if result.version == 0 {
				continue
			}
			change.Detail = version(result.version)
			if !slices.ContainsFunc(result.keys, func(k keyWrite) bool { return k.secret.Key == wanted.Key }) {
				change.Action = store.Unchanged // another writer was faster
			}
		}
		done = append(done, change)
	}
	return done, err
}

func (s *storeStep) write(wanted config.Secret) keyWrite {
	return keyWrite{secret: wanted, value: s.values[wanted.Name], yields: wanted.Value.Generate != nil}
}

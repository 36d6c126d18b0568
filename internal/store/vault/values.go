package vault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

type storeStep struct {
	v           *Store
	sources     *store.Sources
	concurrency int

	entries map[string]entry // by path
	plan    []store.Change   // in the order of the delivery's secrets
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
	for _, wanted := range s.v.d.Secrets {
		s.entries[wanted.Path] = entry{}
	}
	paths := slices.Sorted(maps.Keys(s.entries))
	if unseen == nil {
		paths = s.v.withoutNew(ctx, paths)
	}
	read := make([]entry, len(paths))
	err := store.Parallel(len(paths), s.concurrency, func(i int) (err error) {
		read[i], err = s.v.read(ctx, paths[i], 0)
		return err
	})
	versioned := false
	for i, path := range paths {
		s.entries[path] = read[i]
		versioned = versioned || read[i].version > 0
	}
	// A proxy may forbid only the question about the mount. A version that was read
	// answers it too.
	if unseen != nil && !versioned && ctx.Err() == nil {
		return unseen
	}
	return err
}

// worthListing is how many paths of a folder cost about as much to read as its list.
const worthListing = 10

// withoutNew leaves out the paths that do not exist, as far as lists of folders with
// many of them show it.
func (v *Store) withoutNew(ctx context.Context, paths []string) (existing []string) {
	folders := map[string][]string{}
	for _, p := range paths {
		folder, _ := path.Split(p)
		folders[folder] = append(folders[folder], p)
	}
	for folder, paths := range folders {
		var names []string
		listed := len(paths) >= worthListing
		if listed {
			var err error
			names, err = v.list(ctx, v.metadataPath(folder))
			listed = err == nil
		}
		slices.Sort(names)
		for _, p := range paths {
			if _, found := slices.BinarySearch(names, path.Base(p)); found || !listed {
				existing = append(existing, p)
			}
		}
	}
	return existing
}

func (s *storeStep) compare(wanted config.Secret, is entry) (store.Change, error) {
	var stored secret.Value
	version := ""
	if raw, found := is.values[wanted.Key]; found {
		var err error
		version = is.id()
		if stored, err = s.v.text(wanted, raw); err != nil && s.sources.Accepts(wanted, stored) {
			return store.Change{}, err // and no source replaces it
		}
	}
	change := s.sources.Compare(wanted, s.v.object(wanted), stored, version)
	if is.deleted && !is.destroyed && change.Action == store.Create && wanted.Value.Generate != nil {
		change.Warning = fmt.Sprintf("the pods may still have version %s, which is deleted and can be recovered instead of a new value (%s)", is.id(), s.v.undelete(wanted.Path, is))
	}
	return change, nil
}

func (s *storeStep) apply(ctx context.Context) (done []store.Change, err error) {
	writes := map[string][]keyWrite{}
	for i, wanted := range s.v.d.Secrets {
		if s.plan[i].Pending() {
			value, _ := s.sources.Value(wanted)
			writes[wanted.Path] = append(writes[wanted.Path], keyWrite{secret: wanted, value: value, yields: wanted.Value.Generate != nil})
		}
	}
	paths := slices.Sorted(maps.Keys(writes))
	results := make([]written, len(paths))
	err = store.Parallel(len(paths), s.concurrency, func(i int) (err error) {
		results[i], err = s.v.write(ctx, paths[i], s.entries[paths[i]], writes[paths[i]])
		return err
	})
	for i, change := range s.plan {
		if change.Pending() {
			wanted := s.v.d.Secrets[i]
			at, _ := slices.BinarySearch(paths, wanted.Path)
			result := results[at]
			if result.version == 0 { // it failed, or was not started
				continue
			}
			change.Detail = "version " + entry{version: result.version}.id()
			if !slices.ContainsFunc(result.keys, func(k keyWrite) bool { return k.secret.Key == wanted.Key }) {
				change.Action = store.Unchanged // another writer wrote it first
			}
		}
		done = append(done, change)
	}
	return done, err
}

// Package memory is a store that lives in memory, for tests: what a store does,
// with nothing between. It refuses nobody a login, and reads no token.
package memory

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// Server is what holds the secrets. Several stores may have the same one; its zero
// value is empty.
type Server struct {
	BeforeWrite func() // is called between a step's read and its write; may be nil

	mu       sync.Mutex
	versions map[string][]secret.Value // by the secret's name, oldest first
	created  map[string][]time.Time    // of the same versions
}

// Provider returns what there is to know of the store.
func (s *Server) Provider() store.Provider {
	return store.Provider{Name: "memory", Title: "the store in memory", Phases: []string{phaseStore}, Open: s.Open}
}

// Versions returns the values of a secret by its name, oldest first.
func (s *Server) Versions(name string) []secret.Value {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.versions[name])
}

// Store is the secrets of one delivery at a server.
type Store struct {
	d      *config.Delivery
	o      store.Options
	server *Server
}

// Open returns the store of a delivery.
func (s *Server) Open(d *config.Delivery, o store.Options) (store.Store, error) {
	return &Store{d, o, s}, nil
}

// Reach implements [store.Store].
func (s *Store) Reach(context.Context) (string, error) { return "the store in memory", nil }

// Get implements [store.Store].
func (s *Store) Get(_ context.Context, wanted config.Secret) (secret.Value, string, error) {
	versions := s.server.Versions(wanted.Name)
	if len(versions) == 0 {
		return secret.Value{}, "", notFound(wanted)
	}
	newest := versions[len(versions)-1]
	s.o.Sanitizer.Learn(newest)
	return newest, strconv.Itoa(len(versions)), nil
}

// Put implements [store.Store].
func (s *Store) Put(_ context.Context, wanted config.Secret, v secret.Value) (version string, err error) {
	s.o.Sanitizer.Learn(v)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.versions == nil {
		s.server.versions, s.server.created = map[string][]secret.Value{}, map[string][]time.Time{}
	}
	versions := s.server.versions[wanted.Name]
	if n := len(versions); n == 0 || !versions[n-1].Equal(v) {
		versions = append(versions, v)
		s.server.created[wanted.Name] = append(s.server.created[wanted.Name], time.Now())
	}
	s.server.versions[wanted.Name] = versions
	return strconv.Itoa(len(versions)), nil
}

// Previous implements [store.Versioned].
func (s *Store) Previous(_ context.Context, wanted config.Secret) (secret.Value, error) {
	if versions := s.server.Versions(wanted.Name); len(versions) > 1 {
		return versions[len(versions)-2], nil
	}
	return secret.Value{}, nil
}

// Versions implements [store.Store].
func (s *Store) Versions(_ context.Context, wanted config.Secret) (versions []store.Version, err error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	for i, created := range slices.Backward(s.server.created[wanted.Name]) {
		versions = append(versions, store.Version{ID: strconv.Itoa(i + 1), Created: created})
	}
	if versions == nil {
		return nil, notFound(wanted)
	}
	return versions, nil
}

// GetVersion implements [store.Store].
func (s *Store) GetVersion(_ context.Context, wanted config.Secret, id string) (secret.Value, error) {
	versions := s.server.Versions(wanted.Name)
	n, err := strconv.Atoi(id)
	if err != nil || n < 1 || n > len(versions) {
		return secret.Value{}, notFound(wanted)
	}
	s.o.Sanitizer.Learn(versions[n-1])
	return versions[n-1], nil
}

func notFound(wanted config.Secret) error {
	return store.NotFound(fmt.Sprintf("memory: secret %q: is not in the store", wanted.Name))
}

// StatusVersions implements [store.Store].
func (s *Store) StatusVersions(ctx context.Context, wanted config.Secret) ([]string, error) {
	_, version, err := s.Get(ctx, wanted)
	return []string{version}, err
}

// Login implements [store.Store].
func (s *Store) Login(_ context.Context, jwt secret.Value) (store.Session, error) {
	s.o.Sanitizer.Learn(jwt)
	return session{s}, nil
}

// Granted implements [store.Store].
func (s *Store) Granted(context.Context) (string, error) { return "everybody may read it", nil }

// Close implements [store.Store].
func (s *Store) Close(context.Context) error { return nil }

// session is a login, which may do what the store may.
type session struct{ *Store }

// End implements [store.Session].
func (session) End(context.Context) error { return nil }

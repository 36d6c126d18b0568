// Package memory is a store that keeps its secrets in memory, for tests. It accepts
// every login.
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

var phases = []string{store.PhaseStore}

// Server holds the secrets, for any number of stores. Its zero value is empty.
type Server struct {
	BeforeWrite func() // called between the read and the write of a step; may be nil

	mu       sync.Mutex
	versions map[string][]version // by the secret's name, oldest first
}

type version struct {
	value   secret.Value
	created time.Time
}

// Provider describes the store.
func (s *Server) Provider() store.Provider {
	return store.Provider{Name: "memory", Title: "the store in memory", Phases: phases, Open: s.Open}
}

// Versions returns the values of a secret, oldest first.
func (s *Server) Versions(name string) (values []secret.Value) {
	for _, v := range s.all(name) {
		values = append(values, v.value)
	}
	return values
}

func (s *Server) all(name string) []version {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.versions[name])
}

// Store holds the secrets of one delivery.
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
func (s *Store) Get(ctx context.Context, wanted config.Secret) (secret.Value, string, error) {
	id := strconv.Itoa(len(s.server.all(wanted.Name)))
	value, err := s.GetVersion(ctx, wanted, id)
	if err != nil {
		return value, "", err
	}
	return value, id, nil
}

// Versions implements [store.Store].
func (s *Store) Versions(_ context.Context, wanted config.Secret) (versions []store.Version, err error) {
	for i, v := range slices.Backward(s.server.all(wanted.Name)) {
		versions = append(versions, store.Version{ID: strconv.Itoa(i + 1), Created: v.created})
	}
	if versions == nil {
		return nil, notFound(wanted)
	}
	return versions, nil
}

// GetVersion implements [store.Store].
func (s *Store) GetVersion(_ context.Context, wanted config.Secret, id string) (secret.Value, error) {
	versions := s.server.all(wanted.Name)
	n, err := strconv.Atoi(id)
	if err != nil || n < 1 || n > len(versions) {
		return secret.Value{}, notFound(wanted)
	}
	s.o.Sanitizer.Learn(versions[n-1].value)
	return versions[n-1].value, nil
}

func notFound(wanted config.Secret) error {
	return store.NotFound(fmt.Sprintf("memory: secret %q: is not in the store", wanted.Name))
}

// Previous implements [store.Versioned].
func (s *Store) Previous(_ context.Context, wanted config.Secret) (secret.Value, error) {
	if versions := s.server.all(wanted.Name); len(versions) > 1 {
		return versions[len(versions)-2].value, nil
	}
	return secret.Value{}, nil
}

// Put implements [store.Store].
func (s *Store) Put(_ context.Context, wanted config.Secret, v secret.Value) (string, error) {
	s.o.Sanitizer.Learn(v)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.versions == nil {
		s.server.versions = map[string][]version{}
	}
	versions := s.server.versions[wanted.Name]
	if n := len(versions); n == 0 || !versions[n-1].value.Equal(v) {
		versions = append(versions, version{v, time.Now()})
	}
	s.server.versions[wanted.Name] = versions
	return strconv.Itoa(len(versions)), nil
}

// StatusVersions implements [store.Store].
func (s *Store) StatusVersions(ctx context.Context, wanted config.Secret) ([]string, error) {
	_, id, err := s.Get(ctx, wanted)
	return []string{id}, err
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

// session may do what the store may.
type session struct{ *Store }

// End implements [store.Session].
func (session) End(context.Context) error { return nil }

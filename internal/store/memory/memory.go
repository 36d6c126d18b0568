// Package memory is a store that lives in memory, for tests: what a store does,
// with nothing between. It refuses nobody a login, and reads no token.
package memory

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// Server is what holds the secrets. Several stores may have the same one; its zero
// value is empty.
type Server struct {
	mu       sync.Mutex
	versions map[string][]secret.Value // by the secret's name, oldest first
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
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	versions := s.server.versions[wanted.Name]
	if len(versions) == 0 {
		return secret.Value{}, "", store.NotFound(fmt.Sprintf("memory: secret %q not found", wanted.Name))
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
		s.server.versions = map[string][]secret.Value{}
	}
	s.server.versions[wanted.Name] = append(s.server.versions[wanted.Name], v)
	return strconv.Itoa(len(s.server.versions[wanted.Name])), nil
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

package cmd

import (
	"sync"

	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/internal/store/providers"
)

// environment is that of the process. A variable that a secret was read from is removed
// from it, so that no child process inherits it: az, a login plugin, helm.
type environment struct {
	lookup func(string) (string, bool)
	unset  func(string) error // nil unless it is the process's own

	mu    sync.Mutex
	taken map[string]string
}

// Lookup returns the value of a variable, even if it was removed.
func (e *environment) Lookup(name string) (string, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if value, ok := e.taken[name]; ok {
		return value, true
	}
	return e.lookup(name)
}

// Secret is Lookup for a secret.
func (e *environment) Secret(name string) (string, bool) {
	value, set := e.Lookup(name)
	e.mu.Lock()
	defer e.mu.Unlock()
	if set && e.unset != nil {
		e.taken[name] = value
		_ = e.unset(name) // it was found, so the name is one
	}
	return value, set
}

// withhold takes away what no child process may have, before there is one: az and its
// like are run by libraries, and inherit all. What our own libraries read stays, but
// for the token.
func (e *environment) withhold(environ []string) {
	for _, name := range secret.Withheld(environ, append(secret.OfClouds(), "VAULT_", "SSL_", "GODEBUG")...) {
		_, _ = e.Secret(name)
	}
	for _, p := range providers.All(azure.Access{}) {
		_, _ = e.Secret(p.TokenVariable)
	}
}

package cmd

import "sync"

// environment is that of the process. What is read from it as a secret is taken away,
// so that no child process has it: az, an exec plugin of the kubeconfig, helm.
type environment struct {
	lookup func(string) (string, bool)
	unset  func(string) error // nil where it is no process's own

	mu    sync.Mutex
	taken map[string]string
}

// Lookup returns the value of a variable, also of one that was taken away.
func (e *environment) Lookup(name string) (string, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if value, ok := e.taken[name]; ok {
		return value, true
	}
	return e.lookup(name)
}

// Secret is Lookup for what is secret.
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

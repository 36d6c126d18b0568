package verify

import "sync"

// memo asks a question once for each key, and remembers the answer. Its zero value
// is ready for use, by several goroutines.
type memo[T any] struct {
	mu    sync.Mutex
	known map[string]*remembered[T]
}

type remembered[T any] struct {
	once   sync.Once
	answer T
	err    error
}

func (m *memo[T]) get(key string, ask func() (T, error)) (T, error) {
	m.mu.Lock()
	found, ok := m.known[key]
	if !ok {
		found = &remembered[T]{}
		if m.known == nil {
			m.known = map[string]*remembered[T]{}
		}
		m.known[key] = found
	}
	m.mu.Unlock()
	found.once.Do(func() { found.answer, found.err = ask() })
	return found.answer, found.err
}

func (m *memo[T]) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known = nil
}

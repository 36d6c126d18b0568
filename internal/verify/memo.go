package verify

import "sync"

// memo asks once for each key and remembers the answer. Its zero value is ready for use,
// by several goroutines.
type memo[T any] struct {
	mu      sync.Mutex
	answers map[string]func() (T, error)
}

func (m *memo[T]) get(key string, ask func() (T, error)) (T, error) {
	m.mu.Lock()
	answer, ok := m.answers[key]
	if !ok {
		if m.answers == nil {
			m.answers = map[string]func() (T, error){}
		}
		answer = sync.OnceValues(ask)
		m.answers[key] = answer
	}
	m.mu.Unlock()
	return answer()
}

func (m *memo[T]) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.answers)
}

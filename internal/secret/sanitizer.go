package secret

import (
	"slices"
	"strings"
	"sync"
)

// What replaces a text that repeats a value, or is longer than anybody reads. The whole
// text is replaced, because what surrounds a removed value can reveal it.
const (
	withheld = "(message withheld: it repeats a secret value)"
	tooLong  = "(message withheld: it is longer than 256 KiB)"
)

const maxText = 256 << 10

// Sanitizer is the one door for text from outside: what a server, a file or a child
// process said reaches a terminal, a log, a report or a child only through it. It
// learns every value and token of a run. Several goroutines may use it, and a nil one
// knows no value.
type Sanitizer struct {
	mu    sync.RWMutex
	known known
}

// Learn adds values that no text may repeat from now on.
func (s *Sanitizer) Learn(values ...Value) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range values {
		s.known.learn(v)
	}
}

// Repeats reports whether text contains a learned value in any encoding, or eight
// characters in a row of one.
func (s *Sanitizer) Repeats(text string) bool {
	if s == nil {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.known.repeats(text)
}

// Line returns text as one short line, without anything that would break the line,
// control a terminal or start a workflow command of a CI system. A text that repeats
// a value is replaced as a whole. Cleaning a line again changes nothing.
func (s *Sanitizer) Line(text string) string { return s.Join("", text) }

// Join is Line for a text that came in pieces, such as the issues of an
// OperationOutcome. It also finds a value that is spread over several of them. Empty
// pieces are left out.
func (s *Sanitizer) Join(separator string, pieces ...string) string {
	pieces = slices.DeleteFunc(slices.Clone(pieces), func(piece string) bool { return piece == "" })
	if len(pieces) > 1 && s.Repeats(strings.Join(pieces, "")) {
		return withheld
	}
	return cut(s.clean(strings.Join(pieces, separator), cleanLine))
}

// Tail is Line for a text whose end matters, as in the errors of Kubernetes. It keeps
// the last 400 characters, and Line keeps them too.
func (s *Sanitizer) Tail(text string) string { return cutStart(s.clean(text, cleanLine)) }

// Text is Line for a text of several lines, such as a manifest: line breaks and tabs
// stay, and nothing is cut.
func (s *Sanitizer) Text(text string) string { return s.clean(text, cleanLines) }

func (s *Sanitizer) clean(text string, how func(string) string) string {
	switch {
	case len(text) > maxText:
		return tooLong
	case s.Repeats(text):
		return withheld
	}
	return how(text)
}

// Err returns err with a text that [Sanitizer.Line] has cleaned. Its chain and its
// hint stay.
func (s *Sanitizer) Err(err error) error {
	if err == nil {
		return nil
	}
	return cleanError{err, s.Line(err.Error())}
}

type cleanError struct {
	err  error
	text string
}

func (e cleanError) Error() string { return e.text }
func (e cleanError) Unwrap() error { return e.err }

// Tree returns a copy of what encoding/json has decoded, with every string and key
// cleaned as [Sanitizer.Text] does. A string that repeats a value is masked.
func (s *Sanitizer) Tree(v any) any {
	switch v := v.(type) {
	case string:
		if text := s.Text(v); text != withheld {
			return text
		}
		return mask
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[s.Text(key)] = s.Tree(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = s.Tree(value)
		}
		return out
	default:
		return v
	}
}

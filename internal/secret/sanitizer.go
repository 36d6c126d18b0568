package secret

import (
	"encoding/json"
	"maps"
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
// cleaned as [Sanitizer.Text] does. A string or number that repeats a value is masked. If
// a value is spread over several, a text that says so is returned in place of all.
func (s *Sanitizer) Tree(v any) any {
	clean := s.tree(v)
	var keys, values, all []string
	eachText(clean, func(text string, key bool) {
		all = append(all, text)
		if key {
			keys = append(keys, text)
		} else {
			values = append(values, text)
		}
	})
	if s.Spread(keys...) || s.Spread(values...) || s.Spread(all...) {
		return withheld
	}
	return clean
}

// Spread reports whether texts that are shown one after the other repeat a value together.
func (s *Sanitizer) Spread(texts ...string) bool {
	return len(texts) > 1 && (s.Repeats(strings.Join(texts, "")) || s.Repeats(strings.Join(texts, " "))) // blanks separate numbers
}

func (s *Sanitizer) tree(v any) any {
	switch v := v.(type) {
	case string:
		if text := s.Text(v); text != withheld {
			return text
		}
		return mask
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[s.Text(key)] = s.tree(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = s.tree(value)
		}
		return out
	default:
		if s.Repeats(scalar(v)) {
			return mask
		}
		return v
	}
}

// scalar returns a number, true, false or null as JSON has it.
func scalar(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// eachText yields the keys, strings and numbers of a tree in the order in which JSON has
// them.
func eachText(v any, yield func(text string, key bool)) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			yield(key, true)
			eachText(v[key], yield)
		}
	case []any:
		for _, element := range v {
			eachText(element, yield)
		}
	case string:
		yield(v, false)
	default:
		yield(scalar(v), false)
	}
}

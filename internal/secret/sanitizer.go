package secret

import (
	"slices"
	"strings"
	"sync"
	"unicode"
)

// maxLine is how many characters of a text from outside are shown.
const maxLine = 200

// Sanitizer is the one door for text from outside: what a server, a file or a child
// process said reaches a terminal, a log or a report only through it. It learns every
// value and token of a run. It may be used by several goroutines, and a nil one knows
// no value.
type Sanitizer struct {
	mu    sync.Mutex
	known []Value
}

// Learn adds values that no text may repeat from now on.
func (s *Sanitizer) Learn(values ...Value) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = append(s.known, values...)
}

// Line returns text as one short line: without any value that was learned, and
// without what would break the line or steer a terminal.
func (s *Sanitizer) Line(text string) string {
	text = strings.Join(strings.FieldsFunc(ScrubText(text, s.learned()...), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if r := []rune(text); len(r) > maxLine {
		return string(r[:maxLine-1]) + "…"
	}
	return text
}

func (s *Sanitizer) learned() []Value {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.known)
}

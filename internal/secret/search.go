package secret

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A search may read this much, and so much more for each byte of the text. Ordinary
// text takes half of it. What is packed deeper is taken to hold a value.
const (
	leastWork   = 1 << 20
	workPerByte = 64
)

// search looks for known values in a text and in all that it decodes to.
type search struct {
	known *known
	work  int                 // bytes that may still be read
	seen  map[string]struct{} // what was decoded already, in another order
	fold  []byte
}

// repeats says whether one of the values is in text, in whatever encoding.
func (k *known) repeats(text string) bool {
	if len(k.seen) == 0 || text == "" {
		return false
	}
	s := &search{k, leastWork + workPerByte*len(text), map[string]struct{}{}, nil}
	return s.finds(text)
}

// finds decodes repeatedly: escapes are undone wherever they are, and then text is
// read as if all of it were base64, hexadecimal and so on, from every offset. What
// makes sense that way, and hardly anything does by chance, is searched again.
func (s *search) finds(text string) bool {
	if s.meets(text) {
		return true
	}
	bare := dense(text)
	squeezed := squeeze(bare)
	// What is strewn among the characters comes off first: what cannot be seen alone,
	// where blanks keep numbers apart, or all of it. Queries have a plus sign for a blank.
	var forms []string
	for _, base := range slices.Compact([]string{text, spaced(text), squeezed}) {
		forms = append(forms, undone(base)...)
	}
	for _, form := range append(forms, strings.ReplaceAll(squeezed, "+", "")) {
		key := dense(form) // blanks make no other difference
		if _, again := s.seen[key]; again || key == bare {
			continue
		}
		if s.seen[key] = struct{}{}; s.finds(form) {
			return true
		}
	}
	return s.findsPacked(text, squeezed)
}

// meets takes one text for what it is.
func (s *search) meets(text string) bool {
	s.work -= len(text)
	s.fold = fold(s.fold[:0], text)
	return s.work < 0 || s.known.inText(s.fold, text)
}

func (s *search) findsPacked(text, squeezed string) bool {
	return eachUnpacked(text, squeezed, func(unpacked string) bool {
		s.work -= len(unpacked)
		s.fold = fold(s.fold[:0], unpacked)
		if s.work < 0 || s.known.inNoise(s.fold, unpacked) {
			return true
		}
		text := legible(unpacked)
		return text != "" && s.finds(text)
	})
}

const escape, csi = '\x1b', '\u009b' // what colors start with

// dense returns text without white space and what cannot be seen, but with colors.
func dense(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, spaced(text))
}

// spaced is dense, but with white space.
func spaced(text string) string {
	return strings.Map(func(r rune) rune {
		if r != escape && r != csi && !unicode.IsSpace(r) && (unseen(r) || r == utf8.RuneError) {
			return -1
		}
		return r
	}, text)
}

// squeeze takes the colors off a dense text too.
func squeeze(text string) string {
	if !strings.ContainsRune(text, escape) && !strings.ContainsRune(text, csi) {
		return text
	}
	return strings.NewReplacer(string(escape), "", string(csi), "").Replace(colorless(text))
}

// legible returns the parts of what was unpacked that may be text of at least eight
// characters, a line each. NUL is left out, so that UTF-16 is read too.
func legible(unpacked string) string {
	var out strings.Builder
	start, n := 0, 0
	flush := func(end int) {
		if n >= gramLength {
			out.WriteString(strings.ReplaceAll(unpacked[start:end], "\x00", ""))
			out.WriteByte('\n')
		}
		n = 0
	}
	for i := 0; i < len(unpacked); {
		r, size := rune(unpacked[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(unpacked[i:])
		}
		switch {
		case r == utf8.RuneError && size == 1, r < ' ' && !strings.ContainsRune("\x00\t\n\r\x1b", r):
			flush(i)
			start = i + size
		case r != 0:
			n++
		}
		i += size
	}
	flush(len(unpacked))
	return out.String()
}

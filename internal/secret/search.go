package secret

import (
	"compress/gzip"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A search may read this much, and this much more for each byte of the text. Ordinary
// text takes half of it. Text that is packed deeper counts as holding a value.
const (
	leastWork   = 1 << 20
	workPerByte = 64
)

// search looks for known values in a text and in all that it decodes to.
type search struct {
	known    *known
	work     int                 // bytes that it may still read
	seen     map[string]struct{} // the keys of texts that it decoded already, in another order
	unpacked map[string]struct{} // the texts that it unpacked already, without blanks
	fold     []byte
}

func newSearch(k *known, work int) *search {
	return &search{known: k, work: work, seen: map[string]struct{}{}, unpacked: map[string]struct{}{}}
}

// repeats reports whether text contains one of the values in any encoding.
func (k *known) repeats(text string) bool {
	if len(k.seen) == 0 || text == "" {
		return false
	}
	return newSearch(k, leastWork+workPerByte*len(text)).finds(text)
}

// finds decodes repeatedly: it undoes escapes wherever they are, and then reads text as
// if all of it were base64, hexadecimal and so on, from every offset. What is legible
// then, which hardly happens by chance, it searches again.
func (s *search) finds(text string) bool {
	plain := spaced(text)
	// A byte that is not UTF-8 may be a character of Latin 1, or the rest of an invisible one.
	if s.meets(text) || !utf8.ValidString(text) && s.meets(plain) {
		return true
	}
	bare, searched := dense(text), key(text)
	squeezed := squeeze(bare)
	_, again := s.unpacked[bare] // with other blanks, which only numbers need
	s.unpacked[bare] = struct{}{}
	// Undo escapes with and without what is strewn among the characters: invisible ones
	// alone, because blanks separate numbers, or blanks too. Queries write a plus sign for a blank.
	var forms []string
	for _, base := range slices.Compact([]string{text, plain, squeezed}) {
		forms = append(forms, undone(base)...)
	}
	for _, form := range append(forms, strings.ReplaceAll(squeezed, "+", "")) {
		k := key(form)
		if _, again := s.seen[k]; again || k == searched {
			continue
		}
		if s.seen[k] = struct{}{}; s.finds(form) {
			return true
		}
	}
	return s.findsPacked(text, squeezed, again)
}

// meets searches a text as it is.
func (s *search) meets(text string) bool {
	s.work -= len(text)
	s.fold = fold(s.fold[:0], text)
	return s.work < 0 || s.known.inText(s.fold, text)
}

func (s *search) findsPacked(text, squeezed string, onlyNumbers bool) bool {
	least := gramLength
	if len(s.known.wholes) > 0 {
		least = 1
	}
	from := packings
	if onlyNumbers {
		from = nil
	}
	return eachUnpacked(from, text, squeezed, least, func(unpacked string) bool {
		s.work -= len(unpacked)
		s.fold = fold(s.fold[:0], unpacked)
		if s.work < 0 || s.known.inNoise(s.fold, unpacked) {
			return true
		}
		text := legible(unpacked)
		return text != "" && s.finds(text) || s.findsCompressed(unpacked)
	})
}

const gzipStart = "\x1f\x8b\x08"

// findsCompressed searches what gzip has compressed, as far as it can be read.
func (s *search) findsCompressed(unpacked string) bool {
	at := strings.Index(unpacked, gzipStart)
	if at < 0 {
		return false
	}
	r, err := gzip.NewReader(strings.NewReader(unpacked[at:]))
	if err != nil {
		return false
	}
	text, _ := io.ReadAll(io.LimitReader(r, maxText)) // other text may follow
	return len(text) > 0 && s.finds(string(text))
}

const escape, csi = '\x1b', '\u009b' // what colors start with

// dense returns text without white space and invisible characters, but with colors.
func dense(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, spaced(text))
}

// spaced is dense with white space.
func spaced(text string) string {
	return strings.Map(func(r rune) rune {
		if r != escape && r != csi && !unicode.IsSpace(r) && (invisible(r) || r == utf8.RuneError) {
			return -1
		}
		return r
	}, text)
}

// key returns what makes a difference to a search: text without invisible characters and
// white space, but with one blank after each number, which it may separate from another.
func key(text string) string {
	last := ' '
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			if last < '0' || last > '9' {
				return -1
			}
			r = ' '
		}
		last = r
		return r
	}, spaced(text))
}

// squeeze removes the colors of a dense text too.
func squeeze(text string) string {
	return colorStarts.Replace(colorless(text))
}

var colorStarts = strings.NewReplacer(string(escape), "", string(csi), "")

// legible returns the parts of what was unpacked that may be text of at least eight
// characters, a line each. It leaves out NUL, so that UTF-16 is read too.
func legible(unpacked string) string {
	var out []byte
	start, characters := 0, 0 // of the last part
	for i := 0; i <= len(unpacked); {
		r, size := utf8.DecodeRuneInString(unpacked[i:])
		switch {
		case r == utf8.RuneError && size <= 1, r < ' ' && !strings.ContainsRune("\x00\t\n\r\x1b", r):
			if out = append(out, '\n'); characters < gramLength {
				out = out[:start]
			}
			start, characters = len(out), 0
		case r > 0:
			out = append(out, unpacked[i:i+size]...)
			characters++
		}
		i += max(size, 1)
	}
	return string(out)
}

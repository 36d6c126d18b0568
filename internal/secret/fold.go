package secret

import (
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// fold appends the form of a text that is compared: a byte for each visible character.
// Letters and digits become small ASCII letters and digits, or bytes from 0x80 up,
// without full width, circles and accents. A plus sign is left out, since it may be a
// blank. Bytes that are not UTF-8 count as Latin 1.
func fold(to []byte, text string) []byte {
	t := folds()
	for i := 0; i < len(text); {
		b := text[i]
		if b < utf8.RuneSelf {
			if t[b] != "" {
				to = append(to, t[b][0])
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 {
			to = append(to, t[b]...)
		} else {
			to = foldRune(to, r)
		}
		i += size
	}
	return to
}

// folds has the folded form of each character of Latin 1.
var folds = sync.OnceValue(func() *[256]string {
	var t [256]string
	for r := range rune(256) {
		t[r] = string(foldRune(nil, r))
	}
	return &t
})

func foldRune(to []byte, r rune) []byte {
	decomposed := norm.NFKD.PropertiesString(string(r)).Decomposition()
	if decomposed == nil {
		return foldSimple(to, r)
	}
	for _, r := range string(decomposed) {
		to = foldSimple(to, r)
	}
	return to
}

func foldSimple(to []byte, r rune) []byte {
	mixed := byte((r ^ r>>5 ^ r>>10) & 0x7f)
	switch {
	case r == '+' || r == utf8.RuneError || invisible(r) || unicode.IsSpace(r) || unicode.IsMark(r):
		return to
	case r < utf8.RuneSelf:
		return append(to, lower(byte(r&0x7f)))
	case isWord(r):
		r = unicode.ToLower(r)
		return append(to, 0x80|byte((r^r>>7^r>>14)&0x7f))
	}
	return append(to, 1+mixed%' '/2) // a control character, which no visible one becomes
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b | 0x20
	}
	return b
}

// isWordByte reports whether a folded character is a letter or a digit.
func isWordByte(b byte) bool { return 'a' <= b && b <= 'z' || '0' <= b && b <= '9' || b >= 0x80 }

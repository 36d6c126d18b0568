package secret

import (
	"encoding/base64"
	"encoding/hex"
	"math/bits"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	gramLength = 8
	filterBits = 18
	maxLayers  = 8 // of escapes in a value
)

// gram is eight characters in a row, a folded byte each.
type gram uint64

// pack returns the gram of up to eight characters.
func pack(text string) (g gram) {
	for i := range len(text) {
		g = g<<8 | gram(text[i])
	}
	return g
}

func (g gram) at(i int) byte { return byte(g >> (8 * (gramLength - 1 - i)) & 0xff) }

func (g gram) reversed() gram { return gram(bits.ReverseBytes64(uint64(g))) }

// rotated returns the gram in ROT13.
func (g gram) rotated() gram {
	const each = 0x0101010101010101 // a byte of 1 for each character
	above := func(last byte) gram { return (g&(0x7f*each) + gram(0x7f-last)*each) & (0x80 * each) >> 7 }
	ascii := each &^ (g >> 7)
	fromA, fromN := above('a'-1)&^above('z')&ascii, above('m')&^above('z')&ascii
	return g + 13*fromA - 26*fromN
}

// canonical is the same for a gram, for what it is when it is read backwards, and in ROT13.
func (g gram) canonical() gram {
	r := g.rotated()
	return min(g, g.reversed(), r, r.reversed())
}

// known is the index of the values that no text may repeat.
//
// Any eight characters in a row of a value count as the value, in any case, and with or
// without the characters among them that are not letters or digits. Eight characters
// that occur in ordinary messages do not count, such as those of "client-secret": a
// value of random characters has none.
//
// A value without eight characters that count, because it is short, repeats one
// character or consists of ordinary words, counts as a whole: as it is written, and
// between characters that are not letters or digits. No text is withheld for a value
// that this would only reveal: one of fewer than four characters, of a single repeated
// character, or of one or two ordinary words, such as "password".
type known struct {
	grams  map[gram]struct{}
	filter []uint64 // a bit for each hash of a gram
	wholes []string
	seen   map[string]struct{} // the values, so that learning one again costs nothing
}

func (k *known) learn(v Value) {
	text := string(v.Reveal())
	if _, again := k.seen[text]; again || text == "" {
		return
	}
	if k.grams == nil {
		k.grams, k.seen, k.filter = map[gram]struct{}{}, map[string]struct{}{}, make([]uint64, 1<<filterBits/64)
	}
	k.seen[text] = struct{}{}
	counts := k.index(text)
	if inner := unwrapped(text); inner != "" {
		k.index(inner) // as the store or the server decodes it
	}
	// Unescaping a text before comparing it unescapes the value in it too.
	depth := 0
	for plain := range layers(text, unescape) {
		if k.index(plain); depth == maxLayers {
			break
		}
		depth++
	}
	if text = whole(text); !counts && tellsSomething(text) && !slices.Contains(k.wholes, text) {
		k.wholes = append(k.wholes, text)
	}
}

// index adds the grams of a text that count in any direction or in ROT13, and reports
// whether any counts as it is written.
func (k *known) index(text string) (counts bool) {
	eachGram(fold(nil, text), func(g gram) bool {
		forward := !ordinary(g)
		if counts = counts || forward; forward || !ordinary(g.reversed()) || !ordinary(g.rotated()) {
			one := g.canonical()
			k.grams[one] = struct{}{}
			k.filter[one.hash()/64] |= 1 << (one.hash() % 64)
		}
		return false
	})
	return counts
}

// unwrapped decodes a value that is text in base64 or hexadecimal; "" if it is not.
func unwrapped(text string) string {
	text = strings.TrimSpace(text)
	for _, decode := range []func(string) ([]byte, error){hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawURLEncoding.DecodeString} {
		if b, err := decode(text); err == nil && len(b) >= gramLength && utf8.Valid(b) {
			return string(b)
		}
	}
	return ""
}

// tellsSomething reports whether to look for a value as a whole.
func tellsSomething(text string) bool {
	r := []rune(text)
	return len(r) >= 4 && strings.Trim(text, string(r[0])) != "" && !ordinaryWords(text, 2)
}

// inText reports whether text contains a value as it is.
func (k *known) inText(folded []byte, text string) bool {
	if k.hasGram(folded) {
		return true
	}
	if len(k.wholes) == 0 {
		return false
	}
	text = whole(text)
	return slices.ContainsFunc(k.wholes, func(whole string) bool { return containsWhole(text, whole) })
}

// inNoise is inText for unpacked text, where the characters around a value say nothing.
func (k *known) inNoise(folded []byte, text string) bool {
	return k.hasGram(folded) || slices.ContainsFunc(k.wholes, func(whole string) bool { return strings.Contains(text, whole) })
}

func (k *known) hasGram(folded []byte) bool {
	return eachGram(folded, func(g gram) bool {
		one := g.canonical()
		if k.filter[one.hash()/64]&(1<<(one.hash()%64)) == 0 {
			return false
		}
		_, found := k.grams[one]
		return found && !ordinary(g)
	})
}

func containsWhole(text, whole string) bool {
	for {
		i := strings.Index(text, whole)
		if i < 0 {
			return false
		}
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[i+len(whole):])
		first, size := utf8.DecodeRuneInString(whole)
		last, _ := utf8.DecodeLastRuneInString(whole)
		if !(isWord(before) && isWord(first)) && !(isWord(after) && isWord(last)) {
			return true
		}
		text = text[i+size:]
	}
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// whole returns the form of a text in which whole values are compared.
func whole(text string) string {
	return strings.ReplaceAll(visible(text), "+", " ") // as queries write a blank
}

// visible returns text without invisible characters other than white space.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if invisible(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
}

// hash returns the bit of the filter, which saves most lookups in the map.
func (g gram) hash() uint64 { return uint64(g) * 0x9e3779b97f4a7c15 >> (64 - filterBits) }

// eachGram yields every eight characters in a row of a folded text, and of its letters
// and digits alone. If yield returns true, it stops and returns true.
func eachGram(folded []byte, yield func(gram) bool) bool {
	var words, all gram
	nWords := 0
	for i, b := range folded {
		all = all<<8 | gram(b)
		if isWordByte(b) {
			words = words<<8 | gram(b)
			if nWords++; nWords >= gramLength && yield(words) {
				return true
			}
		}
		if i+1 >= gramLength && all != words && yield(all) {
			return true
		}
	}
	return false
}

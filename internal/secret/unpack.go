package secret

import (
	"slices"
	"strings"
	"sync"
)

// packing is an encoding in which a number of characters, the digits of a large number,
// holds a number of bytes.
type packing struct {
	alphabet string // in the order of the digits
	alike    string // pairs of a character and the one of alphabet that it stands for
	chars    int
	bytes    int
}

var packings = []packing{
	{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", "-+_/", 4, 3}, // base64
	{"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", lowerCase, 8, 5},                              // base32
	{"0123456789ABCDEFGHIJKLMNOPQRSTUV", lowerCase, 8, 5},                              // base32hex
	{" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_", "` ", 4, 3}, // uuencode
	{hexadecimal, lowerCase, 2, 1},
	{"01", "", 8, 1},
	{"0123456789", "", 3, 1}, // three digits for each byte
	{"01234567", "", 3, 1},
	{"!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstu", "", 5, 4}, // ascii85
	{"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#", "", 5, 4},   // Z85
	{"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~", "", 5, 4},   // base85
}

const (
	lowerCase   = "aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ"
	hexadecimal = "0123456789ABCDEF"
)

const absent = 0xff

// table returns the digit that each character is, or absent.
func (p packing) table() *[256]byte {
	var t [256]byte
	for i := range t {
		t[i] = absent
	}
	for i := range len(p.alphabet) {
		t[p.alphabet[i]] = byte(i & 0x7f)
	}
	for i := 0; i < len(p.alike); i += 2 {
		t[p.alike[i]] = t[p.alike[i+1]]
	}
	return &t
}

var tables = sync.OnceValue(func() (all []*[256]byte) {
	for _, p := range packings {
		all = append(all, p.table())
	}
	return all
})

// eachUnpacked yields text unpacked from every packing; from the shorter ones, which nobody
// reads backwards either, also backwards. It skips characters that a packing does not have,
// such as line breaks in base64, and starts at every offset, since what precedes a packed
// value looks like a part of it. squeezed is text without blanks. nested is whether to look
// for other encodings in what was unpacked. If yield returns true, it stops and returns true.
func eachUnpacked(text, squeezed string, yield func(unpacked string, nested bool) bool) bool {
	for i, p := range packings {
		from := squeezed
		if strings.Contains(p.alphabet, " ") {
			from = text
		}
		digits := p.digits(from, tables()[i])
		if p.eachOffset(digits, p.chars != 5, yield) {
			return true
		}
		if p.chars < 5 {
			slices.Reverse(digits)
			if p.eachOffset(digits, false, yield) {
				return true
			}
		}
	}
	text = visible(text)
	return yield(numbers(text, 10), true) || yield(numbers(text, 8), true)
}

func (p packing) eachOffset(digits []byte, nested bool, yield func(string, bool) bool) bool {
	for offset := range min(p.chars, len(digits)) {
		if yield(p.unpack(digits[offset:]), nested) {
			return true
		}
	}
	return false
}

func (p packing) digits(text string, table *[256]byte) []byte {
	digits := make([]byte, 0, len(text)+p.chars)
	for i := range len(text) {
		if p.alphabet == hexadecimal && text[i]|0x20 == 'x' && i > 0 && text[i-1] == '0' {
			digits = digits[:len(digits)-1] // 0x41
		}
		if v := table[text[i]]; v != absent {
			digits = append(digits, v)
		}
	}
	return digits
}

func (p packing) unpack(digits []byte) string {
	var out strings.Builder
	out.Grow((len(digits)/p.chars + 1) * p.bytes)
	base := uint64(len(p.alphabet))
	for range p.chars - 1 { // which the last group may lack
		digits = append(digits, byte(base-1))
	}
	for ; len(digits) >= p.chars; digits = digits[p.chars:] {
		var n uint64
		for _, digit := range digits[:p.chars] {
			n = n*base + uint64(digit)
		}
		for shift := 8 * (p.bytes - 1); shift >= 0; shift -= 8 {
			out.WriteByte(byte(n >> shift & 0xff))
		}
	}
	return out.String()
}

// numbers returns the bytes and characters that text lists by number.
func numbers(text string, base int) string {
	var out strings.Builder
	n, digits := 0, 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && digit(text[i]) < base && digits < 8 {
			n, digits = n*base+digit(text[i]), digits+1
			continue
		}
		switch {
		case digits > 0 && n < 256:
			out.WriteByte(byte(n))
		case digits > 0:
			out.WriteRune(rune(n))
		}
		n, digits = 0, 0
	}
	return out.String()
}

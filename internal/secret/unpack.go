package secret

import (
	"slices"
	"strings"
	"sync"
)

// packing is an encoding whose characters hold a few bits each.
type packing struct {
	alphabet string // in the order of the bits
	alike    string // pairs of a character and the one of alphabet that it stands for
	bits     int
}

var packings = []packing{
	{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", "-+_/", 6}, // base64
	{"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", lowerCase, 5},                              // base32
	{"0123456789ABCDEFGHIJKLMNOPQRSTUV", lowerCase, 5},                              // base32hex
	{" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_", "` ", 6}, // uuencode
	{"0123456789ABCDEF", lowerCase, 4},
	{"01", "", 1},
}

const lowerCase = "aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ"

const absent = 0xff

// table returns the bits of each character, or absent.
func (p packing) table() *[256]byte {
	var t [256]byte
	for i := range t {
		t[i] = absent
	}
	for i := range len(p.alphabet) {
		t[p.alphabet[i]] = byte(i & 0x3f)
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

// eachUnpacked yields text unpacked from each packing, and from numbers. It skips characters that a
// packing does not have, such as line breaks in base64, and starts at every offset, since
// what precedes a packed value looks like a part of it. squeezed is text without blanks.
// It leaves out what has fewer bytes than least. If yield returns true, it stops and returns true.
func eachUnpacked(all []packing, text, squeezed string, least int, yield func(string) bool) bool {
	for i, p := range all {
		from := squeezed
		if strings.Contains(p.alphabet, " ") {
			from = text
		}
		symbols := p.symbols(from, tables()[i])
		// After at most eight characters, a byte starts where a character does.
		for offset := range 8 / gcd(p.bits, 8) {
			if (len(symbols)-offset)*p.bits/8 < least {
				break
			}
			if yield(unpack(symbols[offset:], p.bits)) {
				return true
			}
		}
	}
	// What is no character may separate numbers, or stand among their digits.
	for _, text := range slices.Compact([]string{visible(text), spaced(text)}) {
		for _, base := range []int{10, 8} {
			if listed := numbers(text, base); len(listed) >= least && yield(listed) {
				return true
			}
		}
	}
	return false
}

// symbols returns the bits of each character in the packing.
func (p packing) symbols(text string, table *[256]byte) []byte {
	symbols := make([]byte, 0, len(text))
	for i := range len(text) {
		if p.bits == 4 && text[i]|0x20 == 'x' && i > 0 && text[i-1] == '0' {
			symbols = symbols[:len(symbols)-1] // 0x41
		}
		if v := table[text[i]]; v != absent {
			symbols = append(symbols, v)
		}
	}
	return symbols
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func unpack(symbols []byte, bits int) string {
	var out strings.Builder
	out.Grow(len(symbols) * bits / 8)
	var held uint
	n := 0
	for _, s := range symbols {
		held, n = held<<bits|uint(s), n+bits
		if n >= 8 {
			n -= 8
			out.WriteByte(byte(held >> n & 0xff))
		}
	}
	return out.String()
}

// numbers returns the bytes, or in decimal also the characters, that text lists by number. An
// octal number is its last byte, because what precedes a list may end in a digit.
func numbers(text string, base int) string {
	var out strings.Builder
	n, digits := 0, 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && digit(text[i]) < base && (digits < 8 || base == 8) {
			if n, digits = n*base+digit(text[i]), digits+1; base == 8 {
				n &= 0xff
			}
			continue
		}
		if sign := i - digits - 1; base == 10 && digits > 0 && n <= 128 && sign >= 0 && text[sign] == '-' && (sign == 0 || digit(text[sign-1]) >= base) {
			n = 256 - n // a signed byte, as Java has it
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

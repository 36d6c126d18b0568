package secret

import (
	"html"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// terminal matches what colors text or moves the cursor, and shows as nothing.
var terminal = regexp.MustCompile("(?:\x1b\\[|\u009b)[0-?]*[ -/]*[@-~]")

// escapes undo one layer of an encoding that leaves most characters as they are: colors
// of a terminal, URLs, programming languages and JSON, HTML, the wrong character set.
var escapes = []func(string) string{
	func(text string) string {
		if strings.ContainsAny(text, "\x1b\u009b") {
			return terminal.ReplaceAllString(text, "")
		}
		return text
	},
	func(text string) string { return replaced(text, "%U", code) },
	func(text string) string { return replaced(text, `\`, backslash) },
	html.UnescapeString,
	func(text string) string { return replaced(text, "\xc3", misread) },
}

// windows has the characters of Windows-1252 from 0x80 to 0x9f. Its others are Latin 1.
var windows = []rune("€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ")

// misread decodes a character in UTF-8 that was read as Latin 1 or Windows-1252, as some
// servers read the header of Basic authentication, for [replaced].
func misread(b *strings.Builder, text string) int {
	var was []byte
	for i, r := range text {
		size := utf8.RuneLen(r)
		if at := slices.Index(windows, r); at >= 0 {
			r = rune(0x80 + at) //nolint:gosec // at most 0x9f
		}
		if r > 0xff || len(was) == utf8.UTFMax {
			return 0
		}
		if was = append(was, byte(r&0xff)); utf8.Valid(was) {
			b.Write(was)
			return i + size
		}
	}
	return 0
}

// undone returns text with one layer of every escape undone, and of each alone: a value
// may look like an escape of one kind and be escaped by another. Quoted-printable is
// undone only alone, because "=20" occurs in any list of settings.
func undone(text string) []string {
	forms := []string{unescape(text)}
	if quoted.MatchString(text) {
		forms = append(forms, replaced(text, "=", code))
	}
	for _, undo := range escapes {
		if form := undo(text); form != text && form != forms[0] {
			forms = append(forms, form)
		}
	}
	return forms
}

var quoted = regexp.MustCompile("=[0-9A-F]{2}|=\r?\n")

// unescape undoes a layer of every escape.
func unescape(text string) string {
	for _, undo := range escapes {
		text = undo(text)
	}
	return text
}

// layers yields text undone once, twice and so on, until nothing changes.
func layers(text string, undo func(string) string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for plain := undo(text); plain != text && yield(plain); plain = undo(text) {
			text = plain
		}
	}
}

// replaced calls decode wherever an escape may start, at one of the characters starts.
// decode writes what the escape stands for and returns its length, 0 if it is no escape.
func replaced(text, starts string, decode func(b *strings.Builder, text string) int) string {
	if !slices.ContainsFunc([]byte(starts), func(b byte) bool { return strings.IndexByte(text, b) >= 0 }) {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); {
		size := 0
		if strings.IndexByte(starts, text[i]) >= 0 {
			size = decode(&b, text[i:])
		}
		if size == 0 {
			b.WriteByte(text[i])
			size = 1
		}
		i += size
	}
	return b.String()
}

// code decodes %41, =41, %u0041 and U+0041, for [replaced].
func code(b *strings.Builder, text string) int {
	switch {
	case strings.HasPrefix(text, "U+"):
		n := number(b, text, 2, 4, 6, 16)
		if n > 0 && strings.HasPrefix(text[n:], " U+") {
			n++
		}
		return n
	case text[0] == '%' && len(text) > 1 && text[1]|0x20 == 'u':
		return number(b, text, 2, 4, 4, 16)
	case strings.HasPrefix(text, "=\r\n"):
		return len("=\r\n")
	case strings.HasPrefix(text, "=\n"):
		return len("=\n")
	case text[0] == '=':
		return max(1, number(b, text, 1, 2, 2, 16)) // "=" at the end of a line, whose break was lost
	case text[0] != 'U':
		return number(b, text, 1, 2, 2, 16)
	}
	return 0
}

// backslash decodes the escapes of programming languages and JSON, for [replaced]. An
// invisible character becomes any other one.
func backslash(b *strings.Builder, text string) int {
	if len(text) < 2 {
		return 0
	}
	switch c := text[1]; {
	case (c == 'x' || c == 'u') && strings.HasPrefix(text[2:], "{"):
		if n := number(b, text, 3, 1, 8, 16); n > 0 {
			return n + len("}")
		}
	case c == 'x':
		return number(b, text, 2, 1, 2, 16)
	case c == 'u':
		if r := pair(text); r >= 0 {
			b.WriteRune(r)
			return len(`\ud800\udc00`)
		}
		return number(b, text, 2, 4, 4, 16)
	case c == 'U':
		if n := number(b, text, 2, 8, 8, 16); n > 0 {
			return n
		}
		return number(b, text, 2, 4, 4, 16)
	case '0' <= c && c <= '7':
		return number(b, text, 1, 1, 3, 8)
	case strings.IndexByte("nrtbfvae\n\r", c) >= 0:
		b.WriteByte(map[byte]byte{'n': '\n', 'r': '\r', 'e': '\x1b'}[c])
		return 2
	case c < utf8.RuneSelf && !letter(c):
		b.WriteByte(c)
		return 2
	}
	return 0
}

// pair returns the character that two surrogates in JSON stand for, or -1.
func pair(text string) rune {
	if len(text) < 12 || text[6] != '\\' || text[7] != 'u' {
		return -1
	}
	high, err1 := strconv.ParseUint(text[2:6], 16, 32)
	low, err2 := strconv.ParseUint(text[8:12], 16, 32)
	if r := utf16.DecodeRune(rune(high), rune(low)); err1 == nil && err2 == nil && r != utf8.RuneError { //nolint:gosec // 16 bits each
		return r
	}
	return -1
}

// number reads between least and most digits after a prefix, and writes the byte or
// the character with that number. It returns the length that it read, or 0.
func number(b *strings.Builder, text string, prefix, least, most, base int) int {
	end := prefix
	for end < len(text) && end < prefix+most && digit(text[end]) < base {
		end++
	}
	if end < prefix+least {
		return 0
	}
	n, err := strconv.ParseUint(text[prefix:end], base, 32)
	if err != nil || n > unicode.MaxRune {
		return 0
	}
	if n < 256 && most <= 3 {
		b.WriteByte(byte(n)) // perhaps part of a character in UTF-8
	} else {
		b.WriteRune(rune(n)) // U+FFFD for a surrogate, which comparing ignores
	}
	return end
}

func digit(b byte) int {
	switch {
	case '0' <= b && b <= '9':
		return int(b - '0')
	case 'a' <= b|0x20 && b|0x20 <= 'f':
		return int(b|0x20-'a') + 10
	}
	return 99
}

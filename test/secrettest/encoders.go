// Package secrettest is for tests of what a hostile server says: it repeats a secret
// in every encoding, and sends what steers a terminal or a CI system.
package secrettest

import (
	"bytes"
	"compress/gzip"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"mime/quotedprintable"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"
)

// Encoder is a way in which a server may repeat what it was sent. Decode is nil where
// a reader decodes with the eyes.
type Encoder struct {
	Name   string
	Encode func(string) string
	Decode func(string) (string, error)
}

func eachByte(format string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			fmt.Fprintf(&b, format, s[i])
		}
		return b.String()
	}
}

func eachRune(format string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for _, r := range s {
			fmt.Fprintf(&b, format, r)
		}
		return b.String()
	}
}

func between(separator string) func(string) string {
	return func(s string) string { return strings.Join(strings.Split(s, ""), separator) }
}

func without(parts ...string) func(string) (string, error) {
	return func(s string) (string, error) {
		for _, part := range parts {
			s = strings.ReplaceAll(s, part, "")
		}
		return s, nil
	}
}

func asJSON(s string, escapeHTML bool) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(escapeHTML)
	_ = enc.Encode(s)
	return strings.TrimSuffix(strings.TrimSpace(b.String())[1:], `"`)
}

func fromJSON(s string) (out string, err error) {
	return out, json.Unmarshal([]byte(`"`+s+`"`), &out)
}

func wrapped(s string, width int, lineBreak string) string {
	var lines []string
	r := []rune(s)
	for ; len(r) > width; r = r[width:] {
		lines = append(lines, string(r[:width]))
	}
	return strings.Join(append(lines, string(r)), lineBreak)
}

func bytesOf(decode func(string) ([]byte, error)) func(string) (string, error) {
	return func(s string) (string, error) {
		b, err := decode(s)
		return string(b), err
	}
}

// python is urllib.parse.quote with characters that are left as they are.
func python(s, safe string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; letter(c) || '0' <= c && c <= '9' || strings.IndexByte("_.-~"+safe, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func fromCodes(prefix, suffix string, base int) func(string) (string, error) {
	return func(s string) (string, error) {
		var b strings.Builder
		for _, part := range strings.Split(s, prefix)[1:] {
			n, err := strconv.ParseInt(strings.TrimSuffix(part, suffix), base, 32)
			if err != nil {
				return "", err
			}
			b.WriteRune(rune(n))
		}
		return b.String(), nil
	}
}

func fromQuotedPrintable(s string) (string, error) {
	var b bytes.Buffer
	_, err := b.ReadFrom(quotedprintable.NewReader(strings.NewReader(s)))
	return b.String(), err
}

func toUTF16(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u&0xff), byte(u>>8))
	}
	return base64.StdEncoding.EncodeToString(b)
}

func uuencoded(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	bits := []byte(base64.StdEncoding.EncodeToString([]byte(s)))
	for i, c := range bits {
		if v := strings.IndexByte(alphabet, c); v >= 0 {
			bits[i] = ' ' + byte(v&0x3f)
		}
	}
	return string(rune(' '+len(s)%64)) + strings.ReplaceAll(string(bits), " ", "`")
}

func reversedText(s string) string {
	r := []rune(s)
	for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
		r[i], r[j] = r[j], r[i]
	}
	return string(r)
}

var rawBase32 = base32.StdEncoding.WithPadding(base32.NoPadding)

// Encoders has those first that a chain may be made of. Those from "reversed" on change
// the letters or what is among them, and only stand alone.
var Encoders = []Encoder{
	{"as it is", strings.Clone, without()},
	{"encodeURIComponent", func(s string) string { return python(s, "!'()*") }, url.PathUnescape},
	{"Python's quote", func(s string) string { return python(s, "/") }, url.PathUnescape},
	{"Go's query", url.QueryEscape, url.QueryUnescape},
	{"Go's path", url.PathEscape, url.PathUnescape},
	{"percent, every byte", eachByte("%%%02X"), url.PathUnescape},
	{"percent, lower case", eachByte("%%%02x"), url.PathUnescape},
	{"JSON", func(s string) string { return asJSON(s, true) }, fromJSON},
	{"plain JSON", func(s string) string { return asJSON(s, false) }, fromJSON},
	{"PHP's JSON", func(s string) string { return strings.ReplaceAll(asJSON(s, false), "/", `\/`) }, fromJSON},
	{"JSON, every character", func(s string) string {
		var b strings.Builder
		for _, u := range utf16.Encode([]rune(s)) {
			fmt.Fprintf(&b, `\u%04x`, u)
		}
		return b.String()
	}, fromJSON},
	{"Go's ASCII", func(s string) string { q := strconv.QuoteToASCII(s); return q[1 : len(q)-1] }, func(s string) (string, error) { return strconv.Unquote(`"` + s + `"`) }},
	{`\x41`, eachByte(`\x%02x`), nil},
	{`\101`, eachByte(`\%03o`), nil},
	{`\u{41}`, eachRune(`\u{%x}`), nil},
	{"U+0041", eachRune("U+%04X "), fromCodes("U+", " ", 16)},
	{"HTML, named", html.EscapeString, func(s string) (string, error) { return html.UnescapeString(s), nil }},
	{"HTML, decimal", eachRune("&#%d;"), fromCodes("&#", ";", 10)},
	{"HTML, hexadecimal", eachRune("&#x%X;"), fromCodes("&#x", ";", 16)},
	{"HTML without semicolons", eachRune("&#%04d "), fromCodes("&#", " ", 10)},
	{"hex", func(s string) string { return hex.EncodeToString([]byte(s)) }, bytesOf(hex.DecodeString)},
	{"HEX", func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) }, bytesOf(hex.DecodeString)},
	{"hex with colons", func(s string) string { return strings.ReplaceAll(fmt.Sprintf("% x", s), " ", ":") }, nil},
	{"0x41, 0x42", eachByte("0x%02x, "), nil},
	{"decimal bytes", func(s string) string { return fmt.Sprint([]byte(s)) }, nil},
	{"octal bytes", eachByte("%03o "), nil},
	{"binary", eachByte("%08b "), nil},
	{"base32", func(s string) string { return base32.StdEncoding.EncodeToString([]byte(s)) }, bytesOf(base32.StdEncoding.DecodeString)},
	{"base32, lower case", func(s string) string { return strings.ToLower(rawBase32.EncodeToString([]byte(s))) }, nil},
	{"base32hex", func(s string) string { return base32.HexEncoding.EncodeToString([]byte(s)) }, bytesOf(base32.HexEncoding.DecodeString)},
	{"base64", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }, bytesOf(base64.StdEncoding.DecodeString)},
	{"raw base64", func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) }, bytesOf(base64.RawStdEncoding.DecodeString)},
	{"base64url", func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }, bytesOf(base64.RawURLEncoding.DecodeString)},
	{"base64 in lines", func(s string) string { return wrapped(base64.StdEncoding.EncodeToString([]byte(s)), 20, "\r\n") }, bytesOf(base64.StdEncoding.DecodeString)},
	{"base64 of Basic", func(s string) string { return base64.StdEncoding.EncodeToString([]byte("root:" + s)) }, bytesOf(base64.StdEncoding.DecodeString)},
	{"quoted-printable", func(s string) string {
		var b bytes.Buffer
		w := quotedprintable.NewWriter(&b)
		_, _ = w.Write([]byte(s))
		_ = w.Close()
		return b.String()
	}, fromQuotedPrintable},
	{"quoted-printable, every byte", eachByte("=%02X"), fromQuotedPrintable},
	{"blanks inside", between(" "), without(" ")},
	{"line breaks inside", func(s string) string { return wrapped(s, 5, "\n") }, without("\n")},
	{"zero-width inside", between("\u200b"), without("\u200b")},
	{"soft hyphens inside", between("\u00ad"), without("\u00ad")},
	{"NUL inside", between("\x00"), without("\x00")},
	{"colors inside", between("\x1b[1;31m"), without("\x1b[1;31m")},

	{"reversed", reversedText, nil},
	{"shell quotes", func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }, nil},
	{"base64 of UTF-16", toUTF16, nil},
	{"uuencode", uuencoded, nil},
	{"base64 of gzip", func(s string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(s))
		_ = w.Close()
		return base64.StdEncoding.EncodeToString(b.Bytes())
	}, nil},
	{"UTF-8 read as Latin 1", func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			b.WriteRune(rune(s[i]))
		}
		return b.String()
	}, nil},
	{"UTF-8 read as Windows-1252", func(s string) string {
		text, _ := charmap.Windows1252.NewDecoder().String(s)
		return text
	}, nil},
	{"signed bytes", func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			fmt.Fprintf(&b, "%d, ", int8(s[i]))
		}
		return b.String()
	}, nil},
	{"upper case", strings.ToUpper, nil},
	{"lower case", strings.ToLower, nil},
	{"full width", func(s string) string {
		return strings.Map(func(r rune) rune {
			if '!' <= r && r <= '~' {
				return r + 0xfee0
			}
			return r
		}, s)
	}, nil},
	{"rot13", func(s string) string {
		return strings.Map(func(r rune) rune {
			if r < 128 && letter(byte(r)) {
				return r&0x20 | 'A' + ((r|0x20)-'a'+13)%26
			}
			return r
		}, s)
	}, nil},
}

// Chained returns the encoders that a chain may be made of.
func Chained() []Encoder {
	return Encoders[:slices.IndexFunc(Encoders, func(e Encoder) bool { return e.Name == "reversed" })]
}

func letter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }

// Attack is a text that clears the screen, writes the clipboard, turns the direction of
// writing, breaks the line, and forges commands of CI systems and lines of a plan.
const Attack = "x\n::error title=forged::x\r##[error]forged ##vso[task.complete]x\n::stop-commands::pwn" +
	"\x1b]52;c;QQ\x07\x1b[2J\u009b31m\u202egnp.exe\u2066\u200b\u2028\x00 done: 0 created"

// Forged says what of [Attack] is in effect in a text of one line, or "".
func Forged(line string) string {
	for _, bad := range []string{"\n", "\r", "\x1b", "\x07", "\u009b", "\u202e", "\u2066", "\u200b", "\u2028", "\x00", "::error", "::stop", "##[", "##vso["} {
		if strings.Contains(line, bad) {
			return strconv.Quote(bad)
		}
	}
	return ""
}

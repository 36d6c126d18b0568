// Package secret owns secret values: it reads them from their sources, makes new
// ones, compares them, and refuses to print them. A [Value] shows "[secret]"
// under every fmt verb, encoder and logger; the only way to its bytes is
// [Value.Reveal], so a search for that name finds every place a value goes.
package secret

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

const mask = "[secret]"

// Value is a secret value. The zero Value is empty. The bytes live in a closure,
// because fmt, encoders and dumpers reach unexported fields by reflection but
// cannot reach what a function has captured.
type Value struct {
	reveal func() []byte
}

// New returns a Value that holds a copy of b.
func New(b []byte) Value {
	held := bytes.Clone(b)
	return Value{reveal: func() []byte { return held }}
}

// Reveal returns the bytes; the caller must not change them, and sends them
// nowhere but to the store or server that they are for.
func (v Value) Reveal() []byte {
	if v.reveal == nil {
		return nil
	}
	return v.reveal()
}

// Empty says whether there is nothing in v.
func (v Value) Empty() bool { return len(v.Reveal()) == 0 }

// Equal compares in constant time, and hides the lengths too.
func (v Value) Equal(other Value) bool {
	a, b := sha256.Sum256(v.Reveal()), sha256.Sum256(other.Reveal())
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// EndsInNewline says whether the last byte is a line break, which Aidbox takes
// as part of the secret.
func (v Value) EndsInNewline() bool {
	b := v.Reveal()
	return len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r')
}

// String returns a mask, as do all the methods below it.
func (v Value) String() string { return mask }

// GoString implements [fmt.GoStringer].
func (v Value) GoString() string { return mask }

// Format implements [fmt.Formatter], which fmt asks before it looks at fields.
func (v Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }

// MarshalText implements [encoding.TextMarshaler].
func (v Value) MarshalText() ([]byte, error) { return []byte(mask), nil }

// MarshalJSON implements [json.Marshaler].
func (v Value) MarshalJSON() ([]byte, error) { return json.Marshal(mask) }

// MarshalYAML implements the Marshaler of go.yaml.in/yaml.
func (v Value) MarshalYAML() (any, error) { return mask, nil }

// LogValue implements [slog.LogValuer].
func (v Value) LogValue() slog.Value { return slog.StringValue(mask) }

// ScrubText returns text that came from outside, such as a server's error
// message, unless one of the values is in it: then it returns a sentence that
// says so. A value is found as it is, and in base64, hexadecimal, URL, HTML, JSON
// and Go encoding, also as the password of a Basic credential. Text goes as a
// whole, because what remains around a removed value can tell what it was.
func ScrubText(text string, values ...Value) string {
	for _, v := range values {
		if v.appearsIn(text) {
			return "(message withheld: it repeats a secret value)"
		}
	}
	return text
}

func (v Value) appearsIn(text string) bool {
	b := v.Reveal()
	if len(b) == 0 {
		return false
	}
	lower := strings.ToLower(text) // %2F and %2f are the same
	for _, form := range spellings(string(b)) {
		if strings.Contains(text, form) || strings.Contains(lower, strings.ToLower(form)) {
			return true
		}
	}
	// Base64 packs three bytes into four characters, so a value that something
	// precedes, as "id:" does in a Basic credential, shows in one of three forms.
	// The characters at the ends share bits with the neighbours: leave them out.
	for shift := range 3 {
		padded := append(make([]byte, shift), b...)
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			form := inner(enc.EncodeToString(padded), shift, len(padded))
			if len(form) >= 4 && strings.Contains(text, form) {
				return true
			}
		}
	}
	return false
}

// spellings returns the encodings of s that keep its bytes apart.
func spellings(s string) []string {
	asJSON, _ := json.Marshal(s)
	var plainJSON bytes.Buffer // as others than Go write it
	encoder := json.NewEncoder(&plainJSON)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s)
	quoted := []string{string(asJSON), strings.TrimSpace(plainJSON.String()), strconv.Quote(s), strconv.QuoteToASCII(s)}
	forms := []string{s, hex.EncodeToString([]byte(s)), url.QueryEscape(s), url.PathEscape(s), html.EscapeString(s)}
	for _, q := range quoted {
		forms = append(forms, q[1:len(q)-1])
	}
	return forms
}

// inner cuts an encoded form down to the characters that the value alone decides.
func inner(form string, shift, length int) string {
	start := []int{0, 2, 3}[shift]
	end := len(form)
	if length%3 != 0 {
		end-- // its low bits are padding here, and the next byte's in a longer text
	}
	if start >= end {
		return ""
	}
	return form[start:end]
}

// valid says what is wrong with a value, as an error, or nil.
func valid(b []byte) error {
	switch {
	case len(b) == 0:
		return errEmpty
	case len(b) > MaxLength:
		return fmt.Errorf("is longer than %d bytes", MaxLength)
	case !utf8.Valid(b):
		return errNotText
	}
	return nil
}

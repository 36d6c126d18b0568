// Package secret owns secret values: it reads them from their sources, makes new
// ones, compares them, and refuses to print them. A [Value] shows "[secret]"
// under every fmt verb, encoder and logger; the only way to its bytes is
// [Value.Reveal], so a search for that name finds every place a value goes.
package secret

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
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

// Empty reports whether v has no bytes.
func (v Value) Empty() bool { return len(v.Reveal()) == 0 }

// Equal compares in constant time, and hides the lengths too.
func (v Value) Equal(other Value) bool {
	a, b := sha256.Sum256(v.Reveal()), sha256.Sum256(other.Reveal())
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// EndsInNewline reports whether the last byte is a line break, which Aidbox takes for
// part of the secret.
func (v Value) EndsInNewline() bool {
	b := v.Reveal()
	return len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r')
}

// Oddity describes what Aidbox takes for part of the secret and hardly anybody intends,
// such as "ends in a line break"; "" if there is nothing.
func (v Value) Oddity() string {
	b := v.Reveal()
	switch {
	case len(b) == 0:
		return ""
	case bytes.HasPrefix(b, []byte("-----BEGIN ")): // PEM is lines of text
		return ""
	case v.EndsInNewline():
		return "ends in a line break"
	case bytes.HasPrefix(b, []byte("\uFEFF")):
		return "begins with a byte order mark"
	case bytes.IndexByte(b, 0) >= 0:
		return "has a NUL character"
	case len(bytes.TrimLeft(b, " \t\r\n")) < len(b):
		return "begins with white space"
	case len(bytes.TrimRight(b, " \t")) < len(b):
		return "ends in white space"
	}
	return ""
}

// String returns a mask, as do all the methods below.
func (v Value) String() string { return mask }

// Format implements [fmt.Formatter], which fmt calls for every verb.
func (v Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }

// MarshalText implements [encoding.TextMarshaler], which encoders of JSON, YAML and XML call.
func (v Value) MarshalText() ([]byte, error) { return []byte(mask), nil }

// LogValue implements [slog.LogValuer].
func (v Value) LogValue() slog.Value { return slog.StringValue(mask) }

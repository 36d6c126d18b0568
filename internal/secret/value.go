// Package secret owns secret values: it reads them from their sources, makes new
// ones, compares them, and refuses to print them. A [Value] shows "[secret]"
// under every fmt verb, encoder and logger; the only way to its bytes is
// [Value.Reveal], so a search for that name finds every place a value goes.
package secret

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
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

// Oddity says what Aidbox takes as part of the secret and hardly anybody means, such as
// "ends in a line break"; "" for nothing.
func (v Value) Oddity() string {
	b := v.Reveal()
	switch {
	case len(b) == 0:
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

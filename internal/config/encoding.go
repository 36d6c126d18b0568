package config

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"github.com/secretctl/secretctl/internal/secret"
)

// The values of secrets[].encoding and secrets[].objectEncoding.
const (
	EncodingUTF8   = "utf-8" // the CSI provider writes the stored text to the file
	EncodingHex    = "hex"   // the CSI provider decodes the stored text
	EncodingBase64 = "base64"
)

// StoredEncoding returns the encoding of the stored text.
func (s Secret) StoredEncoding() string { return cmp.Or(s.Encoding, s.ObjectEncoding, EncodingUTF8) }

// InFile returns the content of the file for a stored value, or an error if the CSI provider
// cannot decode it.
func (s Secret) InFile(stored secret.Value) (secret.Value, error) {
	decode := map[string]func(string) ([]byte, error){EncodingHex: hex.DecodeString, EncodingBase64: base64.StdEncoding.DecodeString}[s.StoredEncoding()]
	if decode == nil || stored.Empty() {
		return stored, nil
	}
	b, err := decode(string(stored.Reveal()))
	if err != nil { // it quotes the value
		return secret.Value{}, fmt.Errorf("is not %s, so the CSI provider cannot decode it", s.StoredEncoding())
	}
	return secret.New(b), nil
}

// validateEncoding checks an encoding. Generated values are text.
func (s Secret) validateEncoding(at *place, key, encoding string) {
	if at.key(key).check(encoding, oneOf(encodings...)) && encoding != "" && encoding != EncodingUTF8 && s.Value.Generate != nil {
		at.key("value").report("generates text, which the CSI provider would decode", "remove "+key+", or give the value another source")
	}
}

var encodings = []string{EncodingUTF8, EncodingHex, EncodingBase64}

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
	EncodingUTF8   = "utf-8" // the file has the stored text
	EncodingHex    = "hex"   // the file has the bytes that the stored text stands for
	EncodingBase64 = "base64"
)

// StoredEncoding returns how the stored text stands for what the file has.
func (s Secret) StoredEncoding() string { return cmp.Or(s.Encoding, s.ObjectEncoding, EncodingUTF8) }

// InFile returns what the CSI provider writes into the file for a stored value. The
// error says that it would write nothing.
func (s Secret) InFile(stored secret.Value) (secret.Value, error) {
	decode := map[string]func(string) ([]byte, error){EncodingHex: hex.DecodeString, EncodingBase64: base64.StdEncoding.DecodeString}[s.StoredEncoding()]
	if decode == nil || stored.Empty() {
		return stored, nil
	}
	b, err := decode(string(stored.Reveal()))
	if err != nil { // which quotes from the value
		return secret.Value{}, fmt.Errorf("is not %s, as which the CSI provider decodes it", s.StoredEncoding())
	}
	return secret.New(b), nil
}

// validateEncoding checks an encoding, and that what is generated has it.
func (s Secret) validateEncoding(at *place, key, encoding string) {
	if at.key(key).check(encoding, oneOf(encodings...)) && encoding != "" && encoding != EncodingUTF8 && s.Value.Generate != nil {
		at.key("value").report("generates text, and the file would have what that decodes to", "remove "+key+", or give the value another source")
	}
}

var encodings = []string{EncodingUTF8, EncodingHex, EncodingBase64}

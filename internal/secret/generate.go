package secret

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"unicode"
	"unicode/utf8"
)

const (
	defaultAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	defaultLength   = 32
	leastBits       = 96 // below this, a value could be guessed
)

// Generate describes a random value.
type Generate struct {
	Length   int    `json:"length,omitempty"`   // in characters; default 32
	Alphabet string `json:"alphabet,omitempty"` // default A-Z a-z 0-9
}

// Value makes a new random value, from crypto/rand and without bias.
func (g *Generate) Value() (Value, error) {
	if err := g.Validate(); err != nil {
		return Value{}, err
	}
	alphabet := []rune(cmp.Or(g.Alphabet, defaultAlphabet))
	out := make([]rune, cmp.Or(g.Length, defaultLength))
	random := mathrand.New(system{}) //nolint:gosec // which takes its numbers from crypto/rand
	for i := range out {
		out[i] = alphabet[random.IntN(len(alphabet))]
	}
	return New([]byte(string(out))), nil
}

// system is crypto/rand as a [mathrand.Source].
type system struct{}

func (system) Uint64() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // which never fails
	return binary.NativeEndian.Uint64(b[:])
}

// Validate returns an error for fewer than 8 or more than 4096 characters, for an
// alphabet of fewer than 8 characters, with one twice or with one that does not print,
// and for a value that could be guessed. The error repeats nothing of the alphabet.
func (g *Generate) Validate() error {
	seen := map[rune]bool{}
	for _, r := range g.Alphabet {
		if seen[r] {
			return errors.New("alphabet has a character twice")
		}
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return errors.New("alphabet has a character that does not print")
		}
		seen[r] = true
	}
	switch {
	case g.Length != 0 && (g.Length < 8 || g.Length > 4096):
		return errors.New("length is not between 8 and 4096")
	case g.Alphabet != "" && len(seen) < 8:
		return errors.New("alphabet has fewer than 8 characters")
	}
	size, length := len(defaultAlphabet), cmp.Or(g.Length, defaultLength)
	if g.Alphabet != "" {
		size = len(seen)
	}
	if enough := int(math.Ceil(leastBits / math.Log2(float64(size)))); length < enough {
		return withHint(fmt.Errorf("length %d makes values of fewer than %d bits, which can be guessed", length, leastBits),
			"with an alphabet of %d characters, write a length of at least %d", size, enough)
	}
	return nil
}

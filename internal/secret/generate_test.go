package secret

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/secretctl/secretctl/internal/hint"
)

func TestGeneratedValuesHaveTheLengthAndAlphabetAskedFor(t *testing.T) {
	for name, test := range map[string]struct {
		generate Generate
		length   int
		alphabet string
	}{
		"default":      {Generate{}, 32, defaultAlphabet},
		"short":        {Generate{Length: 17}, 17, defaultAlphabet},
		"long":         {Generate{Length: 4096}, 4096, defaultAlphabet},
		"own alphabet": {Generate{Alphabet: "01234567"}, 32, "01234567"},
		"beyond ASCII": {Generate{Length: 100, Alphabet: "äöüßéèêë"}, 100, "äöüßéèêë"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := new(Inputs).Read(t.Context(), Source{Generate: &test.generate}, "it")
			if err != nil {
				t.Fatal(err)
			}
			got := string(v.Reveal())
			if n := utf8.RuneCountInString(got); n != test.length || strings.Trim(got, test.alphabet) != "" {
				t.Errorf("%d characters, some not of the alphabet: %q", n, strings.Trim(got, test.alphabet))
			}
			if again, _ := test.generate.Value(); v.Equal(again) {
				t.Error("the same value twice")
			}
		})
	}
}

func TestGeneratedCharactersAreEquallyLikely(t *testing.T) {
	counts := map[rune]int{}
	const values = 20
	for range values {
		v, err := (&Generate{Length: 4096}).Value()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range string(v.Reveal()) {
			counts[r]++
		}
	}
	// 62 characters, each about 1321 times with a standard deviation of 36: six of them.
	for _, r := range defaultAlphabet {
		if n := counts[r]; n < 1321-220 || n > 1321+220 {
			t.Errorf("%q came %d times", r, n)
		}
	}
}

func TestGenerateRefusesWhatMakesWeakValues(t *testing.T) {
	for want, g := range map[string]Generate{
		"length is not between 8 and 4096":                                   {Length: 7},
		"alphabet has fewer than 8 characters":                               {Alphabet: "abcdefg"},
		"alphabet has a character twice":                                     {Alphabet: "aabcdefgh"},
		"alphabet has a character that does not print":                       {Alphabet: "abcdefgh\n"},
		"length 16 makes values of fewer than 96 bits, which can be guessed": {Length: 16},
		"length 31 makes values of fewer than 96 bits, which can be guessed": {Length: 31, Alphabet: "abcdefgh"},
		"length 8 makes values of fewer than 96 bits, which can be guessed":  {Length: 8, Alphabet: "abcdefgh"},
	} {
		if _, err := g.Value(); err == nil || err.Error() != want || g.Validate() == nil {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	for _, g := range []Generate{{Length: -1}, {Length: 4097}, {Alphabet: "abcdefgh\u2028"}, {Alphabet: "abcdefgh\xff"}} {
		if g.Validate() == nil {
			t.Errorf("%+v is accepted", g)
		}
	}
}

func TestAWeakValueComesWithTheLengthThatIsEnough(t *testing.T) {
	_, err := new(Inputs).Read(t.Context(), Source{Generate: &Generate{Length: 8, Alphabet: "0123456789abcdef"}}, "it")
	if got := hint.Of(err); got != "with an alphabet of 16 characters, write a length of at least 24" {
		t.Errorf("%v, hint %q", err, got)
	}
	if err := (&Generate{Length: 24, Alphabet: "0123456789abcdef"}).Validate(); err != nil {
		t.Error(err)
	}
}

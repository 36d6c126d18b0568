package config

import (
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/secret"
)

func TestFileHasWhatTheProviderMakesOfTheStoredValue(t *testing.T) {
	for name, test := range map[string]struct {
		s            Secret
		stored, want string
		wrong        string
	}{
		"text":                   {Secret{}, "aGk=", "aGk=", ""},
		"utf-8":                  {Secret{Encoding: "utf-8"}, "6869", "6869", ""},
		"hex":                    {Secret{Encoding: "hex"}, "6869", "hi", ""},
		"base64":                 {Secret{Encoding: "base64"}, "aGk=", "hi", ""},
		"base64 of Key Vault":    {Secret{ObjectEncoding: "base64"}, "aGk=", "hi", ""},
		"nothing":                {Secret{Encoding: "hex"}, "", "", ""},
		"no hex":                 {Secret{Encoding: "hex"}, "hunter2", "", "is not hex, so the CSI provider cannot decode it"},
		"base64 without padding": {Secret{Encoding: "base64"}, "aGk", "", "is not base64, so the CSI provider cannot decode it"},
	} {
		got, err := test.s.InFile(secret.New([]byte(test.stored)))
		if string(got.Reveal()) != test.want || (err != nil) != (test.wrong != "") || err != nil && err.Error() != test.wrong {
			t.Errorf("%s: %q, %v", name, got.Reveal(), err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: a value is quoted: %v", name, err)
		}
	}
}

package secret

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/secretctl/secretctl/test/secrettest"
)

// values are of all kinds: random ones, passwords of people, and ones with characters that
// encoders escape, or with several lines.
var values = []string{
	"Zk3vQ8mWb1TxYr7LhN5cPd2Js9GfAe4U",
	"c4nary-v4lue",
	`s3cr3t-V4lue/with+odd=Chars&<x>"'9`,
	"p&ss<w>\"rd'/1%+ x",
	"größe\"<ß-über-Ölfaß",
	"tab\tnew\nline\\and+more",
	"ab%41cd=20xyz&lt;q\\u0041",
	"correct horse battery staple",
	"hvs.CAESIRootT0kenForAttack9876543210",
	`{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n"}`,
	"12345678",
}

func TestNoEncodingOfAValuePasses(t *testing.T) {
	for _, value := range values {
		s := knowing("another-v4lue", value)
		for _, e := range secrettest.Encoders {
			if e.Name == "rot13" && strings.Contains(value, "ö") {
				continue // what is left of it tells nothing
			}
			for _, around := range [][2]string{{"", ""}, {"you sent ", ", sorry"}, {"denied:", "y"}, {"abc", "defg"}} {
				text := around[0] + e.Encode(value) + around[1]
				if got := s.Line(text); got != withheld {
					t.Errorf("%q passes as %s: %q", value, e.Name, got)
				}
			}
		}
	}
}

func TestNoTwoEncodingsOfAValuePass(t *testing.T) {
	for _, value := range values[:6] {
		s := knowing(value)
		for _, inner := range secrettest.Chained() {
			for _, outer := range secrettest.Chained() {
				if blanksIn(inner, outer) {
					continue
				}
				text := "you sent " + outer.Encode("x="+inner.Encode(value)+"&y") + "."
				if s.Repeats(text) {
					continue
				}
				t.Errorf("%q passes as %s in %s: %q", value, inner.Name, outer.Name, text)
			}
		}
	}
}

// blanksIn reports whether the encoding is ambiguous: blanks within numbers that only blanks
// separate, from each other or from a digit after the last one, or line breaks of
// quoted-printable among others.
func blanksIn(inner, outer secrettest.Encoder) bool {
	numbers := map[string]bool{
		"decimal bytes": true, "octal bytes": true, "HTML without semicolons": true, "U+0041": true, "quoted-printable": true,
	}
	blanks := map[string]bool{"blanks inside": true, "line breaks inside": true}
	return numbers[inner.Name] && blanks[outer.Name]
}

func TestNoEightCharactersOfAValuePass(t *testing.T) {
	for _, value := range []string{values[0], values[1], "Xq7-Pz3_Kw9.Rt5"} {
		s := knowing(value)
		for i := range len(value) - 7 {
			for _, e := range secrettest.Chained() {
				if text := "bad " + e.Encode(value[i:i+8]) + ", sorry"; !s.Repeats(text) {
					t.Errorf("%q passes as %s: %q", value[i:i+8], e.Name, text)
				}
			}
		}
	}
}

func TestAShortValueCountsAsAWord(t *testing.T) {
	for _, value := range []string{"hunter2", "p@ss!", "zq4-x", "größ1", "!?!?!", "aaaa b"} {
		s := knowing(value)
		for _, e := range secrettest.Chained() {
			if e.Name == "blanks inside" || e.Name == "line breaks inside" {
				continue // it is another word then
			}
			if value == "größ1" && strings.HasSuffix(e.Encode("a"), " ") {
				continue // the same
			}
			if text := "you sent " + e.Encode(value) + ", sorry"; !s.Repeats(text) {
				t.Errorf("%q passes as %s: %q", value, e.Name, text)
			}
		}
	}
	for value, text := range map[string]string{
		"hunter2": "hunter24 and xhunter2", "a1b2": "id 0a1b2c", "p@ss!": "p@ss", "abcd": "abcde",
	} {
		if knowing(value).Repeats(text) {
			t.Errorf("%q is taken for %q", text, value)
		}
	}
}

// ordinaryTexts are messages of servers and of secretctl.
var ordinaryTexts = []string{
	"vault: https://vault.example.com:8200: secret/data/aidbox/client: permission denied",
	"1 error occurred:\n\t* invalid username or password: the password is wrong, change the password",
	`kubernetes: pods "aidbox-7d4b9c6f5-x2x4z" is forbidden: User "system:serviceaccount:ci:deployer" cannot get resource "pods" in API group "" in the namespace "default"`,
	"AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '11111111-2222-3333-4444-555555555555'. Trace ID: 0c1d2e3f-0000-4444-8888-0a2b4c6d8e0f Timestamp: 2025-11-29 17:18:39Z",
	`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid","diagnostics":"Client/basic: extra property secret (Client.secret)"}]}`,
	"TLS: x509: certificate signed by unknown authority; give the CA that signed the server's certificate (VAULT_CACERT for Vault, SSL_CERT_FILE for Aidbox)",
	"rotation/new-accepted client-secret: the new value was accepted after 4.2 s; the old one is rejected (401)",
	"GET https://contoso-aidbox.vault.azure.net/secrets/client-secret 200 35ms",
	"secret client-secret in /run/vault-secrets/client-secret: 32 bytes, mode 0644, sha256 9f86d081884c7d659a2feaa0c55ad015",
	"data:text/plain;base64,SGVsbG8sIFdvcmxkISBUaGlzIGlzIGFuIG9yZGluYXJ5IHRleHQu",
	"https://login.microsoftonline.com/contoso/oauth2/v2.0/token?scope=https%3A%2F%2Fvault.azure.net%2F.default&grant_type=client_credentials",
}

func TestOrdinaryMessagesPass(t *testing.T) {
	s := knowing(append([]string{
		"password", "Password", "secret", "root", "admin", "client-secret", "client_secret", "aidbox", "token", "changeme", "test", "default",
		"x", "42", "401", "200", "abc", "the", "00000000", "--------", "-----------", "aidbox-secret", "", " ",
	}, values...)...)
	for _, text := range ordinaryTexts {
		if s.Repeats(text) {
			t.Errorf("withheld: %s", text)
		}
	}
}

func TestAValueOfOrdinaryWordsIsFoundByItsOtherCharacters(t *testing.T) {
	for value, text := range map[string]string{
		"aidbox-client-secret-2024":       "you sent aidbox-client-secret-2024",
		"password-Tr0ub4dor":              "bad Tr0ub4dor",
		"token-server-request-policy":     "bad token-server-request-policy!",
		"postgres://aidbox:Xy7kQ@db/prod": "bad aidbox:Xy7kQ@db",
		"Adm1n-S3cret/of+Aidbox=42":       "bad of+Aidbox=42",
	} {
		s := knowing(value)
		if !s.Repeats(text) {
			t.Errorf("%q passes", text)
		}
		for _, text := range ordinaryTexts {
			if s.Repeats(text) {
				t.Errorf("%q withholds: %s", value, text)
			}
		}
	}
}

func TestTheDecodedFormOfAValueIsFoundToo(t *testing.T) {
	for _, value := range []string{"aW5uZXItdjRsdWUtcTc=", "696e6e65722d76346c75652d7137"} {
		if !knowing(value).Repeats("you sent inner-v4lue-q7") {
			t.Errorf("%s: what it encodes passes", value)
		}
	}
}

func TestATextThatIsEncodedTooOftenIsWithheld(t *testing.T) {
	text := values[0]
	for range 40 {
		text = secrettest.Encoders[5].Encode(text)
		if len(text) > 1<<20 {
			break
		}
	}
	if !knowing(values[0]).Repeats(text) {
		t.Error("it passes")
	}
}

// The search reads every text a bounded number of times. If that is not enough, it withholds the text.
func TestTheSearchIsLinear(t *testing.T) {
	s := knowing(values...)
	for _, unit := range []string{
		ordinaryTexts[0], "SGVsbG8sIFdvcmxkIQ", "6869207468657265", "104 105 ", `&amp;%2541\\u0041=3D`, "&&&#", `\`, "%25", "\u200b", "\x1b[", "ｓ", "0x", "=\n", "U+",
	} {
		text := strings.Repeat(unit, 1<<14/len(unit))
		search := newSearch(&s.known, workPerByte*len(text))
		search.finds(text)
		if search.work < -8*len(text) {
			t.Errorf("%q: %d bytes too many", unit, -search.work)
		}
	}
}

// Escapes of several kinds and numbers take the most work.
func TestALongOrdinaryTextPasses(t *testing.T) {
	s := knowing(values...)
	for unit, size := range map[string]int{
		"GET https://vault.example.com/v1/secret%2Fdata/aidbox?version=12 34 more 100% ":                                       1 << 15,
		`GET https://vault.example.com/v1/secret%2Fdata/aidbox?version=12 &quot;quoted&quot; \"name\": 12 34 &amp; more 100% `: 6000,
	} {
		if s.Repeats(strings.Repeat(unit, size/len(unit))) {
			t.Errorf("withheld: %s", unit)
		}
	}
}

func TestATextThatIsTooLongIsWithheld(t *testing.T) {
	long := strings.Repeat("x", maxText+1)
	for _, got := range []any{knowing(canary).Line(long), knowing(canary).Text(long), knowing(canary).Tree(long), (*Sanitizer)(nil).Line(long)} {
		if got != tooLong {
			t.Errorf("got %.40q", got)
		}
	}
}

func TestEncodersEncode(t *testing.T) {
	for _, e := range secrettest.Encoders {
		for _, value := range values {
			if e.Decode == nil || strings.Contains(e.Encode(""), ":") {
				continue
			}
			got, err := e.Decode(e.Encode(value))
			if want := value; err != nil || got != want && got != "root:"+want && got != strings.ReplaceAll(want, " ", "") && got != strings.ReplaceAll(want, "\n", "") && got != strings.ReplaceAll(want, "\n", "\r\n") {
				t.Errorf("%s: %q, %v", e.Name, got, err)
			}
		}
	}
}

// No chain of encoders lets the value pass.
func FuzzSanitizer(f *testing.F) {
	for i, value := range values {
		f.Add(value, []byte{byte(i), byte(3 * i), byte(7 * i)}, "you sent ", ", sorry")
	}
	f.Fuzz(func(t *testing.T, value string, chain []byte, before, after string) {
		var plain known
		plain.learn(New([]byte(value)))
		if !plain.index(value) || !utf8.ValidString(value) || len(value)+len(before)+len(after) > 1<<13 || len(chain) > 16 {
			return // that takes another rule
		}
		text, names, chained := value, []string{}, secrettest.Chained()
		for i, n := range chain {
			e := chained[int(n)%len(chained)]
			for _, earlier := range chain[:i] {
				if blanksIn(chained[int(earlier)%len(chained)], e) {
					return
				}
			}
			names = append(names, e.Name)
			if text = e.Encode(text); len(text) > 1<<14 {
				break
			}
		}
		s := knowing("another-v4lue", value)
		if got := s.Text(before + " | " + text + " | " + after); got != withheld {
			t.Errorf("%q passes as %q: %q", value, names, got)
		}
	})
}

func BenchmarkSanitizer(b *testing.B) {
	s := knowing(values...)
	for _, size := range []int{1 << 7, 1 << 10, 1 << 13, 1 << 16, 1 << 19} {
		text := strings.Repeat(ordinaryTexts[0]+" ", size/len(ordinaryTexts[0])+1)[:size]
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				s.Repeats(text)
			}
		})
	}
}

package fhirclient

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/secretctl/secretctl/internal/secret"
)

func TestOutcomeIsOneLine(t *testing.T) {
	for body, want := range map[string]string{
		`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid","diagnostics":"bad","expression":["Client.secret"]}]}`: "error/invalid: bad (Client.secret)",
		`{"issue":[{"severity":"error","code":"invalid","details":{"text":"from details"}}]}`:                                                    "error/invalid: from details",
		`{"issue":[{"code":"invalid","details":{"coding":[{"system":"x"},{"code":"c1"},{"code":"c2","display":"d"}]}}]}`:                         "invalid: c1",
		`{"issue":[{"severity":"fatal","code":"forbidden"}]}`:                                                                                    "fatal/forbidden",
		`{"issue":[{"diagnostics":"a"},{},{"diagnostics":"b","expression":["x","y"]}]}`:                                                          "a; b (x, y)",
		`{"issue":[{"diagnostics":"two\nlines\tand  \u001b[31mred\u202e\u2028\u0000"}]}`:                                                         "two lines and red",
		`{"issue":[{"severity":3,"code":"c","diagnostics":["no text"]}]}`:                                                                        "c",
		`{"issue":{"severity":"error"}}`:                                  "",
		`{"error":"invalid_client","error_description":"no such client"}`: "invalid_client: no such client",
		`{"message":"Access Denied"}`:                                     "Access Denied",
		`{"resourceType":"Bundle","total":0}`:                             "",
		`[]`:                                                              "",
		`null`:                                                            "",
		`{"issue":`:                                                       "",
		``:                                                                "",
		`{"issue":[{"diagnostics":"` + strings.Repeat("é", 201) + `"}]}`:          strings.Repeat("é", 199) + "…",
		`{"issue":[{"diagnostics":"` + strings.Repeat(`x\n`, 200) + `"}]}`:        strings.Repeat("x ", 99) + "x…",
		`{"issue":[` + strings.Repeat(`{"code":"y"},`, 300) + `{"code":"last"}]}`: strings.Repeat("y; ", 66) + "y…",
	} {
		if got := outcome([]byte(body), nil); got != want {
			t.Errorf("%.80s\n got %q\nwant %q", body, got, want)
		}
	}
}

func TestOutcomeWithholdsWhatRepeatsASecret(t *testing.T) {
	value := secret.New([]byte(probedValue))
	basic := base64.StdEncoding.EncodeToString([]byte("basic:" + probedValue))
	for name, text := range map[string]string{
		"as it is":            "no " + probedValue + " here",
		"Basic credential":    "Authorization: Basic " + basic,
		"URL form":            "https://aidbox/?p=canary-of-the-client%3A%C3%9F",
		"broken in two lines": strings.Replace(probedValue, "-of-", "-of\n-", 1),
		"folded base64":       basic[:12] + "\r\n " + basic[12:],
		"split by nothing":    strings.Replace(probedValue, "can", "can\u200b", 1),
		"beyond the cut":      strings.Repeat("x", 190) + probedValue,
	} {
		t.Run(name, func(t *testing.T) {
			body := fmt.Sprintf(`{"issue":[{"diagnostics":%q}]}`, text)
			if name == "split by nothing" {
				body = `{"issue":[{"diagnostics":"` + text + `"}]}`
			}
			if got := outcome([]byte(body), knowing(value)); got != "(message withheld: it repeats a secret value)" {
				t.Errorf("got %q", got)
			}
		})
	}
}

// The length of the id decides where the value begins in base64.
func TestOutcomeWithholdsABasicCredentialOfAnyID(t *testing.T) {
	for _, id := range []string{"a", "ab", "abc", "abcd"} {
		for _, value := range []string{"canary", "canary-", "canary-ü", "a:b:c:d"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.SetBasicAuth(id, value)
			body := fmt.Sprintf(`{"message":"no %s here"}`, req.Header.Get("Authorization"))
			if got := outcome([]byte(body), knowing(secret.New([]byte(value)))); !strings.Contains(got, "withheld") {
				t.Errorf("%s:%s: got %q", id, value, got)
			}
		}
	}
}

// Blanks in place of line breaks must not restore a value of several words.
func TestOutcomeWithholdsAValueWithSpaces(t *testing.T) {
	value := secret.New([]byte("two words"))
	if got := outcome([]byte(`{"message":"no two\nwords here"}`), knowing(value)); strings.Contains(got, "words") {
		t.Errorf("got %q", got)
	}
}

// A value that is spread over two issues is one line on the screen.
func TestOutcomeWithholdsAValueThatIsSpread(t *testing.T) {
	value := secret.New([]byte(probedValue))
	body := `{"issue":[{"severity":"error","diagnostics":"canary-","expression":["Client.a"]},{"severity":"error","diagnostics":"of-the-"},{"diagnostics":"client"}]}`
	if got := outcome([]byte(body), knowing(value)); !strings.Contains(got, "withheld") {
		t.Errorf("got %q", got)
	}
}

func knowing(values ...secret.Value) *secret.Sanitizer {
	s := &secret.Sanitizer{}
	s.Learn(values...)
	return s
}

func FuzzOutcome(f *testing.F) {
	f.Add(`{"issue":[{"severity":"error","code":"invalid","diagnostics":"bad"}]}`)
	f.Add(`{"issue":[{"details":{"coding":[{"code":"c"}]},"expression":["a","b"]},{"x":1}]}`)
	f.Add(`{"error":"e","error_description":"d\u2028\u0085","message":"\ud800"}`)
	f.Add(`{"issue":[null,1,"x",{"expression":"x"}]}`)
	f.Add("{\"message\":\"\xff\x00 fuzz-value\"}")
	value := secret.New([]byte("fuzz-value"))
	f.Fuzz(func(t *testing.T, body string) {
		got := outcome([]byte(body), knowing(value))
		if utf8.RuneCountInString(got) > 200 {
			t.Errorf("%d characters", utf8.RuneCountInString(got))
		}
		if strings.ContainsFunc(got, unicode.IsControl) || strings.ContainsAny(got, "\u2028\u2029") || !utf8.ValidString(got) {
			t.Errorf("not fit to show: %q", got)
		}
		if strings.Contains(got, "fuzz-value") {
			t.Errorf("the value is in %q", got)
		}
	})
}

package storetest

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
)

// What a server may repeat, but no error. In a response, fuzzedToken stands for the token
// that was sent.
const (
	FuzzedValue = "fuzz-value"
	fuzzedToken = "fuzz-token"
)

// longestError is the limit of an error with a server's message, in characters.
const longestError = 700

// Foul is a server of which one response, or every response, is broken.
type Foul struct {
	Next            http.RoundTripper
	Token           string
	At              uint8 // which response; from EveryAnswer on, every response
	Status          int
	Body, Challenge string

	seen atomic.Int32
}

// EveryAnswer is an At.
const EveryAnswer = 24

// RoundTrip implements [http.RoundTripper].
func (f *Foul) RoundTrip(req *http.Request) (*http.Response, error) {
	if n := f.seen.Add(1) - 1; n != int32(f.At) && f.At < EveryAnswer {
		return f.Next.RoundTrip(req)
	}
	body := f.Body
	if strings.Contains(req.Header.Get("Authorization")+req.Header.Get("X-Vault-Token"), f.Token) { // else it cannot be known
		body = strings.ReplaceAll(body, fuzzedToken, f.Token)
	}
	resp := &http.Response{StatusCode: f.Status, Header: http.Header{}, Request: req, Body: io.NopCloser(strings.NewReader(body))}
	resp.Header.Set("Content-Type", "application/json")
	if f.Challenge != "" {
		resp.Header.Set("WWW-Authenticate", f.Challenge)
	}
	return resp, nil
}

// FuzzedStatus returns a status that is not retried, since retries take time.
func FuzzedStatus(n uint8) int {
	statuses := []int{200, 204, 400, 401, 403, 404, 405, 409, 412}
	return statuses[int(n)%len(statuses)]
}

// FitToShow checks that an error is short, and shows nothing secret.
func (f *Foul) FitToShow(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := err.Error() + hint.Of(err)
	if strings.ContainsAny(text, "\n\r") || len([]rune(err.Error())) > longestError {
		t.Errorf("not fit to show: %q", text)
	}
	for _, private := range []string{FuzzedValue, f.Token} {
		var known secret.Sanitizer
		known.Learn(secret.New([]byte(private)))
		if known.Repeats(text) {
			t.Errorf("shows %s: %q", private, text)
		}
	}
}

// FuzzedInputs gives every variable the fuzzed value.
func FuzzedInputs() *secret.Inputs {
	return &secret.Inputs{LookupEnv: func(string) (string, bool) { return FuzzedValue, true }}
}

package transport

import (
	"errors"
	"net/http"
	"syscall"
	"testing"
)

func TestWaitingKnowsWhyARequestIsRetried(t *testing.T) {
	var w Waiting
	status, refuse := 0, errors.New("x")
	over := Wrap(roundTrip(func(*http.Request) (*http.Response, error) {
		if refuse != nil {
			return nil, refuse
		}
		return &http.Response{StatusCode: status, Body: http.NoBody}, nil
	}), nil)
	for _, tt := range []struct {
		status int
		err    error
		want   string
	}{
		{0, syscall.ECONNREFUSED, "trying again: connection refused (vault.example)"},
		{503, nil, "trying again: answered 503 (vault.example)"},
		{200, nil, ""},
		{0, errors.New("canary"), ""}, // is not tried again
	} {
		status, refuse = tt.status, tt.err
		req, err := http.NewRequestWithContext(w.Context(t.Context()), http.MethodGet, "https://vault.example/x?canary", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := over.RoundTrip(req); err == nil {
			_ = resp.Body.Close()
		}
		if got := w.Trouble(); got != tt.want {
			t.Errorf("%v: heard %q", tt, got)
		}
	}
}

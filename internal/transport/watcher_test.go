package transport

import (
	"bytes"
	"errors"
	"net/http"
	"syscall"
	"testing"
)

// watcher keeps what it hears.
type watcher struct {
	bytes.Buffer
	heard []string
}

func (w *watcher) Trouble(server, why string) { w.heard = append(w.heard, server+" "+why) }

func TestAWatcherHearsWhyARequestIsTriedAgain(t *testing.T) {
	w := &watcher{}
	status, refuse := 0, errors.New("x")
	over := Wrap(roundTrip(func(*http.Request) (*http.Response, error) {
		if refuse != nil {
			return nil, refuse
		}
		return &http.Response{StatusCode: status, Body: http.NoBody}, nil
	}), w)
	for _, tt := range []struct {
		status int
		err    error
		want   string
	}{
		{0, syscall.ECONNREFUSED, "vault.example connection refused"},
		{503, nil, "vault.example answered 503"},
		{200, nil, "vault.example "},
		{0, errors.New("canary"), "vault.example "}, // is not tried again
	} {
		status, refuse = tt.status, tt.err
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://vault.example/x?canary", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := over.RoundTrip(req); err == nil {
			_ = resp.Body.Close()
		}
		if got := w.heard[len(w.heard)-1]; got != tt.want {
			t.Errorf("%v: heard %q", tt, got)
		}
	}
}

package transport

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
)

func TestWrapLogsNoCredentialHeaderOrBody(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-Token", "canary")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.Copy(w, req.Body)
	}))
	t.Cleanup(server.Close)
	var lines bytes.Buffer
	client := &http.Client{Transport: Wrap(http.DefaultTransport, &lines)}
	address := strings.Replace(server.URL, "//", "//root:canary@", 1) + "/v1/secret?list=true"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, address, strings.NewReader("canary"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Vault-Token", "canary")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if string(body) != "canary" || err != nil {
		t.Errorf("body is %q, %v", body, err)
	}
	_ = resp.Body.Close()
	want := "PUT " + server.URL + "/v1/secret 418 "
	if got := lines.String(); !strings.HasPrefix(got, want) || strings.Contains(got, "canary") || strings.Count(got, "\n") != 1 {
		t.Errorf("log is %q, want %q and a duration", got, want)
	}
	if req.URL.User == nil {
		t.Error("the request was changed")
	}
}

func TestWrapLogsThatThereWasNoAnswer(t *testing.T) {
	var lines bytes.Buffer
	failing := roundTrip(func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED })
	_, err := (&http.Client{Transport: Wrap(failing, &lines)}).Get("http://127.0.0.1:1/x")
	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.HasPrefix(lines.String(), "GET http://127.0.0.1:1/x no answer ") {
		t.Errorf("%v, log is %q", err, lines.String())
	}
	if _, err := (&http.Client{Transport: Wrap(failing, nil)}).Get("http://127.0.0.1:1/x"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("without a log: %v", err)
	}
}

func TestWrapCutsAnAnswerThatNeverEnds(t *testing.T) {
	body := &endless{}
	transport := Wrap(roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: body}, nil
	}), nil)
	resp, err := (&http.Client{Transport: transport}).Get("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if n != 32<<20 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if err := resp.Body.Close(); err != nil || !body.closed {
		t.Errorf("closed %v, %v", body.closed, err)
	}
}

type endless struct{ closed bool }

func (e *endless) Read(b []byte) (int, error) { return len(b), nil }
func (e *endless) Close() error               { e.closed = true; return nil }

func TestWrapLogsTheStatusOfARedirect(t *testing.T) {
	var lines bytes.Buffer
	refused := roundTrip(func(*http.Request) (*http.Response, error) { return nil, &RedirectError{Status: 308} })
	_, err := (&http.Client{Transport: Wrap(refused, &lines)}).Get("http://127.0.0.1:1/x")
	if err == nil || !strings.HasPrefix(lines.String(), "GET http://127.0.0.1:1/x 308 ") {
		t.Errorf("%v, log is %q", err, lines.String())
	}
}

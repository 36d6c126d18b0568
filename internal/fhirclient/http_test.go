package fhirclient

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/transport"
)

func TestNewRefusesAddressesAndOpensNothing(t *testing.T) {
	var addressError *transport.AddressError
	if _, err := New(Options{URL: "http://aidbox.example"}); !errors.As(err, &addressError) {
		t.Errorf("error is %#v", err)
	}
	if _, err := New(Options{URL: "http://aidbox.invalid", AllowHTTP: true}); err != nil {
		t.Error(err)
	}
}

type tunnelTo string

func (to tunnelTo) RoundTrip(req *http.Request) (*http.Response, error) {
	if to == "" {
		return nil, transport.Explained(fmt.Errorf("pod a: %w", hint.Wrap(fs.ErrNotExist, "look elsewhere")))
	}
	req.URL.Host = string(to)
	return http.DefaultTransport.RoundTrip(req)
}

func TestTunnelTakesPlainHTTPToAnyHost(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"status": "pass", "description": "health of aidbox", "host": "`+r.Host+`"}`)
	}))
	defer server.Close()
	c, err := New(Options{URL: "http://aidbox.default", Tunnel: tunnelTo(strings.TrimPrefix(server.URL, "http://"))})
	if err != nil {
		t.Fatal(err)
	}
	if status, detail, err := c.Probe(t.Context(), "/fhir/Patient", "basic", secret.New([]byte("canary"))); status != 200 || err != nil {
		t.Errorf("got %d, %s, %v", status, detail, err)
	}
}

func TestErrorOfATunnelKeepsItsWordsAndItsHint(t *testing.T) {
	c, err := New(Options{URL: "http://aidbox.default", Tunnel: tunnelTo("")})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = c.Probe(t.Context(), "/fhir/Patient", "basic", secret.Value{})
	if err == nil || err.Error() != "aidbox http://aidbox.default: GET /health: pod a: file does not exist" || hint.Of(err) != "look elsewhere" ||
		errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, hint %q", err, hint.Of(err))
	}
}

func TestBadAnswersAreOneLineWithAHint(t *testing.T) {
	const fhir = "application/fhir+json"
	for name, tt := range map[string]struct {
		status      int
		contentType string
		body        string
		want, hint  string // hint: a part of it
	}{
		"401":              {401, fhir, `{"issue":[{"severity":"fatal","code":"login","diagnostics":"who?"}]}`, "401: fatal/login: who?", "aidbox.admin"},
		"403":              {403, fhir, `{"message":"Access Denied"}`, "403: Access Denied", "root Client"},
		"422":              {422, fhir, `{"issue":[{"code":"invalid","expression":["Client.x"]}]}`, "422: invalid (Client.x)", ""},
		"429":              {429, fhir, "", "429: too many requests", "later"},
		"500 in HTML":      {500, "text/html; charset=utf-8", "canary", "500: answered HTML, not FHIR JSON", "its log"},
		"502 without body": {502, "", "", "502: bad gateway", "its log"},
		"HTML by its look": {200, fhir, " \n<!DOCTYPE html>canary", "200: answered HTML, not FHIR JSON", "login page"},
		"HTML by its type": {200, "text/html", "{}", "200: answered HTML, not FHIR JSON", "login page"},
		"nothing":          {200, fhir, " \n", "200: the answer is empty", "address of Aidbox"},
		"half a JSON":      {200, fhir, `{"resourceType":"Client","secret":"canary`, "200: answered something that is not a JSON object", "address of Aidbox"},
		"JSON and more":    {200, fhir, `{"resourceType":"Client"} canary`, "200: answered something that is not a JSON object", "address of Aidbox"},
		"an array":         {200, fhir, `["canary"]`, "200: answered something that is not a JSON object", "address of Aidbox"},
		"another type":     {200, fhir, `{"resourceType":"Patient","id":"basic"}`, "200: answered another resource", "address of Aidbox"},
		"another id":       {200, fhir, `{"resourceType":"Client","id":"canary"}`, "200: answered another resource", "address of Aidbox"},
		"no id":            {200, fhir, `{}`, "200: answered another resource", "address of Aidbox"},
		"another status":   {299, fhir, "{}", "299", "address of Aidbox"},
		"no such status":   {999, fhir, "", "999", "its log"},
		"too long":         {200, fhir, `{"a":"` + strings.Repeat("x", maxAnswer) + `"}`, "200: the answer is longer than 4 MiB", "address of Aidbox"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, answering(tt.status, tt.contentType, tt.body))
			_, err := c.Apply(t.Context(), aClient())
			wantError(t, err, "aidbox: GET /fhir/Client/basic: "+tt.want)
			var e *Error
			if !errors.As(err, &e) || e.StatusCode() != tt.status {
				t.Errorf("error is %#v", err)
			}
			if got := hint.Of(err); !strings.Contains(got, tt.hint) || (got == "") != (tt.hint == "") {
				t.Errorf("hint is %q", got)
			}
		})
	}
}

func TestFailedPutSaysWhatTheServerSaid(t *testing.T) {
	server, c := newAidbox(t)
	server.wrote = func(w http.ResponseWriter) bool {
		answerJSON(w, 404, `{"resourceType":"OperationOutcome","issue":[{"severity":"fatal","code":"not-found","diagnostics":"resource type Client not found"}]}`)
		return true
	}
	_, err := c.Apply(t.Context(), aClient())
	wantError(t, err, "aidbox: PUT /fhir/Client/basic: 404: fatal/not-found: resource type Client not found")
	if got := hint.Of(err); !strings.Contains(got, "2602") {
		t.Errorf("hint is %q", got)
	}
}

func TestBasePathIsKept(t *testing.T) {
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		paths = append(paths, req.URL.RequestURI())
		answerJSON(w, 200, `{"version":"2602"}`)
	}))
	t.Cleanup(server.Close)
	c := clientOf(t, server.URL+"/base/")
	_, _ = c.Version(t.Context())
	_, _, _ = c.Get(t.Context(), aClient())
	_, _, _ = c.Probe(t.Context(), "/fhir/Patient?_count=1", "basic", secret.Value{})
	_, _, _ = c.Probe(t.Context(), "fhir/Patient", "basic", secret.Value{})
	if got := strings.Join(paths, " "); got != "/base/$version /base/fhir/Client/basic /base/fhir/Patient?_count=1 /base/fhir/Patient" {
		t.Errorf("requested %s", got)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var reached atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			target := strings.Replace(elsewhere.URL, "//", "//canary@", 1) + req.URL.Path + "?a=" + req.Header.Get("Authorization")
			w.Header().Set("Location", target)
			w.WriteHeader(status)
		}))
		_, err := c.Apply(t.Context(), aClient())
		wantError(t, err, fmt.Sprintf("aidbox: GET /fhir/Client/basic: %d: answered a redirect to %s/fhir/Client/basic", status, elsewhere.URL))
		if got := hint.Of(err); !strings.Contains(got, "aidbox.url") {
			t.Errorf("hint is %q", got)
		}
		got, detail, err := c.Probe(t.Context(), "/fhir/Patient", "basic", secret.New([]byte(probedValue)))
		if got != status || err != nil || !strings.HasPrefix(detail, "answered a redirect to http://127.0.0.1") {
			t.Error(got, detail, err)
		}
		noCanary(t, detail)
		if got, _, err := c.Token(t.Context(), "basic", secret.New([]byte(probedValue))); got != status || err != nil {
			t.Error(got, err)
		}
		if err := c.Health(t.Context()); err == nil {
			t.Error("a redirect is healthy")
		}
	}
	if reached.Load() {
		t.Error("a redirect was followed")
	}
}

// The server echoes the request in every part of the response that a Client reads.
func TestEchoDoesNotLeak(t *testing.T) {
	value := secret.New([]byte(probedValue))
	for _, status := range []int{200, 400, 401, 422, 302, 500} {
		var log bytes.Buffer
		c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			dump, _ := httputil.DumpRequest(req, true)
			id, password, _ := req.BasicAuth()
			text := fmt.Sprintf("%q", string(dump)+id+":"+password)
			w.Header().Set("Location", "/"+req.Header.Get("Authorization"))
			answerJSON(w, status, fmt.Sprintf(`{"issue":[{"severity":%[1]s,"code":%[1]s,"diagnostics":%[1]s,"expression":[%[1]s]}],"error":%[1]s,"version":%[1]s}`, text))
		}))
		c.http.HTTPClient.Transport = transport.Wrap(http.DefaultTransport, &log)
		_, err := c.Apply(t.Context(), aClient())
		_, err2 := c.Version(t.Context())
		_, err3 := c.Delete(t.Context(), "Client", "basic")
		for _, err := range []error{err, err2, err3} {
			if err != nil {
				noCanary(t, err.Error()+hint.Of(err))
			}
		}
		_, detail, err := c.Probe(t.Context(), "/fhir/Patient", "basic", value)
		noCanary(t, fmt.Sprint(detail, err))
		_, detail, err = c.Token(t.Context(), "basic", value)
		noCanary(t, fmt.Sprint(detail, err))
		if noCanary(t, log.String()); !strings.Contains(log.String(), "GET http://127.0.0.1") {
			t.Errorf("log is %q", log.String())
		}
	}
}

// net/http quotes a header line that it cannot read.
func TestBrokenHeaderThatEchoesDoesNotLeak(t *testing.T) {
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		conn, buffer, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = buffer.WriteString("HTTP/1.1 200 OK\r\nAuthorization " + req.Header.Get("Authorization") + "\r\n\r\n")
		_ = buffer.Flush()
		_ = conn.Close()
	}))
	_, err := c.Version(t.Context())
	wantError(t, err, "aidbox: GET /$version: malformed response")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

package fhirclient

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
)

// pages are the status and body of each path; others are 404.
type pages map[string]struct {
	status int
	body   string
}

func (p pages) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	page, ok := p[req.URL.Path]
	if !ok {
		http.NotFound(w, req)
		return
	}
	answerJSON(w, page.status, page.body)
}

func TestAnotherServerIsNamedAndGetsNoCredentials(t *testing.T) {
	const health = `{"status":"pass","description":"health of aidbox","about":{"version":"2605"}}`
	for name, tt := range map[string]struct {
		pages pages
		want  string // "" where it is Aidbox
	}{
		"Aidbox":                     {pages{"/health": {200, health}}, ""},
		"Aidbox that fails":          {pages{"/health": {503, strings.Replace(health, "pass", "fail", 1)}}, ""},
		"health behind a proxy":      {pages{"/fhir/metadata": {200, `{"resourceType":"CapabilityStatement","name":"aidbox","implementation":{"description":"Aidbox FHIR Server"}}`}}, ""},
		"all behind a login":         {pages{"/fhir/metadata": {401, `{"resourceType":"OperationOutcome"}`}}, ""},
		"another service":            {pages{"/health": {200, `{"status":"pass"}`}}, "not Aidbox but a server with another /health"},
		"HAPI":                       {pages{"/fhir/metadata": {200, `{"resourceType":"CapabilityStatement","software":{"name":"HAPI FHIR Server","version":"7.2.0"}}`}}, "not Aidbox but HAPI FHIR Server 7.2.0"},
		"another FHIR server":        {pages{"/fhir/metadata": {200, `{"resourceType":"CapabilityStatement"}`}}, "not Aidbox but another FHIR server"},
		"a server that echoes":       {pages{"/fhir/metadata": {200, `{"resourceType":"CapabilityStatement","software":{"name":"x\u001b[31m\n"}}`}}, "not Aidbox but x"},
		"a page":                     {pages{"/health": {200, "<html><TITLE>Log&nbsp;in &amp; go</TITLE>"}}, `not Aidbox but a web page, "Log in & go"`},
		"a page without a title":     {pages{"/health": {200, "<html>"}}, "not Aidbox but a server with another /health"},
		"404":                        {pages{}, "not Aidbox but a server that answers 404 to /health"},
		"403":                        {pages{"/health": {403, ""}}, "not Aidbox but a server that answers 403 to /health"},
		"what fails may be anything": {pages{"/health": {500, ""}}, "GET /health: 500: internal server error"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if _, _, credentials := req.BasicAuth(); credentials {
					if asked.Add(1); tt.want != "" {
						t.Errorf("%s is asked with credentials", req.URL)
					}
				}
				tt.pages.ServeHTTP(w, req)
			}))
			t.Cleanup(server.Close)
			c, err := New(Options{URL: server.URL, From: "secretctl.yaml:7", ClientID: "root", Secret: secret.New([]byte(adminSecret))})
			if err != nil {
				t.Fatal(err)
			}
			c.http.RetryMax = 0
			_, _, err = c.Probe(t.Context(), "/fhir/Patient", "root", secret.New([]byte(adminSecret)))
			if tt.want == "" {
				if err != nil || asked.Load() != 1 {
					t.Errorf("%v, %d requests with credentials", err, asked.Load())
				}
				return
			}
			if want := "aidbox " + server.URL + " (secretctl.yaml:7): " + tt.want; err == nil || err.Error() != want || hint.Of(err) == "" {
				t.Errorf("error is\n%v, want\n%s\nhint %q", err, want, hint.Of(err))
			}
			if err := c.Health(t.Context()); err == nil {
				t.Error("is healthy")
			}
		})
	}
}

func TestAidboxIsIdentifiedOnce(t *testing.T) {
	var health atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/health" {
			health.Add(1)
		}
		answerJSON(w, 200, `{"status":"pass","description":"health of aidbox","version":"2605"}`)
	}))
	t.Cleanup(server.Close)
	c, err := New(Options{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := c.Version(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if health.Load() != 1 {
		t.Errorf("asked for /health %d times", health.Load())
	}
}

// Concurrent requests share one check.
func TestAServerThatIsNotAidboxIsAskedOnce(t *testing.T) {
	var health atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/health" {
			health.Add(1)
		}
		http.NotFound(w, req)
	}))
	t.Cleanup(server.Close)
	c, err := New(Options{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if _, err := c.Version(t.Context()); err == nil || !strings.Contains(err.Error(), "not Aidbox") {
				t.Errorf("got error %v", err)
			}
		})
	}
	if all.Wait(); health.Load() != 1 {
		t.Errorf("asked for /health %d times", health.Load())
	}
}

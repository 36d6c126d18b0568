package fhirclient

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/secretctl/secretctl/internal/secret"
)

func TestProbeReportsEveryStatus(t *testing.T) {
	for _, tt := range []struct {
		status            int
		contentType, body string
		want              string
	}{
		{200, "application/fhir+json", `{"resourceType":"Bundle","total":1}`, ""},
		{200, "text/html", "<html>", "answered HTML, not FHIR JSON"},
		{200, "", "", "the answer is empty"},
		{401, "application/json", `{"issue":[{"severity":"fatal","code":"login"}]}`, "fatal/login"},
		{401, "", "", ""},
		{403, "application/json", `{"message":"Access Denied"}`, "Access Denied"},
		{403, "text/html", "<html>canary", "answered HTML, not FHIR JSON"},
		{404, "text/plain", "canary", "answered something that is not a JSON object"},
	} {
		var requests atomic.Int32
		c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			requests.Add(1)
			answering(tt.status, tt.contentType, tt.body)(w, req)
		}))
		status, detail, err := c.Probe(t.Context(), "/fhir/Patient", "basic", secret.New([]byte(probedValue)))
		if status != tt.status || detail != tt.want || err != nil {
			t.Errorf("%d %s: %d, %q, %v", tt.status, tt.body, status, detail, err)
		}
		if requests.Load() != 1 {
			t.Errorf("%d: %d requests", tt.status, requests.Load())
		}
	}
}

func TestProbeSendsTheValueAndNotTheAdmins(t *testing.T) {
	for _, value := range []string{"", "plain", "a:b::c", probedValue, "ends in newline\n", "\x7f\x00"} {
		var id, password, authorization string
		c := newClient(t, http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			id, password, _ = req.BasicAuth()
			authorization = req.Header.Get("Authorization")
		}))
		if _, _, err := c.Probe(t.Context(), "/fhir/Patient", "basic", secret.New([]byte(value))); err != nil {
			t.Error(err)
		}
		if id != "basic" || password != value {
			t.Errorf("%q: got %s:%q from %q", value, id, password, authorization)
		}
	}
}

func TestTokenNeedsATokenInTheAnswer(t *testing.T) {
	for _, tt := range []struct {
		status       int
		body, detail string
	}{
		{200, `{"access_token":"canary-token","token_type":"Bearer"}`, ""},
		{200, `{"access_token":""}`, "answered no access_token"},
		{200, `{"token":"canary-token"}`, "answered no access_token"},
		{200, `{"access_token":{"canary":"token"}}`, "answered no access_token"},
		{200, `"canary-token"`, "answered something that is not a JSON object"},
		{200, `<html>canary`, "answered HTML, not FHIR JSON"},
		{200, ``, "the answer is empty"},
		{201, `{"access_token":"canary-token"}`, ""},
		{401, `{"error":"invalid_client","error_description":"wrong"}`, "invalid_client: wrong"},
		{400, `{"error":"unauthorized_client","access_token":"canary-token"}`, "unauthorized_client"},
		{403, ``, ""},
	} {
		c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			body, _ := io.ReadAll(req.Body)
			id, password, _ := req.BasicAuth()
			if req.Method != "POST" || req.URL.Path != "/auth/token" || string(body) != "grant_type=client_credentials" ||
				req.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || id != "basic" || password != probedValue {
				t.Errorf("%s %s %s", req.Method, req.URL, body)
			}
			answerJSON(w, tt.status, tt.body)
		}))
		status, detail, err := c.Token(t.Context(), "basic", secret.New([]byte(probedValue)))
		if status != tt.status || detail != tt.detail || err != nil {
			t.Errorf("%s: %d, %q, %v", tt.body, status, detail, err)
		}
		noCanary(t, detail)
	}
}

func TestHealthTriesOnceAndWithoutCredentials(t *testing.T) {
	var requests atomic.Int32
	var status int
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		requests.Add(1)
		if req.URL.Path != "/health" || req.Header.Get("Authorization") != "" {
			t.Errorf("%s with Authorization %q", req.URL, req.Header.Get("Authorization"))
		}
		answerJSON(w, status, `{"status":"pass","description":"health of aidbox"}`)
	}))
	status = 200
	if err := c.Health(t.Context()); err != nil {
		t.Error(err)
	}
	status = 503
	wantError(t, c.Health(t.Context()), "aidbox: GET /health: 503: service unavailable")
	if requests.Load() != 2 {
		t.Errorf("%d requests", requests.Load())
	}
}

func TestVersionIsWhatAidboxSays(t *testing.T) {
	for body, want := range map[string]string{
		`{"version":"2602","commit":"x"}`: "2602",
		`{"version":"26\n02\u001b"}`:      "26 02",
	} {
		got, err := newClient(t, answering(200, "application/json", body)).Version(t.Context())
		if got != want || err != nil {
			t.Errorf("%s: %q, %v", body, got, err)
		}
	}
	for _, body := range []string{`{}`, `{"version":2602}`, `{"version":""}`} {
		_, err := newClient(t, answering(200, "application/json", body)).Version(t.Context())
		wantError(t, err, "aidbox: GET /$version: 200: answered no version")
	}
	_, err := newClient(t, answering(200, "text/html", strings.Repeat("x", 10))).Version(t.Context())
	wantError(t, err, "aidbox: GET /$version: 200: answered HTML, not FHIR JSON")
}

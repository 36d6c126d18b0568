package fhirclient

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

const (
	adminSecret = "canary-of-the-admin:ö"
	probedValue = "canary-of-the-client:ß"
)

// aidbox is a fake Aidbox that counts requests.
type aidbox struct {
	mu        sync.Mutex
	resources map[string]map[string]any
	count     map[string]int                   // method -> requests
	stored    func(resource map[string]any)    // changes what was put
	wrote     func(w http.ResponseWriter) bool // answers a PUT or DELETE instead
}

func newAidbox(t *testing.T) (*aidbox, *Client) {
	a := &aidbox{resources: map[string]map[string]any{}, count: map[string]int{}}
	return a, newClient(t, a)
}

// newClient returns a Client of a server with that handler. It retries without waiting.
func newClient(t *testing.T, h http.Handler) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return clientOf(t, server.URL)
}

func clientOf(t *testing.T, url string) *Client {
	t.Helper()
	c, err := New(Options{URL: url, ClientID: "root", Secret: secret.New([]byte(adminSecret)), Owner: "prod/records"})
	if err != nil {
		t.Fatal(err)
	}
	c.identified.Store(true) // which is tested on its own
	c.http.RetryWaitMin, c.http.RetryWaitMax = time.Millisecond, time.Millisecond
	return c
}

func (a *aidbox) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count[req.Method]++
	if id, password, _ := req.BasicAuth(); id != "root" || password != adminSecret {
		answerJSON(w, 401, `{"resourceType":"OperationOutcome","issue":[{"severity":"fatal","code":"login"}]}`)
		return
	}
	if req.Method != http.MethodGet && a.wrote != nil && a.wrote(w) {
		return
	}
	ref := strings.TrimPrefix(req.URL.Path, "/fhir/")
	have := a.resources[ref]
	switch {
	case req.Method == http.MethodPut:
		var res map[string]any
		if err := json.NewDecoder(req.Body).Decode(&res); err != nil || req.Header.Get("Content-Type") != "application/json" {
			answerJSON(w, 422, `{}`)
			return
		}
		meta, _ := res["meta"].(map[string]any)
		meta["versionId"] = "7"
		if a.stored != nil {
			a.stored(res)
		}
		a.resources[ref] = res
		have = res
	case have == nil:
		answerJSON(w, 404, `{"resourceType":"OperationOutcome","id":"not-found","issue":[{"severity":"fatal","code":"not-found"}]}`)
		return
	case req.Method == http.MethodDelete:
		delete(a.resources, ref)
	}
	body, _ := json.Marshal(have)
	answerJSON(w, 200, string(body))
}

func answerJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/fhir+json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// answering returns a handler that always sends the same response.
func answering(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// aClient is the resource of the tutorials.
func aClient() config.Resource {
	return config.Resource{
		Type: "Client", ID: "basic",
		Secrets: map[string]string{"secret": "client-secret"},
		Body:    map[string]any{"grant_types": []any{"client_credentials", "basic"}},
	}
}

// masked returns a reference to a secret.
func masked(name string) map[string]any {
	return map[string]any{"extension": []any{
		map[string]any{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"},
		map[string]any{"url": "http://health-samurai.io/fhir/secret-reference", "valueString": name},
	}}
}

// wantError checks an error's whole text, and that it holds no secret.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || serverName.ReplaceAllString(err.Error(), "aidbox:") != want {
		t.Errorf("error is\n%v, want\n%s", err, want)
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		noCanary(t, e.Error())
	}
}

var serverName = regexp.MustCompile(`^aidbox http://[^ ]+:`)

func noCanary(t *testing.T, text string) {
	t.Helper()
	if strings.Contains(text, "canary") || knowing(secret.New([]byte(adminSecret)), secret.New([]byte(probedValue))).Repeats(text) {
		t.Errorf("a secret is in %q", text)
	}
}

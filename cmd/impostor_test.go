package cmd_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/rogpeppe/go-internal/testscript"
)

// impostors are what people put into aidbox.url and VAULT_ADDR by mistake.
var impostors = map[string]http.HandlerFunc{
	"login-page": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, "<!doctype html><title>Sign in to Contoso</title><form>Password</form>")
	},
	"nothing": http.NotFound,
	"hapi": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json")
		if r.URL.Path == "/fhir/metadata" {
			_, _ = fmt.Fprint(w, `{"resourceType": "CapabilityStatement", "software": {"name": "HAPI FHIR Server", "version": "7.2.0"}}`)
			return
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprint(w, `{"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing", "diagnostics": "Unknown resource type 'Client'"}]}`)
	},
	"gate":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
	"failing":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
	"hanging":  func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	"redirect": http.RedirectHandler("https://login.example.com/?next=canary", http.StatusFound).ServeHTTP,
}

// impostor KIND VARIABLE starts a server that is not what it is taken for, and sets the
// variable to its address.
func impostor(ts *testscript.TestScript, _ bool, args []string) {
	server := httptest.NewServer(impostors[args[0]])
	ts.Defer(server.Close)
	ts.Setenv(args[1], server.URL)
}

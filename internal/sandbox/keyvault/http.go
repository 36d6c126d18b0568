package keyvault

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// keyVaultOperation is one of the things that the REST API can be asked for.
type keyVaultOperation struct {
	action string // that a role has to allow, below Microsoft.KeyVault/vaults/secrets/
	answer func(*Server, *keyVaultRequest) *keyVaultReply
}

// keyVaultOperations are by method and path, where a * is a name or a version.
var keyVaultOperations = map[string]keyVaultOperation{
	"GET secrets":                   {"readMetadata/action", (*Server).list},
	"GET secrets/*":                 {"getSecret/action", (*Server).get},
	"GET secrets/*/*":               {"getSecret/action", (*Server).get},
	"GET secrets/*/versions":        {"readMetadata/action", (*Server).listVersions},
	"PUT secrets/*":                 {"setSecret/action", (*Server).set},
	"PATCH secrets/*":               {"update/action", (*Server).update},
	"PATCH secrets/*/*":             {"update/action", (*Server).update},
	"DELETE secrets/*":              {"delete", (*Server).delete},
	"GET deletedsecrets":            {"readMetadata/action", (*Server).listDeleted},
	"GET deletedsecrets/*":          {"readMetadata/action", (*Server).getDeleted},
	"DELETE deletedsecrets/*":       {"purge/action", (*Server).purge},
	"POST deletedsecrets/*/recover": {"recover/action", (*Server).undelete},
}

var keyVaultName = regexp.MustCompile(`^[0-9A-Za-z-]{1,127}$`)

// keyVaultRequest is a request to the REST API, decoded.
type keyVaultRequest struct {
	base          string // URL under which the client knows the vault
	path          string
	query         url.Values
	operation     keyVaultOperation
	name, version string             // "" where the path has none
	given         keyVaultParameters // of PUT and PATCH
	secret        *keyVaultSecret    // of the name, deleted or not; nil where there is none
}

// keyVaultParameters are what a client can tell of a secret.
type keyVaultParameters struct {
	Value       *string            `json:"value"`
	ContentType *string            `json:"contentType"`
	Attributes  keyVaultAttributes `json:"attributes"`
	Tags        map[string]string  `json:"tags"`
}

// newKeyVaultRequest decodes r, or says what is wrong with it.
func newKeyVaultRequest(w http.ResponseWriter, r *http.Request) (*keyVaultRequest, *keyVaultReply) {
	req := &keyVaultRequest{
		base:  "https://" + strings.TrimSuffix(r.Host, ":443"),
		path:  strings.Trim(r.URL.Path, "/"), // azsecrets leaves an empty version behind a slash
		query: r.URL.Query(),
	}
	operation, known := keyVaultOperations[r.Method+" "+req.route()]
	if !known {
		return nil, keyVaultRefusal(http.StatusMethodNotAllowed, "MethodNotAllowed", "", "HTTP %s not allowed", r.Method)
	}
	req.operation = operation
	if !req.query.Has("api-version") {
		return nil, badParameter("The request URI has no api-version")
	}
	if req.name != "" && !keyVaultName.MatchString(req.name) {
		return nil, badParameter("The request URI contains an invalid name: %s", req.name)
	}
	if r.Method == http.MethodPut || r.Method == http.MethodPatch {
		// An error of the decoder would quote the value.
		if json.NewDecoder(http.MaxBytesReader(w, r.Body, loopback.MaxRequest)).Decode(&req.given) != nil {
			return nil, badParameter("The request body is not valid")
		}
	}
	return req, nil
}

// route notes the name and the version in the path and leaves a * in their place.
func (req *keyVaultRequest) route() string {
	parts := strings.Split(req.path, "/")
	if len(parts) > 1 {
		req.name, parts[1] = parts[1], "*"
	}
	if len(parts) > 2 && parts[2] != "versions" && parts[2] != "recover" {
		req.version, parts[2] = parts[2], "*"
	}
	return strings.Join(parts, "/")
}

// keyVaultReply is an answer of the REST API.
type keyVaultReply struct {
	status int // default 200
	header map[string]string
	body   any
}

type keyVaultError struct {
	Code    string              `json:"code"`
	Message string              `json:"message"`
	Inner   *keyVaultInnerError `json:"innererror,omitempty"`
}

type keyVaultInnerError struct {
	Code string `json:"code"`
}

// keyVaultRefusal answers with an error; inner is "" where Key Vault gives none.
func keyVaultRefusal(status int, code, inner, format string, args ...any) *keyVaultReply {
	refusal := keyVaultError{Code: code, Message: fmt.Sprintf(format, args...)}
	if inner != "" {
		refusal.Inner = &keyVaultInnerError{Code: inner}
	}
	return &keyVaultReply{status: status, body: map[string]keyVaultError{"error": refusal}}
}

func badParameter(format string, args ...any) *keyVaultReply {
	return keyVaultRefusal(http.StatusBadRequest, "BadParameter", "", format, args...)
}

func (r *keyVaultReply) write(w http.ResponseWriter) {
	for name, value := range r.header {
		w.Header().Set(name, value)
	}
	if r.status == http.StatusNoContent {
		w.WriteHeader(r.status)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if r.status != 0 {
		w.WriteHeader(r.status)
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	_ = out.Encode(r.body) // fails only where the client has gone
}

package vault

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// The operations, named after the capability that each needs.
const (
	opRead   = "read"
	opUpdate = "update"
	opDelete = "delete"
	opList   = "list"
)

// request is a decoded request to Vault's API.
type request struct {
	op       string
	path     string // below /v1/; of a list it ends in a slash
	version  string // of a KV path; "" is the newest
	body     map[string]any
	token    string
	policies []string // of the token
}

// decode returns the request, or the reply to one that cannot be decoded.
func decode(w http.ResponseWriter, r *http.Request) (*request, *reply) {
	req := &request{path: strings.TrimPrefix(r.URL.Path, "/v1/"), version: r.URL.Query().Get("version"), token: r.Header.Get("X-Vault-Token")}
	switch r.Method {
	case http.MethodGet:
		req.op = opRead
		if r.URL.Query().Get("list") == "true" {
			req.op, req.path = opList, strings.TrimSuffix(req.path, "/")+"/"
		}
	case http.MethodDelete:
		req.op = opDelete
	default:
		req.op = opUpdate
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, loopback.MaxRequest)).Decode(&req.body)
		if err != nil && r.ContentLength != 0 { // the error would quote the body
			return nil, refuse(http.StatusBadRequest, "error parsing JSON")
		}
	}
	return req, nil
}

// text returns a field of the body, "" if it is absent.
func (req *request) text(field string) string {
	text, _ := req.body[field].(string)
	return text
}

// list reads a field that is a list of texts, or one text.
func list(field any) (texts []string) {
	switch f := field.(type) {
	case string:
		return []string{f}
	case []any:
		for _, item := range f {
			texts = append(texts, fmt.Sprint(item))
		}
	}
	return texts
}

// reply is an answer of Vault's API. A nil body is no content.
type reply struct {
	status int
	body   any
}

func replyWith(data any) *reply {
	return &reply{http.StatusOK, map[string]any{"request_id": rand.Text(), "data": data}}
}

func done() *reply { return &reply{status: http.StatusNoContent} }

// notFound says that nothing is at a path in a mount that exists.
func notFound() *reply { return &reply{http.StatusNotFound, map[string]any{"errors": []string{}}} }

func refuse(status int, format string, args ...any) *reply {
	return &reply{status, map[string]any{"errors": []string{fmt.Sprintf(format, args...)}}}
}

func (r *reply) write(w http.ResponseWriter) {
	if r.body == nil {
		w.WriteHeader(r.status)
		return
	}
	loopback.WriteJSON(w, r.status, r.body)
}

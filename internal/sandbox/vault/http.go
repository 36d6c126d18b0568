package vault

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// The operations, which are named as the capability that each needs.
const (
	opCreate = "create"
	opRead   = "read"
	opUpdate = "update"
	opDelete = "delete"
	opList   = "list"
)

// request is a request to Vault's API, decoded.
type request struct {
	op       string // never opCreate: a policy that grants it grants the write
	path     string // below /v1/; of a list it ends in a slash
	version  string // of a KV path; "" is the newest
	body     map[string]any
	token    string
	policies []string // of the token
}

// newRequest decodes r, or says what is wrong with it.
func newRequest(w http.ResponseWriter, r *http.Request) (*request, *reply) {
	req := &request{path: strings.TrimPrefix(r.URL.Path, "/v1/"), version: r.URL.Query().Get("version"), token: r.Header.Get("X-Vault-Token")}
	switch r.Method {
	case http.MethodGet:
		req.op = opRead
		if r.URL.Query().Get("list") == "true" {
			req.op, req.path = opList, strings.TrimSuffix(req.path, "/")+"/"
		}
	case http.MethodPost, http.MethodPut:
		req.op = opUpdate
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, loopback.MaxRequest)).Decode(&req.body)
		if err != nil && r.ContentLength != 0 { // the error would quote the body
			return nil, refuse(http.StatusBadRequest, "error parsing JSON")
		}
	case http.MethodDelete:
		req.op = opDelete
	default:
		return nil, refuse(http.StatusMethodNotAllowed, "unsupported operation")
	}
	return req, nil
}

// text returns a field of the body, "" where it is absent.
func (req *request) text(field string) string {
	text, _ := req.body[field].(string)
	return text
}

// list reads a field that is a list of texts, or one text with commas.
func list(given any) (texts []string) {
	switch g := given.(type) {
	case string:
		return strings.FieldsFunc(g, func(r rune) bool { return r == ',' || r == ' ' })
	case []any:
		for _, item := range g {
			texts = append(texts, fmt.Sprint(item))
		}
	}
	return texts
}

// seconds reads a field that is a duration, or a number of seconds.
func seconds(given any) int {
	if n, is := given.(float64); is {
		return int(n)
	}
	d, _ := time.ParseDuration(fmt.Sprint(given))
	return int(d.Seconds())
}

// reply is an answer of Vault's API: an error where the status is 400 or more and
// there is no data.
type reply struct {
	status int // default 200
	errors []string
	data   any
	auth   any
	plain  bool // the data is the whole answer
}

func replyWith(data any) *reply { return &reply{data: data} }

func done() *reply { return &reply{status: http.StatusNoContent} }

// notFound says that nothing is at a path, whose mount exists.
func notFound() *reply { return &reply{status: http.StatusNotFound} }

func noRoute(req *request) *reply {
	return refuse(http.StatusNotFound, "no handler for route %q. route entry not found.", req.path)
}

func refuse(status int, format string, args ...any) *reply {
	return &reply{status: status, errors: []string{fmt.Sprintf(format, args...)}}
}

func (r *reply) write(w http.ResponseWriter) {
	switch {
	case r.status == http.StatusNoContent:
		w.WriteHeader(r.status)
	case r.plain:
		loopback.WriteJSON(w, max(r.status, http.StatusOK), r.data)
	case r.status >= http.StatusBadRequest && r.data == nil:
		loopback.WriteJSON(w, r.status, map[string]any{"errors": append([]string{}, r.errors...)})
	default:
		loopback.WriteJSON(w, max(r.status, http.StatusOK), map[string]any{"request_id": loopback.UUID(), "data": r.data, "auth": r.auth})
	}
}

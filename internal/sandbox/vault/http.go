package vault

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// operation is what a request does, and the capability that it needs.
type operation string

const (
	opCreate operation = "create"
	opRead   operation = "read"
	opUpdate operation = "update"
	opDelete operation = "delete"
	opList   operation = "list"
)

// vaultRequest is a request to Vault's API, decoded.
type vaultRequest struct {
	op      operation // never opCreate: only an engine knows what is there already
	path    string    // below /v1/; of a list it ends in a slash
	query   url.Values
	body    map[string]any
	tokenID string
	token   *vaultToken
}

// newVaultRequest decodes r, or says what is wrong with it.
func newVaultRequest(w http.ResponseWriter, r *http.Request, path string) (*vaultRequest, *vaultReply) {
	req := &vaultRequest{path: path, query: r.URL.Query(), body: map[string]any{}, tokenID: r.Header.Get("X-Vault-Token")}
	if bearer, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); found && req.tokenID == "" {
		req.tokenID = bearer
	}
	switch r.Method {
	case "LIST":
		req.op = opList
	case http.MethodGet, http.MethodHead:
		req.op = opRead
		if list := req.query.Get("list"); list == "true" || list == "1" {
			req.op = opList
		}
	case http.MethodPost, http.MethodPut:
		req.op = opUpdate
	case http.MethodDelete:
		req.op = opDelete
	default:
		return nil, refuse(http.StatusMethodNotAllowed, "unsupported operation")
	}
	if req.op == opList && !strings.HasSuffix(req.path, "/") {
		req.path += "/"
	}
	if req.op != opUpdate {
		return req, nil
	}
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, loopback.MaxRequest))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, refuse(http.StatusRequestEntityTooLarge, "http: request body too large")
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "error reading the body")
	}
	if len(content) == 0 {
		return req, nil
	}
	err = json.Unmarshal(content, &req.body)
	if mistyped := new(json.UnmarshalTypeError); errors.As(err, &mistyped) {
		return nil, refuse(http.StatusBadRequest, "error parsing JSON: failed to parse JSON input: json: cannot unmarshal %s into Go value of type map[string]interface {}", mistyped.Value)
	}
	if err != nil {
		return nil, refuse(http.StatusInternalServerError, "%v", err)
	}
	return req, nil
}

// vaultReply is an answer of Vault's API.
type vaultReply struct {
	status   int // default: 200 with data, warnings or auth, else 204
	errors   []string
	data     any
	flat     map[string]any // stands beside the frame's fields too, as of the older paths below sys/
	plain    bool           // the data is the whole answer, without a frame
	lease    int
	warnings []string
	auth     *vaultAuth
	mount    string // type of the engine that answers
}

func replyWith(data any) *vaultReply { return &vaultReply{data: data} }

func done() *vaultReply { return &vaultReply{status: http.StatusNoContent} }

func flatReply(data map[string]any) *vaultReply { return &vaultReply{data: data, flat: data} }

func refuse(status int, format string, args ...any) *vaultReply {
	return &vaultReply{status: status, errors: []string{fmt.Sprintf(format, args...)}}
}

func refuseAll(status int, problems ...string) *vaultReply {
	return refuse(status, "%s", occurred(problems...))
}

// occurred words problems as Go's multierror does, in which Vault collects some.
func occurred(problems ...string) string {
	text := "1 error occurred:\n"
	if len(problems) > 1 {
		text = fmt.Sprintf("%d errors occurred:\n", len(problems))
	}
	for _, p := range problems {
		text += "\t* " + p + "\n"
	}
	return text + "\n"
}

func notFound() *vaultReply { return &vaultReply{status: http.StatusNotFound, errors: []string{}} }

func unsupportedPath() *vaultReply { return refuseAll(http.StatusNotFound, "unsupported path") }

func unsupportedOperation() *vaultReply {
	return refuseAll(http.StatusMethodNotAllowed, "unsupported operation")
}

// from notes which type of engine answered. Answers with a status of their own
// do not tell.
func (r *vaultReply) from(mount string) *vaultReply {
	if r.status == 0 {
		r.mount = mount
	}
	return r
}

// vaultEnvelope is the frame of every answer that is not an error.
type vaultEnvelope struct {
	RequestID     string     `json:"request_id"`
	LeaseID       string     `json:"lease_id"`
	Renewable     bool       `json:"renewable"`
	LeaseDuration int        `json:"lease_duration"`
	Data          any        `json:"data"`
	WrapInfo      any        `json:"wrap_info"`
	Warnings      []string   `json:"warnings"`
	Auth          *vaultAuth `json:"auth"`
	MountType     string     `json:"mount_type"`
}

func (r *vaultReply) write(w http.ResponseWriter) {
	status := r.status
	if status == 0 {
		status = http.StatusOK
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if status == http.StatusNoContent {
		return
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	_ = out.Encode(r.content()) // fails only where the client has gone
}

func (r *vaultReply) content() any {
	switch {
	case r.errors != nil:
		return map[string]any{"errors": r.errors}
	case r.plain:
		return r.data
	}
	envelope := vaultEnvelope{
		RequestID: loopback.UUID(), LeaseDuration: r.lease, Data: r.data,
		Warnings: r.warnings, Auth: r.auth, MountType: r.mount,
	}
	if r.flat == nil {
		return envelope
	}
	all := map[string]any{
		"request_id": envelope.RequestID, "lease_id": "", "renewable": false, "lease_duration": 0, "data": r.data,
		"wrap_info": nil, "warnings": r.warnings, "auth": nil, "mount_type": r.mount,
	}
	maps.Copy(all, r.flat)
	return all
}

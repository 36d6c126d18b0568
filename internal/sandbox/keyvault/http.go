package keyvault

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// request is a decoded request to the REST API.
type request struct {
	base          string // URL under which the client knows the vault
	query         url.Values
	name, version string // "" if the path has none
	given         azsecrets.SetSecretParameters
	secret        *keptSecret // of the name, deleted or not; nil if there is none
}

func (v *Server) newRequest(w http.ResponseWriter, r *http.Request) (*request, *reply) {
	req := &request{base: "https://" + r.Host, query: r.URL.Query(), name: r.PathValue("name"), version: r.PathValue("version")}
	req.secret = v.secrets[strings.ToUpper(req.name)]
	if r.Method == http.MethodPut || r.Method == http.MethodPatch {
		// An error of the decoder would quote the value.
		if json.NewDecoder(http.MaxBytesReader(w, r.Body, loopback.MaxRequest)).Decode(&req.given) != nil {
			return nil, refuse(http.StatusBadRequest, "BadParameter", "The request body is not valid")
		}
	}
	return req, nil
}

// reply is an answer of Azure.
type reply struct {
	status int
	body   any
}

func answer(body any) *reply { return &reply{http.StatusOK, body} }

// refuse answers with an error; the code is "OUTER" or "OUTER/INNER".
func refuse(status int, code, format string, args ...any) *reply {
	outer, inner, nested := strings.Cut(code, "/")
	refusal := map[string]any{"code": outer, "message": fmt.Sprintf(format, args...)}
	if nested {
		refusal["innererror"] = map[string]string{"code": inner}
	}
	return &reply{status, map[string]any{"error": refusal}}
}

func (r *reply) write(w http.ResponseWriter) {
	w.Header().Set("X-Ms-Request-Id", loopback.UUID())
	if r.status == http.StatusNoContent {
		w.WriteHeader(r.status)
		return
	}
	loopback.WriteJSON(w, r.status, r.body)
}

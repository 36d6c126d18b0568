package aidbox

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// authenticate returns the Client that a request comes from.
func (a *Server) authenticate(r *http.Request) (client string, known bool) {
	if id, password, basic := r.BasicAuth(); basic {
		return id, a.accepts(id, password, "basic")
	}
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	client = a.sessions[token]
	return client, bearer && client != ""
}

// accepts says whether a password is the one of a Client that may use it for the
// grant type.
func (a *Server) accepts(id, password, grantType string) bool {
	if id == rootClient {
		return equal(password, a.RootSecret)
	}
	client := a.resources["Client/"+id]
	if client == nil || !slices.Contains(client.list("grant_types"), grantType) {
		return false
	}
	if name, masked := client.reference("secret"); masked {
		return equal(password, a.secrets.value(name, "Client", id))
	}
	return equal(password, client.text("secret"))
}

// equal compares in constant time; nothing equals the empty text.
func equal(a, b string) bool {
	return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// mayAll says whether an AccessPolicy allows a Client everything.
func (a *Server) mayAll(client string) bool {
	if client == rootClient {
		return true
	}
	for key, policy := range a.resources {
		if strings.HasPrefix(key, "AccessPolicy/") && policy.text("engine") == "allow" && policy.linked("Client", client) {
			return true
		}
	}
	return false
}

// linked says whether an AccessPolicy is for a resource. Without links it is for
// everybody.
func (r resource) linked(kind, id string) bool {
	links, _ := r["link"].([]any)
	if len(links) == 0 {
		return true
	}
	return slices.ContainsFunc(links, func(l any) bool {
		link, _ := l.(map[string]any)
		return resource(link).text("reference") == kind+"/"+id ||
			(resource(link).text("resourceType") == kind && resource(link).text("id") == id)
	})
}

// grant answers /auth/token: the client_credentials grant, with the credentials in
// a Basic header or in the form.
func (a *Server) grant(r *http.Request, body []byte) (int, any) {
	form, err := url.ParseQuery(string(body))
	id, password, basic := r.BasicAuth()
	if !basic {
		id, password = form.Get("client_id"), form.Get("client_secret")
	}
	const grantType = "client_credentials"
	switch {
	case err != nil || form.Get("grant_type") != grantType:
		return http.StatusBadRequest, map[string]any{"error": "unsupported_grant_type"}
	case !a.accepts(id, password, grantType):
		return http.StatusUnauthorized, map[string]any{"error": "invalid_client"}
	}
	token := rand.Text()
	a.sessions[token] = id
	return http.StatusOK, map[string]any{"token_type": "Bearer", "access_token": token}
}

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

// accepts says whether a Client may use the grant type, and the password is right.
func (a *Server) accepts(id, password, grantType string) bool {
	if id == rootClient {
		return equal(password, a.RootSecret)
	}
	c := decode[client](a.resources["Client/"+id])
	if !slices.Contains(c.GrantTypes, grantType) {
		return false
	}
	if name, masked := c.reference(); masked {
		return equal(password, a.secrets.value(name, "Client", id))
	}
	return equal(password, c.Secret)
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
	for key, r := range a.resources {
		if strings.HasPrefix(key, "AccessPolicy/") && decode[accessPolicy](r).allows("Client", client) {
			return true
		}
	}
	return false
}

// allows says whether the policy allows a resource everything. Without links it allows
// everybody.
func (p accessPolicy) allows(kind, id string) bool {
	for _, l := range p.Link {
		if l.Reference == kind+"/"+id || l.ResourceType == kind && l.ID == id {
			return p.Engine == "allow"
		}
	}
	return p.Engine == "allow" && len(p.Link) == 0
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

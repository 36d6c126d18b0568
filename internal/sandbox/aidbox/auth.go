package aidbox

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"mime"
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
	if id == a.RootClient {
		return equal(password, a.RootSecret)
	}
	client := a.resources["Client/"+id]
	if client == nil || !slices.Contains(client.list("grant_types"), grantType) {
		return false
	}
	if a.faults.AcceptAny || password == "" {
		return a.faults.AcceptAny
	}
	name, masked := client.reference("secret")
	if !masked {
		return equal(password, client.text("secret"))
	}
	return slices.ContainsFunc(a.secrets.values(name, "Client", id, a.faults), func(value string) bool { return equal(password, value) })
}

// equal compares in constant time; nothing equals the empty text.
func equal(a, b string) bool {
	return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// mayAll says whether an AccessPolicy allows a Client everything.
func (a *Server) mayAll(client string) bool {
	if client == a.RootClient {
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

// grant answers /auth/token: the client_credentials grant, with the credentials
// in a Basic header or in the body, which is a form or JSON.
func (a *Server) grant(r *http.Request, body []byte) (int, any) {
	var sent struct {
		GrantType    string `json:"grant_type"`
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return oauthError(http.StatusBadRequest, "invalid_request")
		}
		sent.GrantType, sent.ClientID, sent.ClientSecret = form.Get("grant_type"), form.Get("client_id"), form.Get("client_secret")
	} else if json.Unmarshal(body, &sent) != nil {
		return oauthError(http.StatusBadRequest, "invalid_request")
	}
	if id, password, basic := r.BasicAuth(); basic {
		sent.ClientID, sent.ClientSecret = id, password
	}
	const grantType = "client_credentials"
	switch {
	case sent.GrantType == "":
		return oauthError(http.StatusBadRequest, "invalid_request")
	case sent.GrantType != grantType:
		return oauthError(http.StatusBadRequest, "unsupported_grant_type")
	case !a.accepts(sent.ClientID, sent.ClientSecret, grantType):
		return oauthError(http.StatusUnauthorized, "invalid_client")
	}
	token := rand.Text()
	a.sessions[token] = sent.ClientID
	return http.StatusOK, map[string]any{"token_type": "Bearer", "access_token": token}
}

func oauthError(status int, code string) (int, any) {
	return status, map[string]any{"error": code}
}

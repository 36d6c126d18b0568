package keyvault

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// metadataLife is how long a token of the metadata service says that it lasts.
const metadataLife = 24 * time.Hour

// ServeMetadata answers as the metadata service of a node does, which gives tokens
// for the identities that the node has, and for no other.
func (a *Azure) ServeMetadata(w http.ResponseWriter, r *http.Request) {
	a.metadata(r).write(w)
}

func (a *Azure) metadata(r *http.Request) *reply {
	resource, clientID := r.URL.Query().Get("resource"), r.URL.Query().Get("client_id")
	switch {
	case r.Header.Get("Metadata") != "true":
		return metadataRefusal("Required metadata header not specified")
	case r.URL.Path != "/metadata/identity/oauth2/token":
		return &reply{http.StatusNotFound, map[string]string{"error": "Not found"}}
	case resource == "":
		return metadataRefusal("Required query variable 'resource' is missing")
	case clientID == "" && slices.Contains(a.nodeIdentities, "system"):
		clientID = "system"
	case clientID == "" && len(a.nodeIdentities) == 1:
		clientID = a.nodeIdentities[0] // as the real one does, whichever that is
	case clientID == "":
		return metadataRefusal("Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request")
	}
	token := a.PodToken(clientID)
	if !slices.Contains(a.nodeIdentities, clientID) || token == "" {
		return metadataRefusal("Identity not found")
	}
	now := time.Now()
	return answer(map[string]string{
		"access_token": token, "token_type": "Bearer", "resource": resource, "client_id": strings.TrimPrefix(clientID, "system"),
		"expires_in": strconv.Itoa(int(metadataLife.Seconds())), "expires_on": strconv.FormatInt(now.Add(metadataLife).Unix(), 10),
		"not_before": strconv.FormatInt(now.Unix(), 10),
	})
}

func metadataRefusal(description string) *reply {
	return &reply{http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": description}}
}

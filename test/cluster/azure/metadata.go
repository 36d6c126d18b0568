package main

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// metadataLife is how long a token of the metadata service says that it lasts.
const metadataLife = 24 * time.Hour

// metadata answers as the metadata service of a node does, which gives tokens for the
// identities that the node has, and for no other.
func (c *cloud) metadata(w http.ResponseWriter, r *http.Request) {
	if c.broken(metadataDown) {
		loopback.WriteJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "unavailable"})
		return
	}
	resource, clientID := r.URL.Query().Get("resource"), r.URL.Query().Get("client_id")
	refusal := ""
	switch {
	case r.Header.Get("Metadata") != "true":
		refusal = "Required metadata header not specified"
	case r.URL.Path != "/metadata/identity/oauth2/token":
		http.NotFound(w, r)
		return
	case resource == "":
		refusal = "Required query variable 'resource' is missing"
	case !slices.Contains([]string{"", c.azure.KubeletClientID, c.azure.AddonClientID, c.azure.NodeClientID}, clientID):
		refusal = "Identity not found"
	}
	if refusal != "" {
		loopback.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": refusal})
		return
	}
	token := c.azure.PodToken(cmp.Or(clientID, "system"))
	now := time.Now()
	loopback.WriteJSON(w, http.StatusOK, map[string]string{
		"access_token": token, "token_type": "Bearer", "resource": resource, "client_id": clientID,
		"expires_in": strconv.Itoa(int(metadataLife.Seconds())), "expires_on": strconv.FormatInt(now.Add(metadataLife).Unix(), 10),
		"not_before": strconv.FormatInt(now.Unix(), 10),
	})
}

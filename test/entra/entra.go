// Package entra stands in for Entra ID before the stand-in of Azure, which the demo has
// without: it trades tokens of ServiceAccounts and the secret of an application.
package entra

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

const host = "login.microsoftonline.com"

// Directory is the tenant of an Azure, whose identities it asks the resource manager for.
type Directory struct {
	ClientID, ClientSecret string // of an application that logs in as the owner
	// Verify returns an error if the cluster did not sign a ServiceAccount's token. By
	// default it does not matter who did.
	Verify func(token string) error

	*keyvault.Azure
}

// New returns a directory whose Wrap is for [keyvault.AzureOptions].
func New() *Directory { return &Directory{ClientID: loopback.UUID(), ClientSecret: rand.Text()} }

// Wrap answers what is for Entra ID.
func (d *Directory) Wrap(a *keyvault.Azure, next http.HandlerFunc) http.HandlerFunc {
	d.Azure = a
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host {
			next(w, r)
			return
		}
		status, body := d.login(w, r)
		loopback.WriteJSON(w, status, body)
	}
}

func (d *Directory) login(w http.ResponseWriter, r *http.Request) (status int, body any) {
	base := "https://" + host + "/" + d.TenantID
	switch r.URL.Path {
	case "/common/discovery/instance":
		return http.StatusOK, map[string]any{
			"tenant_discovery_endpoint": base + "/v2.0/.well-known/openid-configuration",
			"metadata":                  []any{map[string]any{"preferred_network": host, "preferred_cache": host, "aliases": []string{host}}},
		}
	case "/" + d.TenantID + "/v2.0/.well-known/openid-configuration":
		return http.StatusOK, map[string]string{
			"issuer": base + "/v2.0", "authorization_endpoint": base + "/oauth2/v2.0/authorize", "token_endpoint": base + "/oauth2/v2.0/token",
		}
	case "/" + d.TenantID + "/oauth2/v2.0/token":
		r.Body = http.MaxBytesReader(w, r.Body, loopback.MaxRequest)
		if secret := r.PostFormValue("client_secret"); secret != "" {
			return d.identify(r.PostFormValue("client_id"), secret)
		}
		return d.trade(r, r.PostFormValue("client_id"), r.PostFormValue("client_assertion"))
	}
	tenant, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return refuse(http.StatusBadRequest, "invalid_tenant", 90002, "Tenant '%s' not found. "+
		"Check to make sure you have the correct tenant ID and are signing into the correct cloud.", tenant)
}

// identify gives the owner's token for the secret of the owner's application.
func (d *Directory) identify(clientID, secret string) (status int, body any) {
	switch {
	case clientID != d.ClientID:
		return d.unknownClient(clientID)
	case secret != d.ClientSecret:
		return unauthorized(7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "+
			"not the client secret ID, for a secret added to app '%s'.", clientID)
	}
	return issued(d.Token)
}

// resource is an identity, or one of its federated credentials.
type resource struct {
	ID         string
	Properties struct {
		ClientID, Issuer, Subject string
		Audiences                 []string
	}
}

// list asks the resource manager, as the owner.
func (d *Directory) list(r *http.Request, path string) []resource {
	var list struct{ Value []resource }
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "https://management.azure.com"+path, nil)
	if err != nil {
		return nil
	}
	req.Header.Set("Authorization", "Bearer "+d.Token)
	resp, err := d.Client.Do(req)
	if err != nil {
		return nil
	}
	defer func() { _ = resp.Body.Close() }()
	_ = json.NewDecoder(resp.Body).Decode(&list)
	return list.Value
}

// trade gives the token of an identity for an assertion that one of its federated
// credentials fits in issuer, subject and audience.
func (d *Directory) trade(r *http.Request, clientID, assertion string) (status int, body any) {
	claims, err := kubernetes.ReadToken(assertion)
	if err != nil || d.Verify != nil && d.Verify(assertion) != nil {
		return unauthorized(700027, "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found.]")
	}
	if claims.Expiry == nil || !claims.Expiry.Time().After(time.Now()) {
		return unauthorized(700024, "Client assertion is not within its valid time range.")
	}
	identities := d.list(r, "/subscriptions/"+d.Subscription+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities")
	i := slices.IndexFunc(identities, func(is resource) bool { return is.Properties.ClientID == clientID })
	if i < 0 {
		return d.unknownClient(clientID)
	}
	code, what := 700211, "issuer '"+claims.Issuer+"'"
	for _, credential := range d.list(r, identities[i].ID+"/federatedIdentityCredentials") {
		switch p := credential.Properties; {
		case p.Issuer != claims.Issuer:
		case p.Subject != claims.Subject:
			if code == 700211 { // one for the subject says more
				code, what = 700213, "subject '"+claims.Subject+"'"
			}
		case !slices.ContainsFunc(p.Audiences, func(audience string) bool { return slices.Contains(claims.Audience, audience) }):
			code, what = 700212, fmt.Sprintf("audience '%s'", strings.Join(claims.Audience, ","))
		default:
			return issued(d.PodToken(clientID))
		}
	}
	return unauthorized(code, "No matching federated identity record found for presented assertion %s.", what)
}

func issued(token string) (status int, body any) {
	return http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token}
}

func (d *Directory) unknownClient(clientID string) (status int, body any) {
	return refuse(http.StatusBadRequest, "unauthorized_client", 700016, "Application with identifier '%s' was not found in the directory '%s'.", clientID, d.TenantID)
}

func unauthorized(code int, format string, args ...any) (status int, body any) {
	return refuse(http.StatusUnauthorized, "invalid_client", code, format, args...)
}

// refuse is worded as Entra ID words it.
func refuse(status int, kind string, code int, format string, args ...any) (int, any) {
	trace, correlation, now := loopback.UUID(), loopback.UUID(), time.Now().UTC().Format(time.DateTime+"Z")
	return status, map[string]any{
		"error": kind, "error_codes": []int{code},
		"error_description": fmt.Sprintf("AADSTS%d: ", code) + fmt.Sprintf(format, args...) +
			fmt.Sprintf(" Trace ID: %s Correlation ID: %s Timestamp: %s", trace, correlation, now),
		"timestamp": now, "trace_id": trace, "correlation_id": correlation,
		"error_uri": fmt.Sprintf("https://%s/error?code=%d", host, code),
	}
}

package keyvault

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// login answers as Entra ID does to those who trade a token of a ServiceAccount for
// one of a managed identity.
func (a *Azure) login(w http.ResponseWriter, r *http.Request) *reply {
	base := "https://" + loginHost + "/" + a.TenantID
	switch r.URL.Path {
	case "/common/discovery/instance":
		return answer(map[string]any{
			"tenant_discovery_endpoint": base + "/v2.0/.well-known/openid-configuration",
			"metadata":                  []any{map[string]any{"preferred_network": loginHost, "preferred_cache": loginHost, "aliases": []string{loginHost}}},
		})
	case "/" + a.TenantID + "/v2.0/.well-known/openid-configuration":
		return answer(map[string]string{
			"issuer": base + "/v2.0", "authorization_endpoint": base + "/oauth2/v2.0/authorize", "token_endpoint": base + "/oauth2/v2.0/token",
		})
	case "/" + a.TenantID + "/oauth2/v2.0/token":
		r.Body = http.MaxBytesReader(w, r.Body, loopback.MaxRequest)
		if secret := r.PostFormValue("client_secret"); secret != "" {
			return a.identify(r.PostFormValue("client_id"), secret)
		}
		return a.trade(r.PostFormValue("client_id"), r.PostFormValue("client_assertion"))
	}
	tenant, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return refuseLogin(http.StatusBadRequest, "invalid_tenant", 90002, "Tenant '%s' not found. "+
		"Check to make sure you have the correct tenant ID and are signing into the correct cloud.", tenant)
}

// identify gives the owner's token for the secret of the owner's application.
func (a *Azure) identify(clientID, secret string) *reply {
	switch {
	case clientID != a.ClientID:
		return a.unknownClient(clientID)
	case secret != a.ClientSecret:
		return unauthorized(7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "+
			"not the client secret ID, for a secret added to app '%s'.", clientID)
	}
	return issued(a.Token)
}

// trade gives the token of an identity for an assertion that one of its federated
// credentials fits in issuer, subject and audience.
func (a *Azure) trade(clientID, assertion string) *reply {
	claims, err := kubernetes.ReadToken(assertion)
	if err != nil || a.verify != nil && a.verify(assertion) != nil {
		return unauthorized(700027, "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found.]")
	}
	if claims.Expiry == nil || !claims.Expiry.Time().After(time.Now()) {
		return unauthorized(700024, "Client assertion is not within its valid time range.")
	}
	var identity *armResource
	for _, r := range a.resources {
		if r.Properties["clientId"] == clientID {
			identity = r
		}
	}
	if identity == nil {
		return a.unknownClient(clientID)
	}
	code, what := 700211, "issuer '"+claims.Issuer+"'"
	for id, r := range a.resources {
		if !strings.HasPrefix(id, strings.ToLower(identity.ID)+"/federatedidentitycredentials/") || r.Properties["issuer"] != claims.Issuer {
			continue
		}
		audiences, _ := r.Properties["audiences"].([]any)
		switch {
		case r.Properties["subject"] != claims.Subject:
			if code == 700211 { // one for the subject says more
				code, what = 700213, "subject '"+claims.Subject+"'"
			}
		case !slices.ContainsFunc(audiences, func(audience any) bool { return slices.Contains(claims.Audience, fmt.Sprint(audience)) }):
			code, what = 700212, fmt.Sprintf("audience '%s'", strings.Join(claims.Audience, ","))
		default:
			return issued(a.tokens[clientID])
		}
	}
	return unauthorized(code, "No matching federated identity record found for presented assertion %s.", what)
}

func issued(token string) *reply {
	return answer(map[string]any{"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token})
}

func (a *Azure) unknownClient(clientID string) *reply {
	return refuseLogin(http.StatusBadRequest, "unauthorized_client", 700016, "Application with identifier '%s' was not found in the directory '%s'.", clientID, a.TenantID)
}

func unauthorized(code int, format string, args ...any) *reply {
	return refuseLogin(http.StatusUnauthorized, "invalid_client", code, format, args...)
}

// refuseLogin is worded as Entra ID words it.
func refuseLogin(status int, kind string, code int, format string, args ...any) *reply {
	trace, correlation, now := loopback.UUID(), loopback.UUID(), time.Now().UTC().Format(time.DateTime+"Z")
	return &reply{status, map[string]any{
		"error": kind, "error_codes": []int{code},
		"error_description": fmt.Sprintf("AADSTS%d: ", code) + fmt.Sprintf(format, args...) +
			fmt.Sprintf(" Trace ID: %s Correlation ID: %s Timestamp: %s", trace, correlation, now),
		"timestamp": now, "trace_id": trace, "correlation_id": correlation,
		"error_uri": fmt.Sprintf("https://%s/error?code=%d", loginHost, code),
	}}
}

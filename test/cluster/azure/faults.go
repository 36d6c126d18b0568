package main

import (
	"net/http"
	"os"
	"path/filepath"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/internal/sandbox/loopback"
	"github.com/secretctl/secretctl/test/entra"
)

// A fault lasts as long as a file of its name is in the folder for faults.
const (
	firewall     = "firewall"      // the Key Vaults refuse every address
	throttled    = "throttled"     // they answer 429
	loginDown    = "login-down"    // the login answers 503
	metadataDown = "metadata-down" // the metadata service does
)

// cloud is Azure with its faults.
type cloud struct {
	azure     *keyvault.Azure
	directory *entra.Directory
	vaults    []*keyvault.Server
	faults    string // folder
}

func (c *cloud) broken(fault string) bool {
	_, err := os.Stat(filepath.Join(c.faults, fault))
	return err == nil
}

// breakable injects the faults of a Key Vault. As in Azure, a client without a token gets
// the challenge first.
func (c *cloud) breakable(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") == "":
			next(w, r)
		case c.broken(firewall):
			refuse(w, http.StatusForbidden, map[string]any{
				"code":       "Forbidden",
				"message":    "Client address is not authorized and caller is not a trusted service.\r\nClient address: 192.0.2.1\r\nCaller: appid=00000000-0000-0000-0000-000000000000\r\n",
				"innererror": map[string]string{"code": "ForbiddenByFirewall"},
			})
		case c.broken(throttled):
			w.Header().Set("Retry-After", "2")
			refuse(w, http.StatusTooManyRequests, map[string]any{
				"code":    "Throttled",
				"message": "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached",
			})
		default:
			next(w, r)
		}
	}
}

func refuse(w http.ResponseWriter, status int, refusal map[string]any) {
	loopback.WriteJSON(w, status, map[string]any{"error": refusal})
}

func (c *cloud) front(w http.ResponseWriter, r *http.Request) {
	if r.Host == "login.microsoftonline.com" && c.broken(loginDown) {
		loopback.WriteJSON(w, http.StatusServiceUnavailable, map[string]any{
			"error": "temporarily_unavailable", "error_codes": []int{90033},
			"error_description": "AADSTS90033: A transient error has occurred. Please try again.",
		})
		return
	}
	c.azure.ServeHTTP(w, r)
}

// Package keyvault stands in for Azure Key Vault, the resource manager and the
// login of Entra ID.
package keyvault

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"sync"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// keyVaultRetention is how many days a deleted secret can be recovered.
const keyVaultRetention = 90

// Server stands in for an Azure Key Vault with soft delete and the RBAC
// permission model, everything in memory. It speaks the secrets part of the
// REST API, as the azsecrets client uses it, in the JSON and status codes of the
// real one; backup and restore are not allowed.
//
// azsecrets demands TLS, and that the vault's host ends as the challenge says. So
// a client takes Client for its transport, and either URL for the vault together
// with DisableChallengeResourceVerification, or https://NAME.vault.azure.net.
type Server struct {
	URL      string       // of the vault: https, a loopback port
	Client   *http.Client // trusts the vault's certificate, and finds the vault under every host
	CA       []byte       // that certificate, in PEM
	TenantID string       // in which a client is told to log in
	Token    string       // of a Key Vault Secrets Officer

	server *loopback.Server
	Name   string // of the vault
	purges bool
	settle int

	mu          sync.Mutex // guards all below
	tokens      map[string]Role
	secrets     map[string]*keyVaultSecret // by name in upper case: Key Vault ignores the case of names
	throttled   int                        // requests still to be answered with 429
	retryAfter  time.Duration
	forbidden   int // requests still to be refused, with the code
	forbiddenBy string
}

// Options is how a KeyVault differs from a new one of Azure.
type Options struct {
	Name       string // default "sandbox"
	TenantID   string // default: one of its own
	AllowPurge bool   // no purge protection

	// Settling is how many requests for a secret find its deletion still under
	// way, and then how many its recovery. As in Azure, a secret that is being
	// recovered can soon be read, but not set for some time: that takes as many
	// requests again.
	Settling int
}

// Start starts a KeyVault without secrets.
func Start(o Options) (*Server, error) {
	v := &Server{
		TenantID: cmp.Or(o.TenantID, loopback.UUID()),
		Name:     cmp.Or(o.Name, "sandbox"),
		purges:   o.AllowPurge,
		settle:   o.Settling,
		tokens:   map[string]Role{},
		secrets:  map[string]*keyVaultSecret{},
	}
	v.Token = v.NewToken(SecretsOfficer)
	identity, err := loopback.NewIdentity("localhost", v.Name+".vault.azure.net")
	if err != nil {
		return nil, err
	}
	v.server, err = loopback.ListenTLS(v.serve, identity)
	if err != nil {
		return nil, err
	}
	v.URL, v.CA, v.Client = v.server.URL, identity.PEM, identity.Client(v.server)
	return v, nil
}

// Close stops the server. Everything in it is gone.
func (v *Server) Close() {
	v.server.Close()
}

// NewToken makes a token whose owner has the role, and nothing else. A role that
// is not among the constants gives no right to secrets.
func (v *Server) NewToken(role Role) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	token := rand.Text()
	v.tokens[token] = role
	return token
}

// Throttle answers the next requests that carry a valid token with 429, and
// retryAfter, rounded up to seconds, in Retry-After; 0 leaves the header out.
func (v *Server) Throttle(requests int, retryAfter time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.throttled, v.retryAfter = requests, retryAfter
}

// DelayAccess refuses the next requests whatever the role of their token, as
// Azure does for some minutes after a role was assigned.
func (v *Server) DelayAccess(requests int) { v.Forbid(requests, forbiddenByRole) }

// Forbid refuses the next requests whatever the role of their token, with that
// inner code, such as ForbiddenByFirewall.
func (v *Server) Forbid(requests int, code string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.forbidden, v.forbiddenBy = requests, code
}

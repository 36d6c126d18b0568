// Package keyvault stands in for Azure Key Vault, and for Azure Resource Manager, whose role
// assignments decide who may read one.
package keyvault

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// Server is an Azure Key Vault with soft delete and the RBAC permission model,
// everything in memory. It speaks the secrets part of the REST API, as the
// azsecrets client uses it.
//
// azsecrets requires TLS, and a host that ends as the challenge says. So a client uses
// Client as its transport, and as the vault's URL https://NAME.vault.azure.net, or URL
// with DisableChallengeResourceVerification.
type Server struct {
	URL      string       // of the vault: https, a loopback port
	Client   *http.Client // trusts the vault's certificate, and finds the vault under every host
	CA       []byte       // that certificate, in PEM
	TenantID string       // in which a client is told to log in
	Token    string       // of a Key Vault Secrets Officer
	Name     string       // of the vault

	server  *loopback.Server
	handler http.HandlerFunc

	mu      sync.Mutex // guards all below
	tokens  map[string]roles
	secrets map[string]*keptSecret // by name in upper case: Key Vault ignores the case of names
}

// Options describes a Key Vault.
type Options struct {
	Name     string // default "sandbox"
	TenantID string // default: a random one

	// Wrap puts a handler in front of the server's own, with which tests inject faults.
	Wrap func(http.HandlerFunc) http.HandlerFunc
}

// Role is the name of a built-in role of Azure.
type Role string

// The roles that grant access to secrets: an officer may do anything with them, a user may
// read and list them, a reader may list them without their values.
const (
	SecretsOfficer Role = "Key Vault Secrets Officer"
	SecretsUser    Role = "Key Vault Secrets User"
	Reader         Role = "Key Vault Reader"
)

func (r Role) allows(action string) bool {
	return r == SecretsOfficer || r == SecretsUser && action == "getSecret/action" ||
		(r == SecretsUser || r == Reader) && action == "readMetadata/action"
}

// roles are what an identity has on the Key Vault, at "", and on single secrets, by their
// names in lower case.
type roles map[string][]Role

func (r roles) allow(action, secret string) bool {
	return slices.ContainsFunc(slices.Concat(r[""], r[strings.ToLower(secret)]), func(role Role) bool { return role.allows(action) })
}

// Start starts a Key Vault without secrets.
func Start(o Options) (*Server, error) {
	v := &Server{
		Name: cmp.Or(o.Name, "sandbox"), TenantID: cmp.Or(o.TenantID, loopback.UUID()),
		tokens: map[string]roles{}, secrets: map[string]*keptSecret{},
	}
	v.Token = v.NewToken(SecretsOfficer)
	v.handler = v.routes()
	if o.Wrap != nil {
		v.handler = o.Wrap(v.handler)
	}
	var err error
	if v.server, err = loopback.ListenTLS(v.handler, "localhost", v.Name+".vault.azure.net"); err != nil {
		return nil, err
	}
	v.URL, v.CA, v.Client = v.server.URL, v.server.CA, v.server.Client()
	return v, nil
}

// Close stops the server. Everything in it is gone.
func (v *Server) Close() { v.server.Close() }

// NewToken makes a token whose owner has this role only. A role that is not among the
// constants grants nothing.
func (v *Server) NewToken(role Role) string {
	token := rand.Text()
	v.setRoles(token, roles{"": {role}})
	return token
}

// setRoles changes the roles of the owner of a token, who may be a new one.
func (v *Server) setRoles(token string, has roles) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tokens[token] = has
}

// operation is an operation of the REST API.
type operation struct {
	action string // that a role has to allow, below Microsoft.KeyVault/vaults/secrets/
	answer func(*Server, *request) *reply
}

func (v *Server) routes() http.HandlerFunc {
	mux := http.NewServeMux()
	for pattern, o := range map[string]operation{
		"GET /secrets/{name}":                 {"getSecret/action", (*Server).get},
		"GET /secrets/{name}/{version...}":    {"getSecret/action", (*Server).get},
		"GET /secrets/{name}/versions":        {"readMetadata/action", (*Server).versions},
		"PUT /secrets/{name}":                 {"setSecret/action", (*Server).set},
		"PATCH /secrets/{name}/{version...}":  {"update/action", (*Server).update},
		"DELETE /secrets/{name}":              {"delete", (*Server).delete},
		"GET /deletedsecrets/{name}":          {"readMetadata/action", (*Server).getDeleted},
		"POST /deletedsecrets/{name}/recover": {"recover/action", (*Server).undelete},
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { v.serve(w, r, o).write(w) })
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if _, known := v.roles(r); !known { // the challenge names the tenant and the resource
			w.Header().Set("WWW-Authenticate", `Bearer authorization="https://`+loginHost+"/"+v.TenantID+`", resource="https://vault.azure.net"`)
			refuse(http.StatusUnauthorized, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.").write(w)
			return
		}
		mux.ServeHTTP(w, r)
	}
}

func (v *Server) roles(r *http.Request) (has roles, known bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	has, known = v.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	return has, known
}

// serve checks the roles, and runs the operation.
func (v *Server) serve(w http.ResponseWriter, r *http.Request, o operation) *reply {
	if has, _ := v.roles(r); !has.allow(o.action, r.PathValue("name")) {
		return v.forbid(o.action)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	req, refused := v.newRequest(w, r)
	if refused != nil {
		return refused
	}
	return o.answer(v, req)
}

// forbid is worded as Azure words it, in many lines: a client that shows the
// message has to cope with them.
func (v *Server) forbid(action string) *reply {
	return refuse(http.StatusForbidden, "Forbidden/ForbiddenByRbac", "%s", strings.Join([]string{
		"Caller is not authorized to perform action on resource.",
		"If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.",
		"Caller: appid=00000000-0000-0000-0000-000000000000;iss=https://sts.windows.net/" + v.TenantID + "/",
		"Action: 'Microsoft.KeyVault/vaults/secrets/" + action + "'",
		"Assignment: (not found)",
		"Vault: " + v.Name + ";location=sandbox",
	}, "\r\n"))
}

// Package vault stands in for HashiCorp Vault.
package vault

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

const vaultVersion = "1.21.0" // whose answers the stand-in gives

// Server stands in for a HashiCorp Vault server in dev mode: a KV v2 engine at
// secret/, one unseal key, everything in memory. It does what secretctl, its
// tests and a curious user need, in the JSON and status codes of the real one:
// KV engines, mounts, policies and their enforcement, tokens, kubernetes auth,
// seal and unseal. What it does not know is answered as an unsupported path.
type Server struct {
	URL       string // of the API, without /v1
	RootToken string
	UnsealKey string

	server    *loopback.Server
	clusterID string
	started   time.Time

	mu       sync.Mutex // guards all below
	sealed   bool
	tokens   map[string]*vaultToken
	policies map[string]*vaultPolicy
	engines  map[string]*vaultMount // by path, as "secret/"
	auths    map[string]*vaultMount // by path below auth/, as "kubernetes/"
}

// Start starts a Vault, unsealed.
func Start() (*Server, error) {
	v := newVault()
	server, err := loopback.Listen(v.serve)
	if err != nil {
		return nil, err
	}
	v.server, v.URL = server, server.URL
	return v, nil
}

func newVault() *Server {
	v := &Server{
		RootToken: "hvs." + rand.Text(),
		UnsealKey: base64.StdEncoding.EncodeToString([]byte(rand.Text() + "0123456")[:32]),
		clusterID: loopback.UUID(),
		started:   time.Now(),
		tokens:    map[string]*vaultToken{},
		policies:  map[string]*vaultPolicy{},
		engines:   systemEngines(),
		auths:     map[string]*vaultMount{"token/": newVaultMount("token", "auth_token", "token based credentials")},
	}
	v.policies["root"] = &vaultPolicy{}
	v.policies["default"], _ = parsePolicy(defaultPolicy)
	v.tokens[v.RootToken] = &vaultToken{
		id: v.RootToken, accessor: rand.Text()[:24], policies: []string{"root"}, path: "auth/token/create",
		display: "token", orphan: true, issued: v.started,
	}
	return v
}

// Close stops the server. Everything in it is gone.
func (v *Server) Close() {
	v.server.Close()
}

// Seal seals the server, as an operator or a restart would: until it is
// unsealed with UnsealKey, every request is answered with 503.
func (v *Server) Seal() { v.setSealed(true) }

// Unseal undoes Seal. Nothing that was stored is lost.
func (v *Server) Unseal() { v.setSealed(false) }

func (v *Server) setSealed(sealed bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sealed = sealed
}

func (v *Server) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if ns := r.Header.Get("X-Vault-Namespace"); ns != "" { // taken for the root namespace, as Community Vault does
		w.Header().Set("X-Vault-Namespace", ns)
	}
	path, found := strings.CutPrefix(r.URL.Path, "/v1/")
	if !found {
		http.NotFound(w, r)
		return
	}
	req, reply := newVaultRequest(w, r, path)
	if reply == nil {
		reply = v.answer(r.Context(), req)
	}
	reply.write(w)
}

// answer takes a request past the seal, the token and the policies to its handler.
func (v *Server) answer(ctx context.Context, req *vaultRequest) *vaultReply {
	if reply := v.publicSys(req); reply != nil {
		return reply
	}
	if mount, method := v.loginAt(req.path); method != nil {
		return v.login(ctx, req, mount, method)
	}

	v.mu.Lock()
	defer v.mu.Unlock()
	req.token = v.tokenOf(req.tokenID)
	if req.token == nil {
		if req.path == "sys/internal/ui/mounts" && req.tokenID == "" {
			return replyWith(map[string]any{"auth": map[string]any{}, "secret": map[string]any{}})
		}
		if req.tokenID == "" {
			return refuse(http.StatusForbidden, "permission denied")
		}
		return refuseAll(http.StatusForbidden, "permission denied", "invalid token")
	}
	if !v.allowed(req) {
		return refuseAll(http.StatusForbidden, "permission denied")
	}
	switch {
	case strings.HasPrefix(req.path, "sys/"):
		return v.sys(req, strings.TrimPrefix(req.path, "sys/"))
	case strings.HasPrefix(req.path, "auth/"):
		return v.auth(req, strings.TrimPrefix(req.path, "auth/"))
	}
	mount, rest := engineOf(v.engines, req.path)
	if mount == nil { // the mount itself, without a slash
		mount, rest = engineOf(v.engines, req.path+"/")
	}
	switch {
	case mount == nil:
		return refuse(http.StatusNotFound, "no handler for route %q. route entry not found.", req.path)
	case mount.kv2 != nil:
		return mount.kv2.answer(req, rest).from("kv")
	case mount.kv1 != nil:
		return mount.kv1.answer(req, rest).from("kv")
	}
	return unsupportedPath()
}

// loginAt returns the auth method that a path logs in at, and where it is mounted;
// nil for any other path.
func (v *Server) loginAt(path string) (mount string, method *kubernetesAuth) {
	below, isAuth := strings.CutPrefix(path, "auth/")
	mount, isLogin := strings.CutSuffix(below, "/login")
	v.mu.Lock()
	defer v.mu.Unlock()
	if at := v.auths[mount+"/"]; isAuth && isLogin && at != nil {
		return mount, at.kubernetes
	}
	return "", nil
}

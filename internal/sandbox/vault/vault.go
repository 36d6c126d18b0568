// Package vault stands in for HashiCorp Vault: the part of its API that secretctl,
// its tests and the demo use. A real Vault passes the same tests in CI.
package vault

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

const serverVersion = "1.21.0" // whose answers the stand-in gives

// Server is a Vault in dev mode: a KV version 2 engine at secret/, one unseal key,
// everything in memory. It enforces policies, supports Kubernetes auth and can be
// sealed. Namespaces are ignored; any other path is answered with 404.
type Server struct {
	URL       string // of the API, without /v1
	RootToken string
	UnsealKey string

	server  *loopback.Server
	engines map[string]*engine // by path, such as "secret/"

	mu       sync.Mutex // guards all below, and the secrets
	sealed   bool
	tokens   map[string][]string // the policies of each token
	policies map[string]policy
	auths    map[string]*authMethod // by path below auth/, such as "kubernetes/"
}

// Start starts a Vault, unsealed.
func Start() (*Server, error) {
	v := &Server{
		RootToken: "hvs." + rand.Text(),
		UnsealKey: base64.StdEncoding.EncodeToString([]byte(rand.Text())),
		engines: map[string]*engine{
			"secret/":    {Path: "secret/", Type: "kv", Options: map[string]string{"version": "2"}, secrets: map[string][]*version{}},
			"cubbyhole/": {Path: "cubbyhole/", Type: "cubbyhole"},
		},
		policies: map[string]policy{},
		auths:    map[string]*authMethod{"token/": {Type: "token"}},
	}
	v.tokens = map[string][]string{v.RootToken: {rootPolicy}}
	var err error
	if v.server, err = loopback.Listen(loopback.FreePort, v.serve, nil); err != nil {
		return nil, err
	}
	v.URL = v.server.URL
	return v, nil
}

// Close stops the server. Everything in it is gone.
func (v *Server) Close() { v.server.Close() }

func (v *Server) serve(w http.ResponseWriter, r *http.Request) {
	req, answer := decode(w, r)
	if answer == nil {
		answer = v.answer(r.Context(), req)
	}
	answer.write(w)
}

// answer checks the seal, the token and the policies, and runs the handler.
func (v *Server) answer(ctx context.Context, req *request) *reply {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case strings.HasPrefix(req.path, "sys/seal-status"), req.path == "sys/health", req.path == "sys/unseal":
		return v.status(req)
	case v.sealed:
		return refuse(http.StatusServiceUnavailable, "Vault is sealed")
	}
	if at, isLogin := strings.CutSuffix(strings.TrimPrefix(req.path, "auth/"), "login"); isLogin && v.auths[at] != nil {
		return v.login(ctx, req, v.auths[at])
	}
	var known bool
	if req.policies, known = v.tokens[req.token]; !known || !v.allowed(req) {
		return refuse(http.StatusForbidden, "permission denied")
	}
	if path, found := strings.CutPrefix(req.path, "sys/"); found {
		return v.sys(req, path)
	}
	if path, found := strings.CutPrefix(req.path, "auth/"); found {
		return v.auth(req, path)
	}
	e, _, rest := mountOf(v.engines, req.path)
	if e == nil || e.secrets == nil {
		return refuse(http.StatusNotFound, "no handler for route %q", req.path)
	}
	return e.answer(req, rest)
}

// mountOf returns the mount that a path is in, where it is, and the rest of the path.
func mountOf[T any](mounts map[string]*T, path string) (mount *T, at, rest string) {
	for prefix, m := range mounts {
		if after, found := strings.CutPrefix(path, prefix); found && len(prefix) > len(at) {
			mount, at, rest = m, prefix, after
		}
	}
	return mount, at, rest
}

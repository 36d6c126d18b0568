package vault

import (
	"maps"
	"net/http"
	"strings"
)

// status answers what needs no token and works while Vault is sealed.
func (v *Server) status(req *request) *reply {
	if req.path == "sys/unseal" {
		if req.text("key") != v.UnsealKey {
			return refuse(http.StatusBadRequest, "invalid key")
		}
		v.sealed = false
	}
	status := http.StatusOK
	if req.path == "sys/health" && v.sealed {
		status = http.StatusServiceUnavailable
	}
	return &reply{status, map[string]any{
		"type": "shamir", "initialized": true, "sealed": v.sealed, "standby": v.sealed, "t": 1, "n": 1, "version": serverVersion,
	}}
}

// sys answers what is below sys/ and needs a token.
func (v *Server) sys(req *request, path string) *reply {
	const mounts = "internal/ui/mounts"
	area, rest, _ := strings.Cut(path, "/")
	switch name, isPolicy := strings.CutPrefix(path, "policies/acl/"); {
	case isPolicy:
		return v.policy(req, name)
	case path == "seal" && req.op == opUpdate:
		v.sealed = true
		return done()
	case path == "capabilities-self" && req.op == opUpdate:
		granted := map[string]any{}
		for _, path := range list(req.body["paths"]) {
			granted[path] = v.capabilities(req.policies, path)
		}
		return replyWith(granted)
	case path == "auth" && req.op == opRead:
		return replyWith(maps.Clone(v.auths)) // which is written after the lock is released
	case area == "auth" && req.op == opUpdate:
		return v.enableAuth(req, rest+"/")
	case path == mounts:
		return replyWith(map[string]any{"secret": v.engines})
	case strings.HasPrefix(path, mounts+"/"):
		if e, _, _ := mountOf(v.engines, strings.TrimPrefix(path, mounts+"/")+"/"); e != nil {
			return replyWith(e)
		}
		return refuse(http.StatusForbidden, "preflight capability check returned 403, please ensure client's policies grant access to path %q", path)
	}
	return refuse(http.StatusNotFound, "no handler for route %q", req.path)
}

func (v *Server) enableAuth(req *request, at string) *reply {
	if v.auths[at] != nil {
		return refuse(http.StatusBadRequest, "path is already in use at %s", at)
	}
	v.auths[at] = &authMethod{Type: req.text("type"), roles: map[string]role{}}
	return done()
}

func (v *Server) policy(req *request, name string) *reply {
	p, found := v.policies[name]
	switch {
	case req.op == opUpdate:
		p, err := parsePolicy(req.text("policy"))
		if err != nil {
			return refuse(http.StatusBadRequest, "failed to parse policy: %v", err)
		}
		v.policies[name] = p
		return done()
	case req.op == opDelete:
		delete(v.policies, name)
		return done()
	case !found:
		return notFound()
	}
	return replyWith(map[string]any{"name": name, "policy": p.source})
}

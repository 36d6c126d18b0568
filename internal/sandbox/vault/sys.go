package vault

import (
	"crypto/rand"
	"maps"
	"net/http"
	"slices"
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
	answer := &reply{plain: true, data: map[string]any{
		"type": "shamir", "initialized": true, "sealed": v.sealed, "standby": v.sealed, "t": 1, "n": 1, "version": version,
	}}
	if req.path == "sys/health" && v.sealed {
		answer.status = http.StatusServiceUnavailable
	}
	return answer
}

// sys answers what is below sys/ and needs a token.
func (v *Server) sys(req *request, path string) *reply {
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
		return replyWith(maps.Clone(v.auths)) // which is written after the lock is gone
	case area == "auth" && req.op == opUpdate:
		return v.enableAuth(req, rest+"/")
	case area == "mounts" && req.op == opUpdate:
		options, _ := req.body["options"].(map[string]any)
		version, _ := options["version"].(string)
		v.engines[rest+"/"] = newEngine(version)
		return done()
	case path == "internal/ui/mounts":
		seen := maps.Clone(v.engines)
		maps.DeleteFunc(seen, func(at string, _ *engine) bool { return !v.reaches(req.policies, at) })
		return replyWith(map[string]any{"secret": seen})
	case strings.HasPrefix(path, "internal/ui/mounts/"):
		return v.visibleMount(req, strings.TrimPrefix(path, "internal/ui/mounts/")+"/")
	}
	return noRoute(req)
}

// visibleMount describes the mount that path is in, to whom it concerns.
func (v *Server) visibleMount(req *request, path string) *reply {
	e, at, _ := mountOf(v.engines, path)
	if e == nil || !v.reaches(req.policies, at) {
		return refuse(http.StatusForbidden, "preflight capability check returned 403, please ensure client's policies grant access to path %q", path)
	}
	described := *e
	described.Path = at
	return replyWith(described)
}

func (v *Server) enableAuth(req *request, at string) *reply {
	if v.auths[at] != nil {
		return refuse(http.StatusBadRequest, "path is already in use at %s", at)
	}
	v.auths[at] = &auth{Type: req.text("type"), roles: map[string]*role{}}
	return done()
}

func (v *Server) policy(req *request, name string) *reply {
	source, found := v.policies[name]
	switch {
	case req.op == opUpdate:
		if _, err := parsePolicy(req.text("policy")); err != nil {
			return refuse(http.StatusBadRequest, "failed to parse policy: %v", err)
		}
		v.policies[name] = req.text("policy")
		return done()
	case req.op == opDelete:
		delete(v.policies, name)
		return done()
	case !found:
		return notFound()
	}
	return replyWith(map[string]any{"name": name, "policy": source})
}

// auth answers what is below auth/ and needs a token.
func (v *Server) auth(req *request, path string) *reply {
	switch {
	case path == "token/create" && req.op == opUpdate:
		return v.issue(list(req.body["policies"]))
	case path == "token/revoke-self" && req.op == opUpdate:
		delete(v.tokens, req.token)
		return done()
	}
	if a, _, rest := mountOf(v.auths, path); a != nil && a.roles != nil {
		return a.answer(req, rest)
	}
	return noRoute(req)
}

// issue makes a token with these policies and the default one. It does not expire.
func (v *Server) issue(policies []string) *reply {
	token := "hvs." + rand.Text()
	v.tokens[token] = slices.Sorted(slices.Values(append(policies, "default")))
	return &reply{auth: map[string]any{
		"client_token": token, "accessor": rand.Text(), "policies": v.tokens[token], "token_type": "service", "renewable": false,
	}}
}

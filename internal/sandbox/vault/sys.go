package vault

import (
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// publicSys answers what needs no token, and refuses everything else while the
// server is sealed. It returns nil where another handler has to answer.
func (v *Server) publicSys(req *vaultRequest) *vaultReply {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case req.path == "sys/health":
		return v.health()
	case req.path == "sys/seal-status":
		return v.sealStatus()
	case req.path == "sys/unseal" && req.op == opUpdate:
		return v.unseal(req)
	case req.path == "sys/leader":
		return v.leader()
	case v.sealed && req.path == "sys/seal":
		return done()
	case v.sealed:
		return refuse(http.StatusServiceUnavailable, "Vault is sealed")
	}
	return nil
}

func (v *Server) health() *vaultReply {
	health := map[string]any{
		"initialized": true, "sealed": v.sealed, "standby": v.sealed, "performance_standby": false,
		"replication_performance_mode": "disabled", "replication_dr_mode": "disabled",
		"server_time_utc": time.Now().Unix(), "version": vaultVersion, "enterprise": false, "echo_duration_ms": 0,
		"clock_skew_ms": 0, "replication_primary_canary_age_ms": 0,
	}
	if v.sealed {
		health["replication_performance_mode"], health["replication_dr_mode"] = "unknown", "unknown"
		return &vaultReply{status: http.StatusServiceUnavailable, data: health, plain: true}
	}
	health["cluster_name"], health["cluster_id"] = "vault-cluster-"+v.clusterID[:8], v.clusterID
	return &vaultReply{data: health, plain: true}
}

func (v *Server) sealStatus() *vaultReply {
	status := map[string]any{
		"type": "shamir", "initialized": true, "sealed": v.sealed, "t": 1, "n": 1, "progress": 0, "nonce": "",
		"version": vaultVersion, "build_date": v.started.UTC().Format(time.RFC3339), "migration": false,
		"recovery_seal": false, "storage_type": "inmem",
	}
	if !v.sealed {
		status["cluster_name"], status["cluster_id"] = "vault-cluster-"+v.clusterID[:8], v.clusterID
	}
	return &vaultReply{data: status, plain: true}
}

func (v *Server) leader() *vaultReply {
	return &vaultReply{plain: true, data: map[string]any{
		"ha_enabled": false, "is_self": false, "active_time": time.Time{}, "leader_address": "", "leader_cluster_address": "",
		"performance_standby": false, "performance_standby_last_remote_wal": 0,
	}}
}

func (v *Server) unseal(req *vaultRequest) *vaultReply {
	key := req.text("key")
	if key == "" && !req.flag("reset") {
		return refuse(http.StatusBadRequest, "'key' must be specified in request body as JSON, or 'reset' set to true")
	}
	given, err := hex.DecodeString(key)
	if err != nil {
		given, err = base64.StdEncoding.DecodeString(key)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "'key' must be a valid hex or base64 string")
	}
	if !v.sealed || len(given) == 0 {
		return v.sealStatus()
	}
	if base64.StdEncoding.EncodeToString(given) != v.UnsealKey {
		return refuse(http.StatusBadRequest, "unable to retrieve stored keys: invalid key: failed to decrypt keys from storage: error decrypting seal wrapped value\nerror decrypting using seal shamir: cipher: message authentication failed")
	}
	v.sealed = false
	return v.sealStatus()
}

// sys answers what is below sys/ and needs a token.
func (v *Server) sys(req *vaultRequest, path string) *vaultReply {
	area, rest, _ := strings.Cut(path, "/")
	switch area {
	case "seal":
		if req.op != opUpdate {
			return unsupportedOperation()
		}
		v.sealed = true
		return done()
	case "mounts":
		return v.mounts(req, v.engines, rest, "No secret engine mount at %s", newEngine).from("system")
	case "auth":
		return v.mounts(req, v.auths, rest, "No auth engine at %s", newAuthMethod).from("system")
	case "policies":
		if kind, name, _ := strings.Cut(rest, "/"); kind == "acl" {
			return v.policy(req, name, false).from("system")
		}
	case "policy":
		return v.policy(req, rest, true).from("system")
	case "capabilities-self":
		return v.capabilities(req).from("system")
	case "internal":
		if at, found := strings.CutPrefix(rest, "ui/mounts"); found && req.op == opRead {
			return v.visibleMounts(req.token, strings.TrimPrefix(at, "/"))
		}
	}
	return unsupportedPath()
}

// visibleMounts tells which mounts a token has anything to do with, or about the
// one that path is in.
func (v *Server) visibleMounts(token *vaultToken, path string) *vaultReply {
	acl := v.acl(token)
	if path != "" {
		path = strings.TrimSuffix(path, "/") + "/"
		mounts, prefix := v.engines, ""
		if below, found := strings.CutPrefix(path, "auth/"); found {
			mounts, prefix, path = v.auths, "auth/", below
		}
		mount, rest := engineOf(mounts, path)
		at := strings.TrimSuffix(path, rest)
		if mount == nil || !acl.reaches(prefix+at) {
			return refuse(http.StatusForbidden, "preflight capability check returned 403, please ensure client's policies grant access to path %q", prefix+path)
		}
		described := mount.describe(defaultLease)
		described["path"] = at
		return replyWith(described)
	}
	listed := func(mounts map[string]*vaultMount, prefix string) map[string]any {
		all := map[string]any{}
		for at, mount := range mounts {
			if acl.reaches(prefix + at) {
				all[at] = mount.describe(defaultLease)
			}
		}
		return all
	}
	return replyWith(map[string]any{"auth": listed(v.auths, "auth/"), "secret": listed(v.engines, "")})
}

// policy answers sys/policies/acl, and its older form sys/policy, which names
// the text otherwise.
func (v *Server) policy(req *vaultRequest, name string, old bool) *vaultReply {
	name = strings.TrimSuffix(name, "/")
	if name == "" {
		keys := slices.Sorted(maps.Keys(v.policies))
		switch {
		case req.op == opList && !old:
			return replyWith(map[string]any{"keys": keys})
		case old && (req.op == opList || req.op == opRead):
			return flatReply(map[string]any{"keys": keys, "policies": keys})
		}
		return unsupportedOperation()
	}
	given := name
	name = strings.ToLower(name)
	p := v.policies[name]
	switch {
	case req.op == opRead && p == nil:
		return notFound()
	case req.op == opRead && old:
		return flatReply(map[string]any{"name": name, "rules": p.source})
	case req.op == opRead:
		return replyWith(map[string]any{"name": name, "policy": p.source})
	case req.op == opDelete && name == "root":
		return refuse(http.StatusBadRequest, "cannot delete %q policy", name)
	case req.op == opDelete && name == "default":
		return refuse(http.StatusBadRequest, "cannot delete default policy")
	case req.op == opDelete:
		delete(v.policies, name)
		return done()
	case req.op == opUpdate:
		return v.writePolicy(req, given)
	}
	return unsupportedOperation()
}

func (v *Server) writePolicy(req *vaultRequest, given string) *vaultReply {
	source, name := req.text("policy"), strings.ToLower(given)
	if decoded, err := base64.StdEncoding.DecodeString(source); err == nil {
		source = string(decoded)
	}
	if source == "" {
		return refuse(http.StatusBadRequest, "'policy' parameter not supplied or empty")
	}
	parsed, err := parsePolicy(source)
	switch {
	case err != nil:
		return refuse(http.StatusBadRequest, "failed to parse policy: %v", err)
	case name == "root":
		return refuse(http.StatusBadRequest, "cannot update %q policy", name)
	}
	v.policies[name] = parsed
	if name != given {
		return &vaultReply{warnings: []string{"policy name was converted to " + name}}
	}
	return done()
}

func (v *Server) capabilities(req *vaultRequest) *vaultReply {
	if req.op != opUpdate {
		return unsupportedOperation()
	}
	one, many := texts(req.body["path"]), texts(req.body["paths"])
	paths := append(many, one...)
	if len(paths) == 0 {
		return refuse(http.StatusBadRequest, "paths must be supplied")
	}
	granted := map[string]any{}
	acl := v.acl(req.token)
	for _, path := range paths {
		granted[path] = acl.capabilities(path, "")
	}
	if len(paths) == 1 {
		granted["capabilities"] = granted[paths[0]]
	}
	return flatReply(granted)
}

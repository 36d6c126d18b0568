package vault

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

const (
	defaultLease = 768 * time.Hour // of a token, and of what an engine hands out
	maxTokenTTL  = defaultLease
)

// vaultMount is a secret engine or an auth method at its path.
type vaultMount struct {
	kind, accessor, description, id string
	options                         map[string]string

	kv1        *kv1
	kv2        *kv2
	kubernetes *kubernetesAuth
}

func newVaultMount(kind, prefix, description string) *vaultMount {
	var b [4]byte
	_, _ = rand.Read(b[:])
	return &vaultMount{
		kind: kind, accessor: prefix + "_" + hex.EncodeToString(b[:]), description: description, id: loopback.UUID(),
	}
}

func systemEngines() map[string]*vaultMount {
	secret := newVaultMount("kv", "kv", "key/value secret storage")
	secret.options = map[string]string{"version": "2"}
	secret.kv2 = &kv2{secrets: map[string]*kvSecret{}}
	return map[string]*vaultMount{
		"secret/":    secret,
		"cubbyhole/": newVaultMount("cubbyhole", "cubbyhole", "per-token private secret storage"),
		"identity/":  newVaultMount("identity", "identity", "identity store"),
		"sys/":       newVaultMount("system", "system", "system endpoints used for control, policy and debugging"),
	}
}

// newEngine makes a KV engine, which is the only type that the stand-in has.
func newEngine(req *vaultRequest) (*vaultMount, *vaultReply) {
	kind := req.text("type")
	options := map[string]string{}
	given, _ := req.body["options"].(map[string]any)
	for key, value := range given {
		options[key] = text(value)
	}
	if kind == "kv-v2" {
		kind, options["version"] = "kv", "2"
	}
	mount := newVaultMount(kind, kind, req.text("description"))
	mount.options = options
	switch {
	case kind == "":
		return nil, refuse(http.StatusBadRequest, "backend type must be specified as a string")
	case kind != "kv" && kind != "generic":
		return nil, refuse(http.StatusBadRequest, "plugin not found in the catalog: %s", kind)
	case options["version"] == "2":
		mount.kv2 = &kv2{secrets: map[string]*kvSecret{}}
	case options["version"] == "" || options["version"] == "1":
		mount.kv1 = &kv1{secrets: map[string]map[string]any{}}
	default:
		return nil, refuse(http.StatusBadRequest, "nil backend of type %q returned from factory", kind)
	}
	return mount, nil
}

func newAuthMethod(req *vaultRequest) (*vaultMount, *vaultReply) {
	kind := req.text("type")
	switch kind {
	case "":
		return nil, refuse(http.StatusBadRequest, "backend type must be specified as a string")
	case "kubernetes":
		mount := newVaultMount(kind, "auth_"+kind, req.text("description"))
		mount.options, mount.kubernetes = map[string]string{}, &kubernetesAuth{roles: map[string]*kubernetesRole{}}
		return mount, nil
	}
	return nil, refuse(http.StatusBadRequest, "plugin not found in the catalog: %s", kind)
}

// describe tells of a mount as sys/mounts and sys/auth do. lease is the duration
// in its config, which the older paths leave at 0 for "the default".
func (m *vaultMount) describe(lease time.Duration) map[string]any {
	config := map[string]any{
		"default_lease_ttl": int(lease.Seconds()), "max_lease_ttl": int(lease.Seconds()), "force_no_cache": false,
	}
	running := "v" + vaultVersion + "+builtin.vault"
	described := map[string]any{
		"accessor": m.accessor, "config": config, "description": m.description, "external_entropy_access": false,
		"local": m.kind == "cubbyhole", "options": m.options, "plugin_version": "", "running_sha256": "",
		"seal_wrap": m.kind == "system", "type": m.kind, "uuid": m.id,
	}
	if m.options == nil {
		described["options"] = nil
	}
	switch m.kind {
	case "kv", "generic":
		running, described["deprecation_status"] = "v0.25.0+builtin", "supported"
	case "system":
		config["passthrough_request_headers"] = []string{"Accept"}
	case "identity":
		config["passthrough_request_headers"] = []string{"Authorization"}
	case "kubernetes":
		running = "v0.23.0+builtin"
		fallthrough
	case "token":
		config["token_type"] = "default-service"
	}
	described["running_plugin_version"] = running
	return described
}

// engineOf finds the mount that a path is in, and what of the path follows it.
func engineOf(mounts map[string]*vaultMount, path string) (*vaultMount, string) {
	for _, at := range slices.Backward(slices.Sorted(maps.Keys(mounts))) { // the longest first
		if rest, found := strings.CutPrefix(path, at); found {
			return mounts[at], rest
		}
	}
	return nil, ""
}

// mounts answers what sys/mounts and sys/auth have in common.
func (v *Server) mounts(req *vaultRequest, all map[string]*vaultMount, at, noSuch string, create func(*vaultRequest) (*vaultMount, *vaultReply)) *vaultReply {
	at = strings.TrimSuffix(at, "/") + "/"
	if at == "/" {
		if req.op != opRead {
			return unsupportedOperation()
		}
		listed := map[string]any{}
		for path, mount := range all {
			listed[path] = mount.describe(0)
		}
		return flatReply(listed)
	}
	switch req.op {
	case opRead:
		if all[at] == nil {
			return refuse(http.StatusBadRequest, noSuch, at)
		}
		return flatReply(all[at].describe(0))
	case opDelete:
		delete(all, at)
		return done()
	case opUpdate:
		for path := range all {
			if strings.HasPrefix(at, path) || strings.HasPrefix(path, at) {
				return refuse(http.StatusBadRequest, "path is already in use at %s", path)
			}
		}
		mount, refused := create(req)
		if refused != nil {
			return refused
		}
		all[at] = mount
		return done()
	}
	return unsupportedOperation()
}

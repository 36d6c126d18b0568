package keyvault

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// Role is the name of a built-in role of Azure.
type Role string

// The roles that give rights to secrets: an officer may do anything with them, a
// user may read them and list them, a reader may list them and sees no value.
const (
	SecretsOfficer Role = "Key Vault Secrets Officer"
	SecretsUser    Role = "Key Vault Secrets User"
	Reader         Role = "Key Vault Reader"
)

func (r Role) allows(action string) bool {
	switch r {
	case SecretsOfficer:
		return true
	case SecretsUser:
		return action == "getSecret/action" || action == "readMetadata/action"
	case Reader:
		return action == "readMetadata/action"
	}
	return false
}

func (v *Server) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Ms-Request-Id", loopback.UUID())
	v.answer(w, r).write(w)
}

// answer takes a request past the token, the limit and the role to its operation.
func (v *Server) answer(w http.ResponseWriter, r *http.Request) *keyVaultReply {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found {
		return v.challenge("AKV10000: Request is missing a Bearer or PoP token.")
	}
	req, refused := newKeyVaultRequest(w, r)

	v.mu.Lock()
	defer v.mu.Unlock()
	role, known := v.tokens[token]
	switch {
	case !known:
		return v.challenge("[BearerReadAccessTokenFailed] Error validating token: 'S2S12005'.")
	case v.throttled > 0:
		v.throttled--
		return throttledFor(v.retryAfter)
	case refused != nil:
		return refused
	case v.forbidden > 0:
		v.forbidden--
		return v.forbid(req, v.forbiddenBy)
	case !role.allows(req.operation.action):
		return v.forbid(req, forbiddenByRole)
	}
	req.secret = v.secrets[strings.ToUpper(req.name)]
	if req.secret != nil && req.secret.settling > 0 {
		defer func() { req.secret.settling-- }()
	}
	return req.operation.answer(v, req)
}

// challenge tells the client where to get a token, and for what.
func (v *Server) challenge(message string) *keyVaultReply {
	reply := keyVaultRefusal(http.StatusUnauthorized, "Unauthorized", "", "%s", message)
	reply.header = map[string]string{"WWW-Authenticate": fmt.Sprintf(
		`Bearer authorization="https://`+loginHost+`/%s", resource="https://vault.azure.net"`, v.TenantID)}
	return reply
}

func throttledFor(wait time.Duration) *keyVaultReply {
	reply := keyVaultRefusal(http.StatusTooManyRequests, "Throttled", "",
		"Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached")
	if wait > 0 {
		reply.header = map[string]string{"Retry-After": strconv.Itoa(int((wait + time.Second - 1) / time.Second))}
	}
	return reply
}

const forbiddenByRole = "ForbiddenByRbac"

// forbid is worded as Azure words it, in many lines: a client that shows the
// message has to cope with them.
func (v *Server) forbid(req *keyVaultRequest, code string) *keyVaultReply {
	caller := "Caller: appid=00000000-0000-0000-0000-000000000000;iss=https://sts.windows.net/" + v.TenantID + "/"
	vault := "Vault: " + v.Name + ";location=sandbox"
	lines := []string{"Client address is not authorized and caller is not a trusted service.", "Client address: 192.0.2.1", caller, vault}
	if code != "ForbiddenByFirewall" {
		resource := "/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/sandbox/providers/microsoft.keyvault/vaults/" + v.Name
		if req.name != "" {
			resource += "/secrets/" + strings.ToLower(req.name)
		}
		lines = []string{
			"Caller is not authorized to perform action on resource.",
			"If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.",
			caller,
			"Action: 'Microsoft.KeyVault/vaults/secrets/" + req.operation.action + "'",
			"Resource: '" + resource + "'",
			"Assignment: (not found)",
			"DenyAssignmentId: null",
			"DecisionReason: 'DeniedWithNoValidRBAC' ",
			vault,
		}
	}
	return keyVaultRefusal(http.StatusForbidden, "Forbidden", code, "%s\r\n", strings.Join(lines, "\r\n"))
}

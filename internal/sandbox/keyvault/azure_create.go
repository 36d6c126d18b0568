package keyvault

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// The built-in roles that count in a Key Vault, by their ids.
var keyVaultRoles = map[string]Role{
	"4633458b-17de-408a-b874-0445c86b69e6": SecretsUser,
	"b86a8fe4-44ce-4948-aee5-eccb2c155cd7": SecretsOfficer,
	"21090545-7ca7-4776-b22c-e363652d74d2": Reader,
}

const roleAssignments = "Microsoft.Authorization/roleAssignments"

// create makes a resource of one of the types that this stand-in takes.
func (a *Azure) create(id string, given armResource) *keyVaultReply {
	parts := strings.Split(id, "/")
	given.ID, given.Name = id, parts[len(parts)-1]
	if given.Properties == nil {
		given.Properties = map[string]any{}
	}
	switch strings.ToLower(parts[len(parts)-2]) {
	case "resourcegroups":
		return a.createGroup(&given)
	case "roleassignments":
		return a.assign(&given)
	case "userassignedidentities":
		return a.createIdentity(&given)
	case "federatedidentitycredentials":
		return a.federate(&given)
	}
	return armRefusal(http.StatusNotFound, "InvalidResourceType", "The resource type could not be found in the namespace.")
}

// stored answers with a resource that was made or changed.
func (a *Azure) stored(r *armResource) *keyVaultReply {
	status := http.StatusCreated
	if a.resources[strings.ToLower(r.ID)] != nil {
		status = http.StatusOK
	}
	a.put(r)
	return &keyVaultReply{status: status, body: r}
}

func (a *Azure) createGroup(r *armResource) *keyVaultReply {
	if r.Location == "" {
		return armRefusal(http.StatusBadRequest, "LocationRequired", "The location property is required for this definition.")
	}
	r.Type, r.Properties["provisioningState"] = "Microsoft.Resources/resourceGroups", "Succeeded"
	return a.stored(r)
}

// credentials answers with a kubeconfig for a cluster, in which nothing listens.
func (a *Azure) credentials(id string) *keyVaultReply {
	if a.resources[strings.ToLower(id)] == nil {
		return armRefusal(http.StatusNotFound, "ResourceNotFound", "The resource '%s' was not found.", id)
	}
	name := id[strings.LastIndex(id, "/")+1:]
	file := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: %[1]s, cluster: {server: "https://%[1]s.example"}}]
users: [{name: user, user: {token: %[2]s}}]
contexts: [{name: %[1]s, context: {cluster: %[1]s, user: user}}]
current-context: %[1]s
`, name, rand.Text())
	return &keyVaultReply{body: map[string]any{"kubeconfigs": []any{map[string]any{"name": "clusterUser", "value": []byte(file)}}}}
}

func (a *Azure) createIdentity(r *armResource) *keyVaultReply {
	if r.Location == "" {
		return armRefusal(http.StatusBadRequest, "LocationRequired", "The location property is required for this definition.")
	}
	r.Type = "Microsoft.ManagedIdentity/userAssignedIdentities"
	if was := a.resources[strings.ToLower(r.ID)]; was != nil {
		r.Properties = was.Properties
	} else {
		clientID := loopback.UUID()
		r.Properties = map[string]any{"tenantId": a.TenantID, "clientId": clientID, "principalId": a.newPrincipal(clientID)}
	}
	return a.stored(r)
}

// federate takes one credential for an issuer and a subject, and no other.
func (a *Azure) federate(r *armResource) *keyVaultReply {
	r.Type = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"
	siblings := strings.ToLower(r.ID[:strings.LastIndex(r.ID, "/")+1])
	parent := a.resources[strings.TrimSuffix(siblings, "/federatedidentitycredentials/")]
	if parent == nil {
		return armRefusal(http.StatusNotFound, "ParentResourceNotFound", "Failed to perform 'write' on resource(s) of type '%s', because the parent resource could not be found.", r.Type)
	}
	for key, other := range a.resources {
		if strings.HasPrefix(key, siblings) && key != strings.ToLower(r.ID) &&
			other.Properties["issuer"] == r.Properties["issuer"] && other.Properties["subject"] == r.Properties["subject"] {
			return armRefusal(http.StatusConflict, "Conflict", "Issuer and subject combination already exists for this Managed Identity.")
		}
	}
	return a.stored(r)
}

// assign gives a role. There is one assignment for a scope, a principal and a role.
func (a *Azure) assign(r *armResource) *keyVaultReply {
	r.Type = roleAssignments
	scope, _, _ := strings.Cut(r.ID, "/providers/Microsoft.Authorization/")
	role, _ := r.Properties["roleDefinitionId"].(string)
	principal, _ := r.Properties["principalId"].(string)
	role = role[strings.LastIndex(role, "/")+1:]
	if !isUUID(r.Name) {
		return armRefusal(http.StatusBadRequest, "InvalidRoleAssignmentId", "The role assignment ID '%s' is not valid. The role assignment ID must be a GUID.", r.Name)
	}
	for _, other := range a.resources {
		otherRole, _ := other.Properties["roleDefinitionId"].(string)
		if other.Type == r.Type && other.Properties["scope"] == scope && other.Properties["principalId"] == principal && strings.HasSuffix(otherRole, role) {
			return armRefusal(http.StatusConflict, "RoleAssignmentExists", "The role assignment already exists.")
		}
	}
	r.Properties["scope"] = scope
	reply := a.stored(r)
	a.settleRoles(principal)
	return reply
}

// settleRoles gives the owner of an identity in each Key Vault the strongest role
// that is assigned to it there or above.
func (a *Azure) settleRoles(principal string) {
	token := a.tokens[principal]
	if token == "" {
		return
	}
	for _, v := range a.KeyVaults {
		assigned := map[Role]bool{}
		for _, r := range a.resources {
			scope, _ := r.Properties["scope"].(string)
			if r.Type == roleAssignments && r.Properties["principalId"] == principal && strings.HasPrefix(strings.ToLower(a.keyVaultID(v))+"/", strings.ToLower(scope)+"/") {
				role, _ := r.Properties["roleDefinitionId"].(string)
				assigned[keyVaultRoles[role[strings.LastIndex(role, "/")+1:]]] = true
			}
		}
		strongest := Role("")
		for _, role := range []Role{Reader, SecretsUser, SecretsOfficer} {
			if assigned[role] {
				strongest = role
			}
		}
		v.setRole(token, strongest)
	}
}

// delete takes back a role or a federated credential. Nothing else can be deleted.
func (a *Azure) delete(id string) *keyVaultReply {
	key := strings.ToLower(id)
	if !strings.Contains(key, "/roleassignments/") && !strings.Contains(key, "/federatedidentitycredentials/") {
		return armRefusal(http.StatusMethodNotAllowed, "MethodNotAllowed", "The requested resource does not support http method 'DELETE'.")
	}
	was := a.resources[key]
	if was == nil {
		return &keyVaultReply{status: http.StatusNoContent}
	}
	delete(a.resources, key)
	if principal, _ := was.Properties["principalId"].(string); was.Type == roleAssignments {
		a.settleRoles(principal)
	}
	return &keyVaultReply{body: was}
}

func isUUID(text string) bool {
	parts := strings.Split(text, "-")
	return len(text) == 36 && len(parts) == 5 && len(parts[0]) == 8 && len(parts[4]) == 12
}

// roleAssignments keeps those of the principal that the filter names, at the scope
// of the path, above and below it.
func (a *Azure) roleAssignments(id, filter string) func(*armResource) bool {
	scope, _, _ := strings.Cut(strings.ToLower(id), "/providers/microsoft.authorization/")
	principal := strings.Trim(strings.TrimPrefix(filter, "principalId eq "), "'")
	return func(r *armResource) bool {
		if r.Type != roleAssignments || filter != "" && r.Properties["principalId"] != principal {
			return false
		}
		at, _ := r.Properties["scope"].(string)
		at = strings.ToLower(at)
		return strings.HasPrefix(at+"/", scope+"/") || strings.HasPrefix(scope+"/", at+"/")
	}
}

func (v *Server) knows(token string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, known := v.tokens[token]
	return known
}

// setRole changes the role of the owner of a token, who may be a new one.
func (v *Server) setRole(token string, role Role) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tokens[token] = role
}

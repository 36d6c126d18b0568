package keyvault

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// armResource is anything with an id. The key in the map is the id in lower case,
// since Azure ignores its case.
type armResource struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Type       string            `json:"type"`
	Location   string            `json:"location"`
	Tags       map[string]string `json:"tags,omitempty"`
	Identity   map[string]any    `json:"identity,omitempty"`
	Properties map[string]any    `json:"properties"`
}

// put keeps a resource, in place of the one with its id.
func (a *Azure) put(r *armResource) *reply {
	r.Name = r.ID[strings.LastIndex(r.ID, "/")+1:]
	if r.Location == "" {
		r.Location = "eastus"
	}
	a.resources[strings.ToLower(r.ID)] = r
	return &reply{http.StatusCreated, r}
}

// manage answers a request to the resource manager.
func (a *Azure) manage(w http.ResponseWriter, r *http.Request) *reply {
	if r.Header.Get("Authorization") != "Bearer "+a.Token {
		return refuse(http.StatusForbidden, "AuthorizationFailed", "The client does not have authorization to perform the action over scope '%s' or the scope is invalid.", r.URL.Path)
	}
	id := strings.TrimSuffix(r.URL.Path, "/")
	switch r.Method {
	case http.MethodGet:
		return a.find(id, r.URL.Query().Get("$filter"))
	case http.MethodPut:
		given := armResource{}
		if json.NewDecoder(http.MaxBytesReader(w, r.Body, loopback.MaxRequest)).Decode(&given) != nil {
			return refuse(http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid and could not be deserialized.")
		}
		given.ID = id
		return a.create(&given)
	case http.MethodDelete:
		return a.delete(id)
	}
	if cluster, asked := strings.CutSuffix(id, "/listClusterUserCredential"); asked && a.resources[strings.ToLower(cluster)] != nil {
		return credentials(cluster)
	}
	return notFound(id)
}

func notFound(id string) *reply {
	return refuse(http.StatusNotFound, "ResourceNotFound", "The Resource '%s' was not found.", id)
}

// find answers with a resource, or with a list of resources.
func (a *Azure) find(id, filter string) *reply {
	id = strings.ToLower(id)
	if found := a.resources[id]; found != nil {
		return answer(found)
	}
	at := strings.LastIndex(id, "/")
	parent, kind := id[:max(at, 0)], id[at+1:]
	scope, _, _ := strings.Cut(id, "/providers/")
	switch kind {
	case "roleassignments":
		return a.list(func(key string, r *armResource) bool { return isAssignment(key, r, parent, filter) })
	case "resources": // of one type, in a resource group
		_, kind, _ = strings.Cut(strings.ToLower(strings.Trim(filter, "'")), "'")
		return a.list(func(key string, r *armResource) bool {
			return strings.HasPrefix(key, parent+"/") && strings.EqualFold(r.Type, kind)
		})
	case "federatedidentitycredentials":
		return a.list(func(key string, _ *armResource) bool { return strings.HasPrefix(key, id+"/") })
	case "vaults", "userassignedidentities":
		return a.list(func(key string, r *armResource) bool {
			return strings.HasPrefix(key, scope+"/") && strings.HasSuffix(strings.ToLower(r.Type), "/"+kind)
		})
	}
	return notFound(id)
}

const assignments = "/providers/microsoft.authorization/roleassignments/" // between a scope and a name, in lower case

// isAssignment says whether a resource assigns a role to the principal that the filter
// names, at the scope that the path is in, above or below it.
func isAssignment(key string, r *armResource, path, filter string) bool {
	at, _, assignment := strings.Cut(key, assignments)
	scope := strings.TrimSuffix(path, "/providers/microsoft.authorization")
	principal := strings.Trim(strings.TrimPrefix(filter, "principalId eq "), "'")
	return assignment && (filter == "" || r.Properties["principalId"] == principal) &&
		(strings.HasPrefix(at+"/", scope+"/") || strings.HasPrefix(scope+"/", at+"/"))
}

func (a *Azure) list(keep func(key string, r *armResource) bool) *reply {
	value := []*armResource{}
	for key, r := range a.resources {
		if keep(key, r) {
			value = append(value, r)
		}
	}
	slices.SortFunc(value, func(x, y *armResource) int { return strings.Compare(x.ID, y.ID) })
	return answer(map[string]any{"value": value})
}

// create creates a resource of a type that the stand-in knows.
func (a *Azure) create(r *armResource) *reply {
	if r.Properties == nil {
		r.Properties = map[string]any{}
	}
	parts := strings.Split(strings.ToLower(r.ID), "/")
	switch parts[max(len(parts)-2, 0)] {
	case "resourcegroups":
		r.Type, r.Properties["provisioningState"] = "Microsoft.Resources/resourceGroups", "Succeeded"
	case "federatedidentitycredentials":
		r.Type = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"
	case "userassignedidentities":
		r.Type = "Microsoft.ManagedIdentity/userAssignedIdentities"
		clientID := loopback.UUID()
		if was := a.resources[strings.ToLower(r.ID)]; was != nil {
			r.Properties = was.Properties
		} else {
			r.Properties = map[string]any{"tenantId": a.TenantID, "clientId": clientID, "principalId": a.newPrincipal(clientID)}
		}
	case "roleassignments":
		scope, _, _ := strings.Cut(r.ID, "/providers/Microsoft.Authorization/")
		r.Type, r.Properties["scope"] = "Microsoft.Authorization/roleAssignments", scope
		defer func() { a.settleRoles(r.Properties["principalId"]) }()
	default:
		return refuse(http.StatusNotFound, "InvalidResourceType", "The resource type could not be found in the namespace.")
	}
	return a.put(r)
}

// keyVaultRoles are the built-in roles that count in a Key Vault, by their ids.
var keyVaultRoles = map[string]Role{
	"4633458b-17de-408a-b874-0445c86b69e6": SecretsUser,
	"b86a8fe4-44ce-4948-aee5-eccb2c155cd7": SecretsOfficer,
	"21090545-7ca7-4776-b22c-e363652d74d2": Reader,
}

// settleRoles gives an identity the roles in each Key Vault that are assigned to it on the
// Key Vault, above it, and on its secrets.
func (a *Azure) settleRoles(principal any) {
	for _, v := range a.KeyVaults {
		has, vault := roles{}, strings.ToLower(a.vaultID(v))
		for key, r := range a.resources {
			scope, _, isAssignment := strings.Cut(key, assignments)
			secret, onSecret := strings.CutPrefix(scope, vault+"/secrets/")
			if !isAssignment || r.Properties["principalId"] != principal || !onSecret && !strings.HasPrefix(vault+"/", scope+"/") {
				continue
			}
			if !onSecret {
				secret = ""
			}
			id, _ := r.Properties["roleDefinitionId"].(string)
			has[secret] = append(has[secret], keyVaultRoles[id[strings.LastIndex(id, "/")+1:]])
		}
		if token := a.tokens[fmt.Sprint(principal)]; token != "" {
			v.setRoles(token, has)
		}
	}
}

// delete deletes a role assignment or a federated credential.
func (a *Azure) delete(id string) *reply {
	was := a.resources[strings.ToLower(id)]
	if was == nil {
		return &reply{http.StatusNoContent, nil}
	}
	delete(a.resources, strings.ToLower(id))
	a.settleRoles(was.Properties["principalId"])
	return answer(was)
}

// credentials answers with a kubeconfig of a cluster, at whose address nothing listens.
func credentials(id string) *reply {
	file := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: %[1]s, cluster: {server: "https://%[1]s.example"}}]
users: [{name: user, user: {token: x}}]
contexts: [{name: %[1]s, context: {cluster: %[1]s, user: user}}]
current-context: %[1]s
`, id[strings.LastIndex(id, "/")+1:])
	return answer(map[string]any{"kubeconfigs": []any{map[string]any{"name": "clusterUser", "value": []byte(file)}}})
}

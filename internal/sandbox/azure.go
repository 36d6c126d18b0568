package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// armHost is where Azure's public cloud has its resource manager.
const armHost = "management.azure.com"

// Azure stands in for Azure Resource Manager with one subscription. It holds a
// resource group with an AKS cluster and a Key Vault, and takes managed identities,
// federated credentials and role assignments, everything in memory. It answers in
// the JSON and status codes of the real one; whoever has its token is the owner.
//
// A role on the Key Vault that is assigned to an identity counts there: PodToken
// gives a token that the Key Vault refuses until then.
type Azure struct {
	URL      string       // of the resource manager: https, a loopback port
	Client   *http.Client // finds the resource manager under its real name, and the Key Vault under every other
	CA       []byte       // the resource manager's certificate, in PEM
	Token    string       // of the owner; the Key Vault takes it for a Key Vault Secrets Officer
	TenantID string

	Subscription, ResourceGroup, Cluster string
	KubeletClientID                      string // of the identity of the cluster's nodes

	server   *server
	keyVault *KeyVault

	mu        sync.Mutex // guards all below
	resources map[string]*armResource
	tokens    map[string]string // by the principal of an identity
}

// armResource is anything with an id. The key in the map is the id in lower case,
// since Azure ignores its case.
type armResource struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Type       string            `json:"type"`
	Location   string            `json:"location,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Identity   map[string]any    `json:"identity,omitempty"`
	Properties map[string]any    `json:"properties"`
}

// AzureOptions describes the subscription.
type AzureOptions struct {
	KeyVault      *KeyVault // required
	ResourceGroup string    // default "aidbox-rg"
	Cluster       string    // default "aidbox-aks"
	// SystemIdentity says whether the cluster's nodes have a system-assigned identity.
	SystemIdentity bool
}

// StartAzure starts an Azure.
func StartAzure(o AzureOptions) (*Azure, error) {
	a := &Azure{
		Token: o.KeyVault.Token, TenantID: o.KeyVault.TenantID, Subscription: uuid(), ResourceGroup: "aidbox-rg", Cluster: "aidbox-aks",
		KubeletClientID: uuid(), keyVault: o.KeyVault, resources: map[string]*armResource{}, tokens: map[string]string{},
	}
	if o.ResourceGroup != "" {
		a.ResourceGroup = o.ResourceGroup
	}
	if o.Cluster != "" {
		a.Cluster = o.Cluster
	}
	a.begin(o.SystemIdentity)
	identity, err := newIdentity(armHost)
	if err != nil {
		return nil, err
	}
	a.server, err = listenTLS(a.serve, identity)
	if err != nil {
		return nil, err
	}
	a.URL, a.CA = a.server.url, identity.pem
	a.Client = &http.Client{Transport: byHost{identity.client(a.server).Transport, o.KeyVault.Client.Transport}}
	return a, nil
}

// byHost sends what is for the resource manager there, and the rest to the Key Vault.
type byHost struct{ arm, keyVault http.RoundTripper }

func (b byHost) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host == armHost {
		return b.arm.RoundTrip(req)
	}
	return b.keyVault.RoundTrip(req)
}

// Close stops the server. Everything in it is gone; the Key Vault stays.
func (a *Azure) Close() { a.server.close() }

func (a *Azure) groupID() string {
	return "/subscriptions/" + a.Subscription + "/resourceGroups/" + a.ResourceGroup
}

// begin makes what is there from the start.
func (a *Azure) begin(systemIdentity bool) {
	nodes := "/subscriptions/" + a.Subscription + "/resourceGroups/MC_" + a.ResourceGroup + "_" + a.Cluster + "_eastus"
	a.put(&armResource{
		ID: a.groupID() + "/providers/Microsoft.ContainerService/managedClusters/" + a.Cluster, Name: a.Cluster,
		Type: "Microsoft.ContainerService/ManagedClusters", Location: "eastus",
		Properties: map[string]any{
			"provisioningState": "Succeeded",
			"nodeResourceGroup": nodes[strings.LastIndex(nodes, "/")+1:],
			"identityProfile": map[string]any{"kubeletidentity": map[string]any{
				"clientId": a.KubeletClientID, "objectId": a.newPrincipal(a.KubeletClientID),
				"resourceId": nodes + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + a.Cluster + "-agentpool",
			}},
			"oidcIssuerProfile": map[string]any{"enabled": true, "issuerURL": "https://eastus.oic.prod-aks.azure.com/" + a.TenantID + "/" + uuid() + "/"},
			"securityProfile":   map[string]any{"workloadIdentity": map[string]any{"enabled": true}},
		},
	})
	a.put(&armResource{
		ID: a.groupID() + "/providers/Microsoft.KeyVault/vaults/" + a.keyVault.name, Name: a.keyVault.name,
		Type: "Microsoft.KeyVault/vaults", Location: "eastus",
		Properties: map[string]any{
			"tenantId": a.TenantID, "enableRbacAuthorization": true, "enableSoftDelete": true,
			"vaultUri": "https://" + a.keyVault.name + ".vault.azure.net/", "provisioningState": "Succeeded",
		},
	})
	set := &armResource{
		ID: nodes + "/providers/Microsoft.Compute/virtualMachineScaleSets/aks-nodepool1-vmss", Name: "aks-nodepool1-vmss",
		Type: "Microsoft.Compute/virtualMachineScaleSets", Location: "eastus", Identity: map[string]any{"type": "UserAssigned"},
	}
	if systemIdentity {
		set.Identity = map[string]any{"type": "SystemAssigned, UserAssigned", "principalId": a.newPrincipal("system"), "tenantId": a.TenantID}
	}
	a.put(set)
}

func (a *Azure) put(r *armResource) { a.resources[strings.ToLower(r.ID)] = r }

// newPrincipal makes an identity for a client id; its token has no role yet.
func (a *Azure) newPrincipal(clientID string) (principal string) {
	principal = uuid()
	token := a.keyVault.NewToken("")
	a.tokens[principal], a.tokens[clientID] = token, token
	return principal
}

// PodToken returns the token that the CSI provider gets as the identity with that
// client id, "system" for the nodes' own one; "" where there is none.
func (a *Azure) PodToken(clientID string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tokens[clientID]
}

func (a *Azure) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Ms-Request-Id", uuid())
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer(w, r).write(w)
}

func (a *Azure) answer(w http.ResponseWriter, r *http.Request) *keyVaultReply {
	if r.Header.Get("Authorization") != "Bearer "+a.Token {
		return armRefusal(http.StatusUnauthorized, "InvalidAuthenticationToken", "The access token is invalid.")
	}
	if r.URL.Query().Get("api-version") == "" {
		return armRefusal(http.StatusBadRequest, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
	}
	id := strings.TrimSuffix(r.URL.Path, "/")
	switch r.Method {
	case http.MethodGet:
		return a.get(r, id)
	case http.MethodPut:
		var given armResource
		if json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequestSize)).Decode(&given) != nil {
			return armRefusal(http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid and could not be deserialized.")
		}
		return a.create(id, given)
	}
	return armRefusal(http.StatusMethodNotAllowed, "MethodNotAllowed", "The requested resource does not support http method '%s'.", r.Method)
}

func armRefusal(status int, code, format string, args ...any) *keyVaultReply {
	return keyVaultRefusal(status, code, "", format, args...)
}

// get answers with a resource, or with the list of those that the path stands for.
func (a *Azure) get(r *http.Request, id string) *keyVaultReply {
	if found := a.resources[strings.ToLower(id)]; found != nil {
		return &keyVaultReply{body: found}
	}
	parts := strings.Split(strings.Trim(id, "/"), "/")
	kind := strings.ToLower(parts[len(parts)-1])
	within, _, _ := strings.Cut(strings.ToLower(id), "/providers/")
	keep := func(found *armResource) bool { return strings.HasPrefix(strings.ToLower(found.ID), within+"/") }
	switch kind {
	case "roleassignments":
		return a.list(a.roleAssignments(id, r.URL.Query().Get("$filter")))
	case "resources":
		within = strings.TrimSuffix(strings.ToLower(id), "/resources")
		_, kind, _ = strings.Cut(strings.ToLower(strings.Trim(r.URL.Query().Get("$filter"), "'")), "'")
		return a.list(func(found *armResource) bool { return keep(found) && strings.EqualFold(found.Type, kind) })
	case "vaults", "userassignedidentities", "federatedidentitycredentials":
		parent := strings.ToLower(strings.TrimSuffix(id, "/"+parts[len(parts)-1]))
		if kind != "federatedidentitycredentials" {
			return a.list(func(found *armResource) bool {
				return keep(found) && strings.HasSuffix(strings.ToLower(found.Type), "/"+kind)
			})
		}
		return a.list(func(found *armResource) bool {
			return strings.HasPrefix(strings.ToLower(found.ID), parent+"/"+kind+"/")
		})
	}
	return armRefusal(http.StatusNotFound, "ResourceNotFound", "The Resource '%s' was not found.", strings.Join(parts[min(5, len(parts)-1):], "/"))
}

func (a *Azure) list(keep func(*armResource) bool) *keyVaultReply {
	value := []*armResource{}
	for _, r := range a.resources {
		if keep(r) {
			value = append(value, r)
		}
	}
	slices.SortFunc(value, func(x, y *armResource) int { return strings.Compare(x.ID, y.ID) })
	return &keyVaultReply{body: map[string]any{"value": value}}
}

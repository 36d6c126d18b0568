package keyvault

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// Where Azure's public cloud has its resource manager and its logins.
const (
	armHost   = "management.azure.com"
	loginHost = "login.microsoftonline.com"
)

// Azure stands in for Azure Resource Manager with one subscription. It holds a
// resource group with an AKS cluster and Key Vaults, and takes managed identities,
// federated credentials and role assignments, everything in memory. It answers in
// the JSON and status codes of the real one; whoever has its token is the owner.
//
// A role on a Key Vault that is assigned to an identity counts there: PodToken
// gives a token that the Key Vaults refuse until then. The same token is given, as
// Entra ID does it, for a token of a ServiceAccount that a federated credential of
// the identity fits.
type Azure struct {
	URL      string       // of the resource manager: https, a loopback port
	Client   *http.Client // finds resource manager, login and each Key Vault under their real names, the first Key Vault under every other
	CA       []byte       // the resource manager's certificate, in PEM
	Token    string       // of the owner; the Key Vaults take it for a Key Vault Secrets Officer
	TenantID string

	ClientID, ClientSecret string // of an application that logs in as the owner

	Subscription, ResourceGroup, Cluster string
	KubeletClientID                      string    // of the identity of the cluster's nodes
	Issuer                               string    // of the cluster's ServiceAccount tokens
	KeyVaults                            []*Server // in which its roles count

	server *loopback.Server
	verify func(token string) error

	nodeIdentities []string // the client ids of those that the nodes have, "system" for their own one

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
	KeyVaults     []*Server // at least one; its tenant is the subscription's
	ResourceGroup string    // default "aidbox-rg"
	Cluster       string    // default "aidbox-aks"
	// SystemIdentity says whether the cluster's nodes have a system-assigned identity.
	SystemIdentity bool
	// Issuer is that of the cluster's ServiceAccount tokens; default: one like AKS has it.
	Issuer string
	// Verify returns an error if the cluster did not sign a ServiceAccount's token.
	// By default it does not matter who did.
	Verify func(token string) error
}

// StartAzure starts an Azure.
func StartAzure(o AzureOptions) (*Azure, error) {
	first := o.KeyVaults[0]
	a := &Azure{
		Token: first.Token, TenantID: first.TenantID, ClientID: loopback.UUID(), ClientSecret: rand.Text(),
		Subscription: loopback.UUID(), ResourceGroup: cmp.Or(o.ResourceGroup, "aidbox-rg"), Cluster: cmp.Or(o.Cluster, "aidbox-aks"),
		KubeletClientID: loopback.UUID(),
		Issuer:          cmp.Or(o.Issuer, "https://eastus.oic.prod-aks.azure.com/"+first.TenantID+"/"+loopback.UUID()+"/"),
		KeyVaults:       o.KeyVaults, verify: o.Verify, resources: map[string]*armResource{}, tokens: map[string]string{},
	}
	for _, v := range o.KeyVaults {
		v.setRole(a.Token, SecretsOfficer)
	}
	a.nodeIdentities = []string{a.KubeletClientID}
	a.begin(o.SystemIdentity)
	identity, err := loopback.NewIdentity(armHost, loginHost)
	if err != nil {
		return nil, err
	}
	a.server, err = loopback.ListenTLS(a.ServeHTTP, identity)
	if err != nil {
		return nil, err
	}
	a.URL, a.CA = a.server.URL, identity.PEM
	own := identity.Client(a.server).Transport
	hosts := byHost{armHost: own, loginHost: own, "": first.Client.Transport}
	for _, v := range o.KeyVaults {
		hosts[v.Name+".vault.azure.net"] = v.Client.Transport
	}
	a.Client = &http.Client{Transport: hosts}
	return a, nil
}

// byHost sends a request to whoever has its host; "" is for all others.
type byHost map[string]http.RoundTripper

func (b byHost) RoundTrip(req *http.Request) (*http.Response, error) {
	if to := b[strings.ToLower(req.URL.Host)]; to != nil {
		return to.RoundTrip(req)
	}
	return b[""].RoundTrip(req)
}

// Close stops the server. Everything in it is gone; the Key Vaults stay.
func (a *Azure) Close() { a.server.Close() }

func (a *Azure) groupID() string {
	return "/subscriptions/" + a.Subscription + "/resourceGroups/" + a.ResourceGroup
}

func (a *Azure) keyVaultID(v *Server) string {
	return a.groupID() + "/providers/Microsoft.KeyVault/vaults/" + v.Name
}

// begin makes what is there from the start.
func (a *Azure) begin(systemIdentity bool) {
	nodes := "/subscriptions/" + a.Subscription + "/resourceGroups/MC_" + a.ResourceGroup + "_" + a.Cluster + "_eastus"
	kubelet := map[string]any{
		"clientId": a.KubeletClientID, "objectId": a.newPrincipal(a.KubeletClientID),
		"resourceId": nodes + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + a.Cluster + "-agentpool",
	}
	a.put(&armResource{
		ID: a.groupID() + "/providers/Microsoft.ContainerService/managedClusters/" + a.Cluster, Name: a.Cluster,
		Type: "Microsoft.ContainerService/ManagedClusters", Location: "eastus",
		Properties: map[string]any{
			"provisioningState": "Succeeded",
			"nodeResourceGroup": nodes[strings.LastIndex(nodes, "/")+1:],
			"identityProfile":   map[string]any{"kubeletidentity": kubelet},
			"oidcIssuerProfile": map[string]any{"enabled": true, "issuerURL": a.Issuer},
			"securityProfile":   map[string]any{"workloadIdentity": map[string]any{"enabled": true}},
		},
	})
	for _, v := range a.KeyVaults {
		a.put(&armResource{
			ID: a.keyVaultID(v), Name: v.Name, Type: "Microsoft.KeyVault/vaults", Location: "eastus",
			Properties: map[string]any{
				"tenantId": a.TenantID, "enableRbacAuthorization": true, "enableSoftDelete": true,
				"vaultUri": "https://" + v.Name + ".vault.azure.net/", "provisioningState": "Succeeded",
			},
		})
	}
	set := &armResource{
		ID: nodes + "/providers/Microsoft.Compute/virtualMachineScaleSets/aks-nodepool1-vmss", Name: "aks-nodepool1-vmss",
		Type: "Microsoft.Compute/virtualMachineScaleSets", Location: "eastus", Identity: map[string]any{"type": "UserAssigned"},
	}
	if systemIdentity {
		set.Identity = map[string]any{"type": "SystemAssigned, UserAssigned", "principalId": a.newPrincipal("system"), "tenantId": a.TenantID}
		a.nodeIdentities = append(a.nodeIdentities, "system")
	}
	a.put(set)
}

func (a *Azure) put(r *armResource) { a.resources[strings.ToLower(r.ID)] = r }

// newPrincipal makes an identity for a client id; its token has no role yet.
func (a *Azure) newPrincipal(clientID string) (principal string) {
	principal = loopback.UUID()
	token := rand.Text()
	for _, v := range a.KeyVaults {
		v.setRole(token, "")
	}
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

// ServeHTTP answers for resource manager, login and the Key Vaults, each under its
// real name.
func (a *Azure) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, v := range a.KeyVaults {
		if r.Host == v.Name+".vault.azure.net" {
			v.serve(w, r)
			return
		}
	}
	w.Header().Set("X-Ms-Request-Id", loopback.UUID())
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Host == loginHost {
		a.login(w, r).write(w)
		return
	}
	a.answer(w, r).write(w)
}

func (a *Azure) answer(w http.ResponseWriter, r *http.Request) *keyVaultReply {
	switch token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "); {
	case token == a.Token:
	case slices.ContainsFunc(a.KeyVaults, func(v *Server) bool { return v.knows(token) }):
		return armRefusal(http.StatusForbidden, "AuthorizationFailed", "The client does not have authorization to perform the action over scope '%s' or the scope is invalid.", r.URL.Path)
	default:
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
		if json.NewDecoder(http.MaxBytesReader(w, r.Body, loopback.MaxRequest)).Decode(&given) != nil {
			return armRefusal(http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid and could not be deserialized.")
		}
		return a.create(id, given)
	case http.MethodDelete:
		return a.delete(id)
	case http.MethodPost:
		if cluster, asked := strings.CutSuffix(id, "/listClusterUserCredential"); asked {
			return a.credentials(cluster)
		}
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

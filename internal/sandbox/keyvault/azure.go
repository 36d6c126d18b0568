package keyvault

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// Where Azure's public cloud has its resource manager and its logins.
const (
	armHost   = "management.azure.com"
	loginHost = "login.microsoftonline.com"
)

// Azure stands in for Azure Resource Manager with one subscription. It has a resource
// group with an AKS cluster and Key Vaults, and accepts managed identities, federated
// credentials and role assignments, everything in memory. Its token is the owner's.
//
// The Key Vaults honour the roles that are assigned to an identity: they refuse its token,
// which PodToken returns, until it has one.
type Azure struct {
	URL      string       // of the resource manager: https, a loopback port
	Client   *http.Client // finds resource manager, login and each Key Vault under their real names, the first Key Vault under every other
	CA       []byte       // the resource manager's certificate, in PEM
	Token    string       // of the owner; the Key Vaults take it for a Key Vault Secrets Officer
	TenantID string

	Subscription, ResourceGroup, Cluster string
	KubeletClientID                      string // of the identity of the cluster's kubelets
	AddonClientID, NodeClientID          string // of the add-on for Key Vault, and of one more identity of the nodes
	Issuer                               string // of the cluster's ServiceAccount tokens
	KeyVaults                            []*Server

	server  *loopback.Server
	handler http.HandlerFunc

	mu        sync.Mutex // guards all below
	resources map[string]*armResource
	tokens    map[string]string // of an identity, by its principal and by its client id
}

// AzureOptions describes the subscription.
type AzureOptions struct {
	KeyVaults      []*Server // at least one; its tenant is the subscription's
	SystemIdentity bool      // the cluster's nodes have a system-assigned identity
	Issuer         string    // of the cluster's ServiceAccount tokens; default: as AKS has it

	// Wrap puts a handler in front of the server's own, such as one for the logins of
	// Entra ID, which the demo does without. It may be nil.
	Wrap func(*Azure, http.HandlerFunc) http.HandlerFunc
}

// StartAzure starts an Azure.
func StartAzure(o AzureOptions) (*Azure, error) {
	first := o.KeyVaults[0]
	a := &Azure{
		Token: first.Token, TenantID: first.TenantID,
		Subscription: loopback.UUID(), ResourceGroup: "aidbox-rg", Cluster: "aidbox-aks", KubeletClientID: loopback.UUID(),
		AddonClientID: loopback.UUID(), NodeClientID: loopback.UUID(),
		Issuer:    cmp.Or(o.Issuer, "https://eastus.oic.prod-aks.azure.com/"+first.TenantID+"/"+loopback.UUID()+"/"),
		KeyVaults: o.KeyVaults, resources: map[string]*armResource{}, tokens: map[string]string{},
	}
	a.addResources(o.SystemIdentity)
	if a.handler = a.serve; o.Wrap != nil {
		a.handler = o.Wrap(a, a.serve)
	}
	var err error
	if a.server, err = loopback.ListenTLS(a.ServeHTTP, armHost, loginHost); err != nil {
		return nil, err
	}
	a.URL, a.CA = a.server.URL, a.server.CA
	own := a.server.Client().Transport
	hosts := byHost{armHost: own, loginHost: own, "": first.Client.Transport}
	for _, v := range o.KeyVaults {
		v.setRoles(a.Token, roles{"": {SecretsOfficer}})
		hosts[v.Name+".vault.azure.net"] = v.Client.Transport
	}
	a.Client = &http.Client{Transport: hosts}
	return a, nil
}

// byHost has a transport for each host; "" is for all others.
type byHost map[string]http.RoundTripper

func (b byHost) RoundTrip(req *http.Request) (*http.Response, error) {
	return cmp.Or(b[strings.ToLower(req.URL.Host)], b[""]).RoundTrip(req)
}

// Close stops the server. Everything in it is gone; the Key Vaults stay.
func (a *Azure) Close() { a.server.Close() }

// addResources creates what exists from the start.
func (a *Azure) addResources(systemIdentity bool) {
	group := "/subscriptions/" + a.Subscription + "/resourceGroups/" + a.ResourceGroup
	nodes := fmt.Sprintf("/subscriptions/%s/resourceGroups/MC_%s_%s_eastus", a.Subscription, a.ResourceGroup, a.Cluster)
	assigned := map[string]any{} // to the nodes, as AKS itself does it with the first two
	assign := func(name, clientID string) (profile map[string]any) {
		id, principal := nodes+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/"+name, a.newPrincipal(clientID)
		assigned[id] = map[string]any{"clientId": clientID, "principalId": principal}
		return map[string]any{"clientId": clientID, "objectId": principal, "resourceId": id}
	}
	kubelet, addon := assign(a.Cluster+"-agentpool", a.KubeletClientID), assign("azurekeyvaultsecretsprovider-"+a.Cluster, a.AddonClientID)
	assign("aidbox-nodes", a.NodeClientID)
	a.put(&armResource{
		ID: group + "/providers/Microsoft.ContainerService/managedClusters/" + a.Cluster, Type: "Microsoft.ContainerService/ManagedClusters",
		Properties: map[string]any{
			"provisioningState": "Succeeded",
			"nodeResourceGroup": nodes[strings.LastIndex(nodes, "/")+1:],
			"identityProfile":   map[string]any{"kubeletidentity": kubelet},
			"addonProfiles":     map[string]any{"azureKeyvaultSecretsProvider": map[string]any{"enabled": true, "identity": addon}},
			"oidcIssuerProfile": map[string]any{"enabled": true, "issuerURL": a.Issuer},
			"securityProfile":   map[string]any{"workloadIdentity": map[string]any{"enabled": true}},
		},
	})
	for _, v := range a.KeyVaults {
		a.put(&armResource{
			ID: a.vaultID(v), Type: "Microsoft.KeyVault/vaults",
			Properties: map[string]any{
				"tenantId": a.TenantID, "enableRbacAuthorization": true, "enableSoftDelete": true,
				"vaultUri": "https://" + v.Name + ".vault.azure.net/", "provisioningState": "Succeeded",
			},
		})
	}
	identity := map[string]any{"type": "UserAssigned", "userAssignedIdentities": assigned}
	if systemIdentity {
		identity["type"], identity["principalId"], identity["tenantId"] = "SystemAssigned, UserAssigned", a.newPrincipal("system"), a.TenantID
	}
	a.put(&armResource{
		ID:   nodes + "/providers/Microsoft.Compute/virtualMachineScaleSets/aks-nodepool1-vmss",
		Type: "Microsoft.Compute/virtualMachineScaleSets", Identity: identity,
	})
}

func (a *Azure) vaultID(v *Server) string {
	return "/subscriptions/" + a.Subscription + "/resourceGroups/" + a.ResourceGroup + "/providers/Microsoft.KeyVault/vaults/" + v.Name
}

// newPrincipal creates an identity without a role for a client id.
func (a *Azure) newPrincipal(clientID string) (principal string) {
	principal = loopback.UUID()
	token := rand.Text()
	for _, v := range a.KeyVaults {
		v.setRoles(token, nil)
	}
	a.tokens[principal], a.tokens[clientID] = token, token
	return principal
}

// PodToken returns the token that the CSI provider gets as the identity with that client
// id, "system" for the nodes' system-assigned one; "" if there is none.
func (a *Azure) PodToken(clientID string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tokens[clientID]
}

// ServeHTTP answers as the resource manager, the login and the Key Vaults, each under its
// real name.
func (a *Azure) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler(w, r) }

func (a *Azure) serve(w http.ResponseWriter, r *http.Request) {
	for _, v := range a.KeyVaults {
		if r.Host == v.Name+".vault.azure.net" {
			v.handler(w, r)
			return
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.manage(w, r).write(w)
}

package keyvault_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	authorizationfake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"
	containerfake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	armvaultfake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	msifake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	resourcesfake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/fake"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

const (
	groupID     = "/subscriptions/" + subscription + "/resourceGroups/aidbox-rg"
	vaultID     = groupID + "/providers/Microsoft.KeyVault/vaults/contoso"
	clusterID   = groupID + "/providers/Microsoft.ContainerService/managedClusters/aidbox-aks"
	kubeletID   = "11111111-1111-1111-1111-111111111111" // its client id
	principalID = "22222222-2222-2222-2222-222222222222"
	userRole    = "/subscriptions/" + subscription + "/providers/Microsoft.Authorization/roleDefinitions/4633458b-17de-408a-b874-0445c86b69e6"
	issuer      = "https://eastus.oic.prod-aks.azure.com/tenant/cluster/"
	audience    = "api://AzureADTokenExchange"
)

// manager is the resource manager, made of the SDK's fakes.
type manager struct {
	byClient map[string]policy.Transporter
	token    string

	mu          sync.Mutex
	asked       []string // operations, as the SDK calls them
	fails       map[string]answer
	cluster     armcontainerservice.ManagedCluster
	vaults      []*armkeyvault.Vault
	sets        []*armresources.GenericResourceExpanded
	assignments []*armauthorization.RoleAssignment
	identities  []*armmsi.Identity
	credentials []*armmsi.FederatedIdentityCredential
}

type answer struct {
	status int
	code   string
}

func newManager() *manager {
	m := &manager{token: "fake_token", fails: map[string]answer{}}
	m.cluster = armcontainerservice.ManagedCluster{
		ID: to.Ptr(clusterID), Name: to.Ptr("aidbox-aks"), Location: to.Ptr("eastus"),
		Properties: &armcontainerservice.ManagedClusterProperties{
			NodeResourceGroup: to.Ptr("MC_nodes"),
			IdentityProfile: map[string]*armcontainerservice.UserAssignedIdentity{
				"kubeletidentity": {ClientID: to.Ptr(kubeletID), ObjectID: to.Ptr(principalID)},
			},
			OidcIssuerProfile: &armcontainerservice.ManagedClusterOIDCIssuerProfile{Enabled: to.Ptr(true), IssuerURL: to.Ptr(issuer)},
		},
	}
	m.vaults = []*armkeyvault.Vault{armVault(vaultID, "contoso", true)}
	m.byClient = map[string]policy.Transporter{
		"ManagedClustersClient": containerfake.NewManagedClustersServerTransport(&containerfake.ManagedClustersServer{Get: m.getCluster}),
		"VaultsClient": armvaultfake.NewVaultsServerTransport(&armvaultfake.VaultsServer{
			Get: m.getVault, NewListBySubscriptionPager: m.listVaults,
		}),
		"Client": resourcesfake.NewServerTransport(&resourcesfake.Server{NewListByResourceGroupPager: m.listSets}),
		"RoleAssignmentsClient": authorizationfake.NewRoleAssignmentsServerTransport(&authorizationfake.RoleAssignmentsServer{
			NewListForScopePager: m.listAssignments, Create: m.assign,
		}),
		"UserAssignedIdentitiesClient": msifake.NewUserAssignedIdentitiesServerTransport(&msifake.UserAssignedIdentitiesServer{
			Get: m.getIdentity, CreateOrUpdate: m.createIdentity, NewListBySubscriptionPager: m.listIdentities,
		}),
		"FederatedIdentityCredentialsClient": msifake.NewFederatedIdentityCredentialsServerTransport(&msifake.FederatedIdentityCredentialsServer{
			NewListPager: m.listCredentials, CreateOrUpdate: m.federate,
		}),
	}
	return m
}

func armVault(id, name string, roles bool) *armkeyvault.Vault {
	return &armkeyvault.Vault{ID: to.Ptr(id), Name: to.Ptr(name), Properties: &armkeyvault.VaultProperties{EnableRbacAuthorization: to.Ptr(roles)}}
}

// Do implements policy.Transporter.
func (m *manager) Do(req *http.Request) (*http.Response, error) {
	operation, _ := req.Context().Value(runtime.CtxAPINameKey{}).(string)
	client, _, _ := strings.Cut(operation, ".")
	m.mu.Lock()
	m.asked = append(m.asked, operation)
	a, fails := m.fails[operation]
	m.mu.Unlock()
	if req.URL.Host != "management.azure.com" || req.Header.Get("Authorization") != "Bearer "+m.token {
		return nil, errors.New("asked " + req.URL.Host + " with " + req.Header.Get("Authorization"))
	}
	if fails {
		resp := refusal(a.status, a.code, "")
		resp.Request = req
		return resp, nil
	}
	if t := m.byClient[client]; t != nil {
		return t.Do(req)
	}
	return nil, errors.New("nobody answers " + operation)
}

// found answers with what f finds, or that it does not exist.
func found[T any](all []*T, f func(*T) bool) (got T, e azfake.ErrorResponder) {
	if i := slices.IndexFunc(all, f); i >= 0 {
		return *all[i], e
	}
	e.SetResponseError(http.StatusNotFound, "ResourceNotFound")
	return got, e
}

func (m *manager) getCluster(context.Context, string, string, *armcontainerservice.ManagedClustersClientGetOptions) (resp azfake.Responder[armcontainerservice.ManagedClustersClientGetResponse], e azfake.ErrorResponder) {
	resp.SetResponse(http.StatusOK, armcontainerservice.ManagedClustersClientGetResponse{ManagedCluster: m.cluster}, nil)
	return resp, e
}

func (m *manager) getVault(_ context.Context, group, name string, _ *armkeyvault.VaultsClientGetOptions) (resp azfake.Responder[armkeyvault.VaultsClientGetResponse], e azfake.ErrorResponder) {
	got, e := found(m.vaults, func(v *armkeyvault.Vault) bool {
		return *v.Name == name && strings.Contains(*v.ID, "/resourceGroups/"+group+"/")
	})
	resp.SetResponse(http.StatusOK, armkeyvault.VaultsClientGetResponse{Vault: got}, nil)
	return resp, e
}

func (m *manager) listVaults(*armkeyvault.VaultsClientListBySubscriptionOptions) (resp azfake.PagerResponder[armkeyvault.VaultsClientListBySubscriptionResponse]) {
	for _, v := range m.vaults { // a page for each
		resp.AddPage(http.StatusOK, armkeyvault.VaultsClientListBySubscriptionResponse{VaultListResult: armkeyvault.VaultListResult{Value: []*armkeyvault.Vault{v}}}, nil)
	}
	return resp
}

func (m *manager) listSets(group string, o *armresources.ClientListByResourceGroupOptions) (resp azfake.PagerResponder[armresources.ClientListByResourceGroupResponse]) {
	var page armresources.ClientListByResourceGroupResponse
	if group == "MC_nodes" && *o.Filter == "resourceType eq 'Microsoft.Compute/virtualMachineScaleSets'" {
		page.Value = m.sets
	}
	resp.AddPage(http.StatusOK, page, nil)
	return resp
}

func (m *manager) listAssignments(scope string, o *armauthorization.RoleAssignmentsClientListForScopeOptions) (resp azfake.PagerResponder[armauthorization.RoleAssignmentsClientListForScopeResponse]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var page armauthorization.RoleAssignmentsClientListForScopeResponse
	for _, a := range m.assignments {
		if *o.Filter == "principalId eq '"+*a.Properties.PrincipalID+"'" && strings.HasPrefix(scope, "subscriptions/") {
			page.Value = append(page.Value, a)
		}
	}
	resp.AddPage(http.StatusOK, page, nil)
	return resp
}

func (m *manager) assign(_ context.Context, scope, name string, p armauthorization.RoleAssignmentCreateParameters, _ *armauthorization.RoleAssignmentsClientCreateOptions) (resp azfake.Responder[armauthorization.RoleAssignmentsClientCreateResponse], e azfake.ErrorResponder) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.Properties.Scope = to.Ptr("/" + scope)
	made := &armauthorization.RoleAssignment{Name: to.Ptr(name), Properties: p.Properties}
	m.assignments = append(m.assignments, made)
	resp.SetResponse(http.StatusCreated, armauthorization.RoleAssignmentsClientCreateResponse{RoleAssignment: *made}, nil)
	return resp, e
}

func (m *manager) getIdentity(_ context.Context, group, name string, _ *armmsi.UserAssignedIdentitiesClientGetOptions) (resp azfake.Responder[armmsi.UserAssignedIdentitiesClientGetResponse], e azfake.ErrorResponder) {
	got, e := found(m.identities, func(i *armmsi.Identity) bool {
		return strings.HasSuffix(*i.ID, "/resourceGroups/"+group+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/"+name)
	})
	resp.SetResponse(http.StatusOK, armmsi.UserAssignedIdentitiesClientGetResponse{Identity: got}, nil)
	return resp, e
}

func (m *manager) listIdentities(*armmsi.UserAssignedIdentitiesClientListBySubscriptionOptions) (resp azfake.PagerResponder[armmsi.UserAssignedIdentitiesClientListBySubscriptionResponse]) {
	resp.AddPage(http.StatusOK, armmsi.UserAssignedIdentitiesClientListBySubscriptionResponse{UserAssignedIdentitiesListResult: armmsi.UserAssignedIdentitiesListResult{Value: m.identities}}, nil)
	return resp
}

func (m *manager) createIdentity(_ context.Context, group, name string, p armmsi.Identity, _ *armmsi.UserAssignedIdentitiesClientCreateOrUpdateOptions) (resp azfake.Responder[armmsi.UserAssignedIdentitiesClientCreateOrUpdateResponse], e azfake.ErrorResponder) {
	made := managedIdentity(group, name)
	made.Location, made.Tags = p.Location, p.Tags
	m.identities = append(m.identities, made)
	resp.SetResponse(http.StatusCreated, armmsi.UserAssignedIdentitiesClientCreateOrUpdateResponse{Identity: *made}, nil)
	return resp, e
}

func managedIdentity(group, name string) *armmsi.Identity {
	return &armmsi.Identity{
		ID:         to.Ptr("/subscriptions/" + subscription + "/resourceGroups/" + group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + name),
		Name:       to.Ptr(name),
		Properties: &armmsi.UserAssignedIdentityProperties{ClientID: to.Ptr(kubeletID), PrincipalID: to.Ptr(principalID)},
	}
}

func (m *manager) listCredentials(string, string, *armmsi.FederatedIdentityCredentialsClientListOptions) (resp azfake.PagerResponder[armmsi.FederatedIdentityCredentialsClientListResponse]) {
	resp.AddPage(http.StatusOK, armmsi.FederatedIdentityCredentialsClientListResponse{FederatedIdentityCredentialsListResult: armmsi.FederatedIdentityCredentialsListResult{Value: m.credentials}}, nil)
	return resp
}

func (m *manager) federate(_ context.Context, _, _, name string, p armmsi.FederatedIdentityCredential, _ *armmsi.FederatedIdentityCredentialsClientCreateOrUpdateOptions) (resp azfake.Responder[armmsi.FederatedIdentityCredentialsClientCreateOrUpdateResponse], e azfake.ErrorResponder) {
	p.Name = to.Ptr(name)
	m.credentials = slices.DeleteFunc(m.credentials, func(c *armmsi.FederatedIdentityCredential) bool { return *c.Name == name })
	m.credentials = append(m.credentials, &p)
	resp.SetResponse(http.StatusCreated, armmsi.FederatedIdentityCredentialsClientCreateOrUpdateResponse{FederatedIdentityCredential: p}, nil)
	return resp, e
}

func credential(name, issuer, subject, audience string) *armmsi.FederatedIdentityCredential {
	return &armmsi.FederatedIdentityCredential{Name: to.Ptr(name), Properties: &armmsi.FederatedIdentityCredentialProperties{
		Issuer: to.Ptr(issuer), Subject: to.Ptr(subject), Audiences: []*string{to.Ptr(audience)},
	}}
}

func (m *manager) provider() store.Provider {
	return keyvault.NewProvider(azure.Access{Credential: azcore.TokenCredential(&azfake.TokenCredential{}), Transport: m})
}

// connect is for a delivery without secrets' values, since nothing is asked of the Key Vault.
func (m *manager) connect(t testing.TB, d *config.Delivery) store.Store {
	t.Helper()
	v, err := m.provider().Open(d, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (m *manager) run(t testing.TB, d *config.Delivery, phases ...string) ([]store.Change, error) {
	t.Helper()
	if len(phases) == 0 {
		phases = []string{"identity", "grant"}
	}
	return provision.Run(t.Context(), m.connect(t, d).Steps(storetest.Inputs(nil), 0), phases, false)
}

// wrote returns the operations that are no reads.
func (m *manager) wrote() (operations []string) {
	for _, o := range m.asked {
		if strings.Contains(o, "Create") {
			operations = append(operations, o)
		}
	}
	return operations
}

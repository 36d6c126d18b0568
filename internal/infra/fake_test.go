package infra

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"
	aksfake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	vaultfake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	groupfake "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/fake"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

const (
	tenant       = "00000000-0000-0000-0000-000000000000"
	subscription = "22222222-2222-2222-2222-222222222222"
	groupPath    = "/subscriptions/" + subscription + "/resourceGroups/"
)

// world is the resource manager of Azure, on the official fakes.
type world struct {
	t *testing.T

	mu      sync.Mutex
	writes  []string
	hosts   []string
	group   *armresources.ResourceGroup
	vaults  []*armkeyvault.Vault
	deleted []*armkeyvault.DeletedVault
	taken   bool // names of Key Vaults
	cluster *armcontainerservice.ManagedCluster
	states  []string // that a cluster goes through, one for each time that it is read
	ifMatch string
	aks     *aksfake.ManagedClustersServerTransport
	polls   int // "go on" answers before a cluster is there

	answer func(*http.Request) *http.Response // comes first, where it gives something
}

func newWorld(t *testing.T) *world { return &world{t: t, polls: 2} }

func delivery() *config.Delivery {
	return &config.Delivery{
		Name: "aidbox", Provider: config.ProviderAzure,
		Azure: &config.Azure{
			KeyVault: "contoso", TenantID: tenant, Cloud: "AzurePublicCloud", Identity: config.Identity{Type: config.IdentityKubelet},
			SubscriptionID: subscription, ResourceGroup: "aidbox-rg", Location: "eastus", Cluster: "aidbox_aks",
		},
		Secrets: []config.Secret{{Name: "client-secret", KeyVault: "Contoso"}},
	}
}

func (w *world) infra(d *config.Delivery) *Infra {
	w.t.Helper()
	i, err := New(d, Options{
		Access: azure.Access{Credential: &azfake.TokenCredential{}, Transport: w},
		Nodes:  1, pollInterval: time.Millisecond,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

func (w *world) run(d *config.Delivery, dryRun bool) ([]store.Change, error) {
	return provision.Run(w.t.Context(), w.infra(d).Steps(), nil, dryRun)
}

// Do implements policy.Transporter.
func (w *world) Do(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	req = req.WithContext(context.WithoutCancel(req.Context())) // the fakes panic on an interrupted request
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts = append(w.hosts, req.URL.Host)
	if w.answer != nil {
		if resp := w.answer(req); resp != nil {
			return resp, nil
		}
	}
	switch {
	case strings.Contains(req.URL.Path, "/Microsoft.KeyVault/"):
		return vaultfake.NewVaultsServerTransport(w.vaultServer()).Do(req)
	case strings.Contains(req.URL.Path, "/Microsoft.ContainerService/"):
		if w.aks == nil { // it remembers the operations under way
			w.aks = aksfake.NewManagedClustersServerTransport(w.aksServer())
		}
		return w.aks.Do(req)
	}
	return groupfake.NewResourceGroupsServerTransport(w.groupServer()).Do(req)
}

func (w *world) wrote(what string) { w.writes = append(w.writes, what) }

func refused[T any](status int, code string) (resp T, err azfake.ErrorResponder) {
	err.SetResponseError(status, code)
	return resp, err
}

func (w *world) groupServer() *groupfake.ResourceGroupsServer {
	return &groupfake.ResourceGroupsServer{
		Get: func(context.Context, string, *armresources.ResourceGroupsClientGetOptions) (resp azfake.Responder[armresources.ResourceGroupsClientGetResponse], err azfake.ErrorResponder) {
			if w.group == nil {
				return refused[azfake.Responder[armresources.ResourceGroupsClientGetResponse]](http.StatusNotFound, "ResourceGroupNotFound")
			}
			resp.SetResponse(http.StatusOK, armresources.ResourceGroupsClientGetResponse{ResourceGroup: *w.group}, nil)
			return resp, err
		},
		CreateOrUpdate: func(_ context.Context, name string, group armresources.ResourceGroup, _ *armresources.ResourceGroupsClientCreateOrUpdateOptions) (resp azfake.Responder[armresources.ResourceGroupsClientCreateOrUpdateResponse], err azfake.ErrorResponder) {
			w.wrote("group " + name)
			w.group = &group
			resp.SetResponse(http.StatusCreated, armresources.ResourceGroupsClientCreateOrUpdateResponse{ResourceGroup: group}, nil)
			return resp, err
		},
	}
}

func vaultID(group, name string) *string {
	return new(groupPath + group + "/providers/Microsoft.KeyVault/vaults/" + name)
}

func (w *world) vaultServer() *vaultfake.VaultsServer {
	return &vaultfake.VaultsServer{
		Get: func(_ context.Context, group, name string, _ *armkeyvault.VaultsClientGetOptions) (resp azfake.Responder[armkeyvault.VaultsClientGetResponse], err azfake.ErrorResponder) {
			for _, v := range w.vaults {
				if strings.EqualFold(*v.ID, *vaultID(group, name)) {
					resp.SetResponse(http.StatusOK, armkeyvault.VaultsClientGetResponse{Vault: *v}, nil)
					return resp, err
				}
			}
			return refused[azfake.Responder[armkeyvault.VaultsClientGetResponse]](http.StatusNotFound, "ResourceNotFound")
		},
		CheckNameAvailability: func(context.Context, armkeyvault.VaultCheckNameAvailabilityParameters, *armkeyvault.VaultsClientCheckNameAvailabilityOptions) (resp azfake.Responder[armkeyvault.VaultsClientCheckNameAvailabilityResponse], err azfake.ErrorResponder) {
			free := armkeyvault.CheckNameAvailabilityResult{NameAvailable: new(!w.taken)}
			resp.SetResponse(http.StatusOK, armkeyvault.VaultsClientCheckNameAvailabilityResponse{CheckNameAvailabilityResult: free}, nil)
			return resp, err
		},
		NewListBySubscriptionPager: func(*armkeyvault.VaultsClientListBySubscriptionOptions) (resp azfake.PagerResponder[armkeyvault.VaultsClientListBySubscriptionResponse]) {
			resp.AddPage(http.StatusOK, armkeyvault.VaultsClientListBySubscriptionResponse{VaultListResult: armkeyvault.VaultListResult{Value: w.vaults}}, nil)
			return resp
		},
		NewListDeletedPager: func(*armkeyvault.VaultsClientListDeletedOptions) (resp azfake.PagerResponder[armkeyvault.VaultsClientListDeletedResponse]) {
			resp.AddPage(http.StatusOK, armkeyvault.VaultsClientListDeletedResponse{DeletedVaultListResult: armkeyvault.DeletedVaultListResult{Value: w.deleted}}, nil)
			return resp
		},
		BeginCreateOrUpdate: func(_ context.Context, group, name string, p armkeyvault.VaultCreateOrUpdateParameters, _ *armkeyvault.VaultsClientBeginCreateOrUpdateOptions) (resp azfake.PollerResponder[armkeyvault.VaultsClientCreateOrUpdateResponse], err azfake.ErrorResponder) {
			w.wrote("vault " + name)
			vault := armkeyvault.Vault{ID: vaultID(group, name), Name: &name, Location: p.Location, Tags: p.Tags, Properties: p.Properties}
			w.vaults = append(w.vaults, &vault)
			resp.SetTerminalResponse(http.StatusOK, armkeyvault.VaultsClientCreateOrUpdateResponse{Vault: vault}, nil)
			return resp, err
		},
		Update: func(_ context.Context, group, name string, p armkeyvault.VaultPatchParameters, _ *armkeyvault.VaultsClientUpdateOptions) (resp azfake.Responder[armkeyvault.VaultsClientUpdateResponse], err azfake.ErrorResponder) {
			w.wrote("patch of vault " + group + "/" + name)
			v := w.vaults[0]
			if p.Properties.EnableRbacAuthorization != nil {
				v.Properties.EnableRbacAuthorization = p.Properties.EnableRbacAuthorization
			}
			if p.Properties.EnableSoftDelete != nil {
				v.Properties.EnableSoftDelete = p.Properties.EnableSoftDelete
			}
			resp.SetResponse(http.StatusOK, armkeyvault.VaultsClientUpdateResponse{Vault: *v}, nil)
			return resp, err
		},
	}
}

func (w *world) aksServer() *aksfake.ManagedClustersServer {
	return &aksfake.ManagedClustersServer{
		Get: func(context.Context, string, string, *armcontainerservice.ManagedClustersClientGetOptions) (resp azfake.Responder[armcontainerservice.ManagedClustersClientGetResponse], err azfake.ErrorResponder) {
			if w.cluster == nil {
				return refused[azfake.Responder[armcontainerservice.ManagedClustersClientGetResponse]](http.StatusNotFound, "ResourceNotFound")
			}
			if len(w.states) > 0 {
				w.cluster.Properties.ProvisioningState = &w.states[0]
				w.states = w.states[1:]
			}
			resp.SetResponse(http.StatusOK, armcontainerservice.ManagedClustersClientGetResponse{ManagedCluster: *w.cluster}, nil)
			return resp, err
		},
		BeginCreateOrUpdate: func(_ context.Context, _, name string, cluster armcontainerservice.ManagedCluster, o *armcontainerservice.ManagedClustersClientBeginCreateOrUpdateOptions) (resp azfake.PollerResponder[armcontainerservice.ManagedClustersClientCreateOrUpdateResponse], err azfake.ErrorResponder) {
			w.wrote("cluster " + name)
			w.ifMatch = azure.Deref(o.IfMatch) + azure.Deref(o.IfNoneMatch)
			w.cluster = &cluster
			for range w.polls {
				resp.AddNonTerminalResponse(http.StatusCreated, nil)
			}
			resp.SetTerminalResponse(http.StatusOK, armcontainerservice.ManagedClustersClientCreateOrUpdateResponse{ManagedCluster: cluster}, nil)
			return resp, err
		},
		ListClusterUserCredentials: func(_ context.Context, _, _ string, o *armcontainerservice.ManagedClustersClientListClusterUserCredentialsOptions) (resp azfake.Responder[armcontainerservice.ManagedClustersClientListClusterUserCredentialsResponse], err azfake.ErrorResponder) {
			if w.cluster == nil {
				return refused[azfake.Responder[armcontainerservice.ManagedClustersClientListClusterUserCredentialsResponse]](http.StatusNotFound, "ResourceNotFound")
			}
			if *o.Format != armcontainerservice.FormatExec {
				w.t.Errorf("format %s", *o.Format)
			}
			var got armcontainerservice.CredentialResults
			got.Kubeconfigs = []*armcontainerservice.CredentialResult{{Name: new("clusterUser"), Value: []byte(fetched)}}
			resp.SetResponse(http.StatusOK, armcontainerservice.ManagedClustersClientListClusterUserCredentialsResponse{CredentialResults: got}, nil)
			return resp, err
		},
	}
}

// answers gives this answer to requests of that method and part of a path.
func answers(method, path string, status int, body string, header ...string) func(*http.Request) *http.Response {
	return func(req *http.Request) *http.Response {
		if req.Method != method || !strings.Contains(req.URL.Path, path) {
			return nil
		}
		resp := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewBufferString(body)), Request: req}
		for i := 0; i+1 < len(header); i += 2 {
			resp.Header.Set(header[i], header[i+1])
		}
		return resp
	}
}

func refusal(code, message string) string {
	return `{"error": {"code": "` + code + `", "message": "` + message + `"}}`
}

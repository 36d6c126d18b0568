package keyvault_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault"
	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

func TestResourceErrorsAreOneLineWithTheWayOut(t *testing.T) {
	denied, absent := answer{http.StatusForbidden, "AuthorizationFailed"}, answer{http.StatusNotFound, "ResourceNotFound"}
	workload := withIdentity(config.IdentityWorkload, "")
	for name, c := range map[string]struct {
		d          *config.Delivery
		operation  string
		answer     answer
		says, hint string
	}{
		"cluster denied":     {password(), "ManagedClustersClient.Get", denied, "azure: AKS cluster aidbox-rg/aidbox-aks: permission denied: needs the role Reader on " + clusterID, `az role assignment create --role "Reader"`},
		"cluster absent":     {password(), "ManagedClustersClient.Get", absent, "azure: AKS cluster aidbox-rg/aidbox-aks: not found", "secretctl infra"},
		"cluster throttled":  {password(), "ManagedClustersClient.Get", answer{429, "TooManyRequests"}, "limits how many requests it takes", "run again later"},
		"cluster odd":        {password(), "ManagedClustersClient.Get", answer{http.StatusBadRequest, "InvalidResourceName"}, "answered 400 InvalidResourceName", ""},
		"Key Vault denied":   {password(), "VaultsClient.Get", denied, "azure: Key Vault contoso: permission denied: needs the role Reader on " + vaultID, "az role assignment create"},
		"assignments denied": {password(), "RoleAssignmentsClient.NewListForScopePager", denied, "azure: role assignments: permission denied: needs the role Reader on " + vaultID, ""},
		"grant denied":       {password(), "RoleAssignmentsClient.Create", denied, "azure: Key Vault Secrets User on contoso: permission denied: needs the role Role Based Access Control Administrator on " + vaultID, "--phase store,identity"},
		"identity denied":    {workload, "UserAssignedIdentitiesClient.Get", denied, "azure: managed identity aidbox-rg/aidbox-azure-secrets: permission denied: needs the role Managed Identity Contributor on " + groupID, "--phase store,grant"},
		"creation denied":    {workload, "UserAssignedIdentitiesClient.CreateOrUpdate", denied, "needs the role Managed Identity Contributor", ""},
		"federation denied":  {workload, "FederatedIdentityCredentialsClient.CreateOrUpdate", denied, "needs the role Managed Identity Contributor", ""},
		"nodes denied":       {withIdentity(config.IdentitySystem, ""), "Client.NewListByResourceGroupPager", denied, "azure: nodes of AKS cluster aidbox-rg/aidbox-aks: permission denied: needs the role Reader on /subscriptions/" + subscription + "/resourceGroups/MC_nodes", ""},
		"identities denied":  {withIdentity(config.IdentityWorkload, kubeletID), "UserAssignedIdentitiesClient.NewListBySubscriptionPager", denied, "azure: managed identities: permission denied", ""},
		"another subscript.": {password(), "VaultsClient.NewListBySubscriptionPager", denied, "azure: Key Vault contoso: not found", "azure.resourceGroup"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newManager()
				m.fails[c.operation] = c.answer
				if strings.HasSuffix(c.operation, "ListBySubscriptionPager") {
					m.vaults = nil
				}
				_, err := m.run(t, c.d)
				storetest.WantError(t, err, c.says)
				if !strings.Contains(hint.Of(err), c.hint) || strings.Contains(hint.Of(err), storetest.Canary) {
					t.Errorf("hint %q does not say %q", hint.Of(err), c.hint)
				}
			})
		})
	}
}

func TestUnusableResourcesAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		d          *config.Delivery
		change     func(*manager)
		says, hint string
	}{
		"access policies": {
			password(), func(m *manager) { m.vaults = []*armkeyvault.Vault{armVault(vaultID, "contoso", false)} },
			"azure: Key Vault contoso: uses access policies", "az keyvault update --name contoso --enable-rbac-authorization true",
		},
		"service principal": {password(), func(m *manager) { m.cluster.Properties.IdentityProfile = nil }, "has no kubelet identity", "az aks update"},
		"another client id": {withIdentity(config.IdentityKubelet, principalID), func(*manager) {}, "its kubelet identity has the client id " + kubeletID, "leave azure.identity.clientID out"},
		"no issuer": {
			withIdentity(config.IdentityWorkload, ""), func(m *manager) { m.cluster.Properties.OidcIssuerProfile.Enabled = to.Ptr(false) },
			"has no OIDC issuer", "--enable-oidc-issuer --enable-workload-identity",
		},
		"an empty answer":    {password(), func(m *manager) { m.cluster = armcontainerservice.ManagedCluster{} }, "unexpected response", "proxy"},
		"an id that is none": {password(), func(m *manager) { m.vaults[0].ID = to.Ptr("/elsewhere &#") }, "azure: Key Vault contoso: unexpected response", "proxy"},
		"the id of another":  {password(), func(m *manager) { m.vaults[0].ID = to.Ptr(vaultID + "2") }, "azure: Key Vault contoso: unexpected response", "proxy"},
		"an odd node group":  {withIdentity(config.IdentitySystem, ""), func(m *manager) { m.cluster.Properties.NodeResourceGroup = to.Ptr("a b&") }, "azure: AKS cluster aidbox-rg/aidbox-aks: unexpected response", "proxy"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager()
			c.change(m)
			_, err := m.run(t, c.d)
			storetest.WantError(t, err, c.says)
			storetest.WantHint(t, err, c.hint)
			if len(m.wrote()) > 0 {
				t.Errorf("wrote %v", m.wrote())
			}
		})
	}
}

func TestMissingSettingsAreToldBeforeAnythingIsAsked(t *testing.T) {
	m := newManager()
	d := password()
	d.Azure.SubscriptionID, d.Azure.Cluster = "", ""
	_, err := provision.Run(t.Context(), m.connect(t, d).Steps(storetest.Inputs(nil), 0), nil, false)
	setting, ok := errors.AsType[*store.SettingError](err)
	if !ok || len(m.asked) > 0 {
		t.Fatalf("error %v, asked %v", err, m.asked)
	}
	if diff := cmp.Diff([]string{"azure.subscriptionID", "azure.cluster"}, setting.Missing); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	storetest.WantError(t, err, "phase identity needs azure.subscriptionID, azure.cluster in the config")
	storetest.WantHint(t, err, "--phase store")
}

func TestFederatedLoginIsWaitedForInEveryPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, phase := range []string{"identity", "grant"} {
			m := newManager()
			var asked, waited int
			credential := credentialFunc(func() error {
				if asked++; asked <= 3 {
					return refusedLogin(`{"error_codes":[70021]}`)
				}
				return nil
			})
			m.token = "t0ken-canary"
			v, err := keyvault.NewProvider(azure.Access{Credential: credential, Transport: m}).Open(password(), store.Options{
				Waiting: func(string) { waited++ },
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := provision.Run(t.Context(), v.Steps(storetest.Inputs(nil), 0), []string{phase}, true); err != nil || waited != 3 {
				t.Errorf("%s: waited %d times, error %v", phase, waited, err)
			}
		}
	})
}

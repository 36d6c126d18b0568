package keyvault_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

const (
	kubeletOf   = "kubelet identity of AKS cluster aidbox-rg/aidbox-aks"
	grantObject = "Key Vault Secrets User on contoso"
	subject     = "system:serviceaccount:default:aidbox"
)

func withIdentity(kind, clientID string) *config.Delivery {
	d := password()
	d.Azure.Identity = config.Identity{Type: kind, ClientID: clientID}
	return d
}

func TestKubeletIdentityGetsTheRoleOnce(t *testing.T) {
	m := newManager()
	d := withIdentity(config.IdentityKubelet, "")
	got, err := m.run(t, d)
	storetest.Want(t, got, err, "identity unchanged "+kubeletOf, "grant create "+grantObject)
	if got[0].Detail != "client id "+kubeletID || !strings.Contains(got[1].Detail, "10 minutes") {
		t.Errorf("details %q and %q", got[0].Detail, got[1].Detail)
	}
	made := m.assignments[0]
	wanted := armauthorization.RoleAssignmentProperties{
		PrincipalID: to.Ptr(principalID), PrincipalType: to.Ptr(armauthorization.PrincipalTypeServicePrincipal),
		RoleDefinitionID: to.Ptr(userRole), Scope: to.Ptr(vaultID),
	}
	if diff := cmp.Diff(wanted, *made.Properties); diff != "" {
		t.Errorf("assignment (-want +got):\n%s", diff)
	}
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(*made.Name) {
		t.Errorf("name %s", *made.Name)
	}
	got, err = m.run(t, d)
	storetest.Want(t, got, err, "identity unchanged "+kubeletOf, "grant unchanged "+grantObject)
	if len(m.wrote()) != 1 {
		t.Errorf("wrote %v", m.wrote())
	}

	again := newManager()
	if _, err := again.run(t, d, "grant"); err != nil || *again.assignments[0].Name != *made.Name {
		t.Errorf("another run, error %v: the assignment has another name", err)
	}
}

func TestCertificatesTakeAnotherRole(t *testing.T) {
	const object = "Key Vault Certificate User on contoso"
	for _, kind := range []string{config.ObjectCert, config.ObjectKey} {
		m := newManager()
		d := password()
		m.assignments = []*armauthorization.RoleAssignment{{Properties: &armauthorization.RoleAssignmentProperties{
			PrincipalID: to.Ptr(principalID), RoleDefinitionID: to.Ptr(userRole), Scope: to.Ptr(vaultID),
		}}}
		d.Secrets[0].ObjectType = kind
		got, err := m.run(t, d, "grant")
		storetest.Want(t, got, err, "grant create "+object)
		if role := *m.assignments[len(m.assignments)-1].Properties.RoleDefinitionID; !strings.HasSuffix(role, "/db79e9a7-68ee-4b58-9aeb-b90e7c24fcba") {
			t.Errorf("role %s", role)
		}
		got, err = m.run(t, d, "grant")
		storetest.Want(t, got, err, "grant unchanged "+object)
	}
}

func TestAssignmentsCountWhereTheyReachTheKeyVault(t *testing.T) {
	for name, c := range map[string]struct {
		principal, role, scope string
		action                 string
	}{
		"on the Key Vault":        {principalID, userRole, vaultID, "unchanged"},
		"in other case":           {strings.ToUpper(principalID), strings.ToUpper(userRole), strings.ToUpper(vaultID), "unchanged"},
		"on the resource group":   {principalID, userRole, groupID, "unchanged"},
		"on the subscription":     {principalID, userRole, "/subscriptions/" + subscription, "unchanged"},
		"on everything":           {principalID, userRole, "/", "unchanged"},
		"on one secret":           {principalID, userRole, vaultID + "/secrets/a", "create"},
		"on a longer name":        {principalID, userRole, strings.TrimSuffix(vaultID, "o"), "create"},
		"another role":            {principalID, userRole[:len(userRole)-1] + "7", vaultID, "create"},
		"another one's":           {kubeletID, userRole, vaultID, "create"},
		"on another Key Vault":    {principalID, userRole, vaultID + "-2", "create"},
		"on another subscription": {principalID, userRole, "/subscriptions/other", "create"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager()
			m.assignments = []*armauthorization.RoleAssignment{{Properties: &armauthorization.RoleAssignmentProperties{
				PrincipalID: to.Ptr(c.principal), RoleDefinitionID: to.Ptr(c.role), Scope: to.Ptr(c.scope),
			}}}
			if strings.EqualFold(c.principal, principalID) { // the filter of Azure ignores the case
				m.assignments[0].Properties.PrincipalID = to.Ptr(principalID)
			}
			got, err := m.run(t, password(), "grant")
			storetest.Want(t, got, err, "grant "+c.action+" "+grantObject)
		})
	}
}

func TestAssignmentByAnotherRunIsAccepted(t *testing.T) {
	m := newManager()
	m.fails["RoleAssignmentsClient.Create"] = answer{http.StatusConflict, "RoleAssignmentExists"}
	got, err := m.run(t, password(), "grant")
	storetest.Want(t, got, err, "grant unchanged "+grantObject)
}

func TestEachKeyVaultIsGranted(t *testing.T) {
	m := newManager()
	elsewhere := strings.Replace(strings.Replace(vaultID, "contoso", "Shared", 1), "aidbox-rg", "shared-rg", 1)
	m.vaults = append(m.vaults, armVault(elsewhere, "Shared", true))
	d := azureDelivery(config.Secret{Name: "a"}, config.Secret{Name: "b", KeyVault: "shared"})
	got, err := m.run(t, d, "grant")
	storetest.Want(t, got, err, "grant create "+grantObject, "grant create Key Vault Secrets User on shared")
	if scope := *m.assignments[1].Properties.Scope; scope != elsewhere {
		t.Errorf("scope %s", scope)
	}
}

func TestSystemIdentityIsThatOfEachGroupOfNodes(t *testing.T) {
	set := func(name, principal string) *armresources.GenericResourceExpanded {
		r := &armresources.GenericResourceExpanded{Name: to.Ptr(name)}
		if principal != "" {
			r.Identity = &armresources.Identity{PrincipalID: to.Ptr(principal)}
		}
		return r
	}
	m := newManager()
	m.sets = []*armresources.GenericResourceExpanded{set("one", principalID), set("two", ""), set("three", kubeletID)}
	const of = " of AKS cluster aidbox-rg/aidbox-aks"
	got, err := m.run(t, withIdentity(config.IdentitySystem, ""))
	storetest.Want(t, got, err, "identity unchanged nodes one"+of, "identity absent nodes two"+of, "identity unchanged nodes three"+of,
		"grant create "+grantObject, "grant create "+grantObject)
	if got[1].Warning == "" {
		t.Error("no warning about nodes without an identity")
	}
	got, err = m.run(t, withIdentity(config.IdentitySystem, ""), "grant")
	storetest.Want(t, got, err, "grant unchanged "+grantObject, "grant unchanged "+grantObject)

	m.sets = m.sets[1:2]
	_, err = m.run(t, withIdentity(config.IdentitySystem, ""))
	storetest.WantError(t, err, "azure: AKS cluster aidbox-rg/aidbox-aks: no nodes with a system-assigned identity")
	storetest.WantHint(t, err, "az vmss identity assign --resource-group MC_nodes --name two")
}

func TestAddonIdentityGetsTheRole(t *testing.T) {
	const object, other = "add-on's identity of AKS cluster aidbox-rg/aidbox-aks", "22222222-2222-2222-2222-222222222222"
	m := newManager()
	_, err := m.run(t, withIdentity(config.IdentityAddon, ""))
	storetest.WantError(t, err, "azure: AKS cluster aidbox-rg/aidbox-aks: the add-on azure-keyvault-secrets-provider is not enabled")
	storetest.WantHint(t, err, "az aks enable-addons --addons azure-keyvault-secrets-provider --resource-group aidbox-rg --name aidbox-aks")
	m.cluster.Properties.AddonProfiles = map[string]*armcontainerservice.ManagedClusterAddonProfile{"azureKeyvaultSecretsProvider": {
		Identity: &armcontainerservice.ManagedClusterAddonProfileIdentity{ClientID: to.Ptr(other), ObjectID: to.Ptr(principalID)},
	}}
	got, err := m.run(t, withIdentity(config.IdentityAddon, ""))
	storetest.Want(t, got, err, "identity unchanged "+object, "grant create "+grantObject)
	if got[0].Detail != "client id "+other || *m.assignments[0].Properties.PrincipalID != principalID {
		t.Errorf("%+v", got[0])
	}
	_, err = m.run(t, withIdentity(config.IdentityAddon, kubeletID))
	storetest.WantError(t, err, "its add-on's identity has the client id "+other)
	_, err = m.run(t, withIdentity(config.IdentityKubelet, other))
	storetest.WantHint(t, err, "set azure.identity.type to kubelet, addon or node")
}

func TestNodeIdentityIsFoundByItsClientID(t *testing.T) {
	const other = "ABABABAB-2222-2222-2222-222222222222"
	m := newManager()
	m.sets = []*armresources.GenericResourceExpanded{nil, {Name: to.Ptr("one")}, {Name: to.Ptr("two"), Identity: &armresources.Identity{
		UserAssignedIdentities: map[string]*armresources.IdentityUserAssignedIdentitiesValue{"a": {ClientID: to.Ptr(kubeletID), PrincipalID: to.Ptr("x")}, "b": {ClientID: to.Ptr(strings.ToLower(other)), PrincipalID: to.Ptr(principalID)}},
	}}}
	got, err := m.run(t, withIdentity(config.IdentityNode, other))
	storetest.Want(t, got, err, "identity unchanged user-assigned identity of the nodes of AKS cluster aidbox-rg/aidbox-aks", "grant create "+grantObject)
	if *m.assignments[0].Properties.PrincipalID != principalID {
		t.Errorf("granted to %s", *m.assignments[0].Properties.PrincipalID)
	}
	m.sets = m.sets[:2]
	_, err = m.run(t, withIdentity(config.IdentityNode, other))
	storetest.WantError(t, err, "no nodes with a user-assigned identity of the client id "+other)
}

func TestWorkloadIdentityIsMadeOnce(t *testing.T) {
	m := newManager()
	d := withIdentity(config.IdentityWorkload, "")
	const identity, federated = "managed identity aidbox-rg/aidbox-azure-secrets", "federated credential aidbox-azure-secrets/aidbox-aks-default-aidbox"

	plan, err := provision.Run(t.Context(), m.connect(t, d).Steps(storetest.Inputs(nil), 0), []string{"identity", "grant"}, true)
	storetest.Want(t, plan, err, "identity create "+identity, "identity create "+federated, "grant create "+grantObject)
	if len(m.wrote()) > 0 {
		t.Errorf("a dry run wrote %v", m.wrote())
	}
	_, err = m.run(t, d, "grant")
	storetest.WantError(t, err, "azure: managed identity aidbox-rg/aidbox-azure-secrets: not found")
	storetest.WantHint(t, err, "run the phase identity too")

	got, err := m.run(t, d)
	storetest.Want(t, got, err, "identity create "+identity, "identity create "+federated, "grant create "+grantObject)
	if got[0].Detail != "client id "+kubeletID || got[1].Detail != subject {
		t.Errorf("details %q and %q", got[0].Detail, got[1].Detail)
	}
	if diff := cmp.Diff([]*armmsi.FederatedIdentityCredential{credential("aidbox-aks-default-aidbox", issuer, subject, audience)}, m.credentials); diff != "" {
		t.Errorf("credentials (-want +got):\n%s", diff)
	}
	if made := m.identities[0]; *made.Location != "eastus" || *made.Tags["managed-by"] != "secretctl" || *made.Tags["secretctl-delivery"] != "default/aidbox" {
		t.Errorf("identity %+v", made)
	}
	if *m.assignments[0].Properties.PrincipalID != principalID {
		t.Error("the role is not the identity's")
	}
	got, err = m.run(t, d)
	storetest.Want(t, got, err, "identity unchanged "+identity, "identity unchanged "+federated, "grant unchanged "+grantObject)
}

func TestFederatedCredentialIsComparedByWhatItSays(t *testing.T) {
	const name = "aidbox-aks-default-aidbox"
	for what, c := range map[string]struct {
		there          *armmsi.FederatedIdentityCredential
		action, detail string
	}{
		"the same":           {credential(name, issuer, subject, audience), "unchanged", subject},
		"under another name": {credential("theirs", issuer, subject, audience), "unchanged", subject},
		"another issuer":     {credential(name, "https://old/", subject, audience), "update", "issuer, for " + subject},
		"another subject":    {credential(name, issuer, "system:serviceaccount:default:old", audience), "update", "subject, for " + subject},
		"another audience":   {credential("theirs", issuer, subject, "api://other"), "update", "audience, for " + subject},
		"nothing of it":      {credential("theirs", "https://old/", "other", "api://other"), "create", subject},
	} {
		t.Run(what, func(t *testing.T) {
			m := newManager()
			m.identities = []*armmsi.Identity{managedIdentity("aidbox-rg", "aidbox-azure-secrets")}
			m.credentials = []*armmsi.FederatedIdentityCredential{c.there}
			got, err := m.run(t, withIdentity(config.IdentityWorkload, ""), "identity")
			if err != nil || got[1].Action != c.action || got[1].Detail != c.detail {
				t.Fatalf("changes %+v, error %v", got, err)
			}
			last := m.credentials[len(m.credentials)-1]
			if diff := cmp.Diff(credential(*last.Name, issuer, subject, audience), last); diff != "" {
				t.Errorf("credential (-want +got):\n%s", diff)
			}
			got, err = m.run(t, withIdentity(config.IdentityWorkload, ""), "identity")
			if err != nil || got[1].Action != "unchanged" {
				t.Errorf("second run: changes %+v, error %v", got, err)
			}
		})
	}
}

// Two namespaces, or two clusters of one subscription, often use the default names.
func TestIdentityOfAnotherDeliveryIsNotUsed(t *testing.T) {
	m := newManager()
	prod, staging := withIdentity(config.IdentityWorkload, ""), withIdentity(config.IdentityWorkload, "")
	prod.Namespace, staging.Namespace = "prod", "staging"
	if _, err := m.run(t, prod); err != nil {
		t.Fatal(err)
	}
	before := len(m.wrote())
	_, err := m.run(t, staging)
	storetest.WantError(t, err, `azure: managed identity aidbox-rg/aidbox-azure-secrets: belongs to delivery "prod/aidbox", whose Key Vaults it reads; not used`)
	storetest.WantHint(t, err, "set azure.identity.clientID to its client id")
	if len(m.wrote()) > before {
		t.Errorf("wrote %v", m.wrote()[before:])
	}
}

func TestFederatedCredentialOfAnotherClusterStays(t *testing.T) {
	m := newManager()
	m.identities = []*armmsi.Identity{managedIdentity("shared-rg", "shared")}
	d := withIdentity(config.IdentityWorkload, kubeletID)
	if _, err := m.run(t, d, "identity"); err != nil {
		t.Fatal(err)
	}
	m.cluster.Properties.OidcIssuerProfile.IssuerURL = to.Ptr("https://west/")
	got, err := m.run(t, d, "identity")
	if err != nil || got[1].Action != "create" || len(m.credentials) != 2 {
		t.Fatalf("changes %+v, error %v", got, err)
	}
	if diff := cmp.Diff(credential("aidbox-aks-default-aidbox", issuer, subject, audience), m.credentials[0]); diff != "" {
		t.Errorf("the other's credential (-want +got):\n%s", diff)
	}
	got, err = m.run(t, d, "identity")
	if err != nil || got[1].Action != "unchanged" {
		t.Errorf("second run: changes %+v, error %v", got, err)
	}
}

func TestIdentityOfTheConfigIsFoundByItsClientID(t *testing.T) {
	m := newManager()
	m.identities = []*armmsi.Identity{nil, {ID: to.Ptr("x")}, managedIdentity("shared-rg", "theirs")}
	got, err := m.run(t, withIdentity(config.IdentityWorkload, kubeletID))
	storetest.Want(t, got, err, "identity unchanged managed identity shared-rg/theirs", "identity create federated credential theirs/aidbox-aks-default-aidbox", "grant create "+grantObject)

	_, err = m.run(t, withIdentity(config.IdentityWorkload, principalID))
	storetest.WantError(t, err, "azure: no managed identity of the subscription has the client id "+principalID)
	storetest.WantHint(t, err, "leave azure.identity.clientID out")
}

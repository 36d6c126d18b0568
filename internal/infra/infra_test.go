package infra

import (
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

func TestInfraIsMadeOnce(t *testing.T) {
	w, d := newWorld(t), delivery()
	plan := []store.Change{
		{Phase: "group", Object: "resource group aidbox-rg", Action: "create", Detail: "in eastus"},
		{Phase: "vault", Object: "Key Vault contoso", Action: "create", Detail: "RBAC authorization, soft delete; in eastus"},
		{Phase: "cluster", Object: "AKS cluster aidbox-rg/aidbox_aks", Action: "create", Detail: "OIDC issuer, workload identity, nodes: 1; in eastus"},
	}
	for _, dryRun := range []bool{true, false} {
		if w.writes != nil {
			t.Fatal("the dry run wrote", w.writes)
		}
		changes, err := w.run(d, dryRun)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(plan, changes); diff != "" {
			t.Error(diff)
		}
	}
	if diff := cmp.Diff([]string{"group aidbox-rg", "vault contoso", "cluster aidbox_aks"}, w.writes); diff != "" {
		t.Error(diff)
	}
	if w.ifMatch != "*" {
		t.Errorf("a cluster that somebody made in the meantime would be overwritten: %q", w.ifMatch)
	}

	w.writes = nil
	changes, err := w.run(d, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		if c.Action != store.Unchanged || c.Warning != "" {
			t.Errorf("%+v", c)
		}
	}
	if w.writes != nil {
		t.Error("the second run wrote", w.writes)
	}
}

func TestWhatIsMadeIsAsTheDeliveryNeedsIt(t *testing.T) {
	w := newWorld(t)
	i := w.infra(delivery())
	i.o.Nodes, i.o.NodeSize = 3, "Standard_D4ds_v5"
	if _, err := provision.Run(t.Context(), i.Steps(), nil, false); err != nil {
		t.Fatal(err)
	}
	p := w.vaults[0].Properties
	if !*p.EnableRbacAuthorization || !*p.EnableSoftDelete || *p.TenantID != tenant || p.EnablePurgeProtection != nil || p.AccessPolicies != nil {
		t.Errorf("%+v", p)
	}
	c := w.cluster.Properties
	pool := c.AgentPoolProfiles[0]
	if !*c.OidcIssuerProfile.Enabled || !*c.SecurityProfile.WorkloadIdentity.Enabled || *c.DNSPrefix != "aidbox-aks" || *pool.Count != 3 || *pool.VMSize != "Standard_D4ds_v5" {
		t.Errorf("%+v %+v", c, pool)
	}
	for what, tags := range map[string]map[string]*string{"group": w.group.Tags, "vault": w.vaults[0].Tags, "cluster": w.cluster.Tags} {
		if azure.Deref(tags["managed-by"]) != "secretctl" {
			t.Errorf("%s: tags %v", what, tags)
		}
	}
}

func TestGroupElsewhereIsUnchangedAndOneBeingDeletedIsAnError(t *testing.T) {
	w := newWorld(t)
	w.group = &armresources.ResourceGroup{Location: new("westeurope")}
	changes, err := provision.Run(t.Context(), w.infra(delivery()).Steps(), []string{"group"}, false)
	if err != nil || changes[0].Action != "unchanged" || changes[0].Detail != "in westeurope" {
		t.Errorf("%+v, %v", changes, err)
	}
	w.group.Properties = &armresources.ResourceGroupProperties{ProvisioningState: new("Deleting")}
	_, err = w.run(delivery(), true)
	if err == nil || err.Error() != "azure: resource group aidbox-rg: is being deleted" || hint.Of(err) == "" {
		t.Error(err)
	}
}

func TestCloudDecidesWhoIsAsked(t *testing.T) {
	for cloud, host := range map[string]string{
		"AzurePublicCloud": "management.azure.com", "AzureUSGovernmentCloud": "management.usgovcloudapi.net", "AzureChinaCloud": "management.chinacloudapi.cn",
	} {
		w, d := newWorld(t), delivery()
		d.Azure.Cloud = cloud
		if _, err := w.run(d, true); err != nil {
			t.Fatal(err)
		}
		for _, got := range w.hosts {
			if got != host {
				t.Errorf("%s: %s", cloud, got)
			}
		}
	}
}

func TestMissingNamesEverySettingThatThePhasesNeed(t *testing.T) {
	tests := []struct {
		change func(*config.Azure)
		phases []string
		want   string
	}{
		{func(*config.Azure) {}, nil, ""},
		{func(a *config.Azure) { *a = config.Azure{} }, nil, "azure.tenantID azure.subscriptionID azure.resourceGroup azure.location azure.cluster"},
		{func(a *config.Azure) { a.TenantID, a.Cluster = "", "" }, []string{"group"}, ""},
		{func(a *config.Azure) { a.TenantID, a.Cluster = "", "" }, []string{"vault"}, "azure.tenantID"},
		{func(a *config.Azure) { a.TenantID, a.Cluster = "", "" }, []string{"cluster"}, "azure.cluster"},
		{func(a *config.Azure) { a.TenantID, a.Location, a.Cluster = "", "", "" }, []string{ForKubeconfig}, "azure.cluster"},
	}
	for _, test := range tests {
		d := delivery()
		test.change(d.Azure)
		if got := strings.Join(Missing(d, test.phases), " "); got != test.want {
			t.Errorf("%v: %q", test.phases, got)
		}
	}
}

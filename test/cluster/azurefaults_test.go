package cluster_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

const present = "store/secret-present"

// workloadFaults are what goes wrong with workload identity, and with the Key Vault
// whoever asks it.
var workloadFaults = []fault{
	// Who the pod is, and what that may do.
	{"no role assignment", (*realCluster).revokeRole, (*realCluster).provision, []expectation{
		{"doctor", podCanRead, "fail", "permission denied: the pod's identity needs the role Key Vault Secrets User...secretctl provision --phase grant"},
		{newPods + workload, deployment, "fail", "FailedMount...ForbiddenByRbac...permission denied...secretctl provision --phase grant"},
	}},
	{"no federated credential", (*realCluster).deleteCredential, (*realCluster).provision, []expectation{
		{"doctor", podCanRead, "fail", "AADSTS70021...federated credential...secretctl provision --phase identity"},
		{newPods + workload, deployment, "fail", "FailedMount...AADSTS70021...federated credential"},
	}},
	{"credential for another subject", changeCredential("subject", "system:serviceaccount:other:aidbox"), (*realCluster).provision, []expectation{
		{"doctor", podCanRead, "fail", "AADSTS700213...for another subject...secretctl provision --phase identity"},
		{newPods + workload, deployment, "fail", "FailedMount...AADSTS700213...for another subject"},
	}},
	{"credential for another audience", changeCredential("audiences", []string{"api://elsewhere"}), (*realCluster).provision, []expectation{
		{"doctor", podCanRead, "fail", "AADSTS700212...for another audience"},
		{newPods + workload, deployment, "fail", "FailedMount...AADSTS700212...for another audience"},
	}},
	{"another ServiceAccount", runAs("default"), (*realCluster).reapply, []expectation{
		{newPods + workload, "workload/service-account", "fail", "ServiceAccount aidbox exists, but Deployment aidbox runs its pods as default"},
		{workload, deployment, "fail", "FailedMount...AADSTS700213...ServiceAccount aidbox exists, but"},
	}},
	{"no tokens requested", beginFault("no-token-requests"), endFault("no-token-requests"), []expectation{
		{"doctor", "cluster/token-requests", "fail", "api://AzureADTokenExchange...tokenRequests"},
		{newPods + workload, deployment, "fail", "FailedMount...service account tokens not found...requests tokens for no audience...tokenRequests"},
	}},

	// What is applied.
	{"another tenant in the class", setParameter("tenantID", "00000000-0000-0000-0000-000000000009"), (*realCluster).reapply, []expectation{
		{newPods + workload, class, "fail", `tenantID is "00000000-0000-0000-0000-000000000009", not...secretctl render --only SecretProviderClass`},
		{workload, deployment, "fail", "FailedMount...AADSTS90002...tenantID is"},
	}},
	{"another client id in the class", setParameter("clientID", "00000000-0000-0000-0000-000000000008"), (*realCluster).reapply, []expectation{
		{newPods + workload, class, "fail", `clientID is "00000000-0000-0000-0000-000000000008", not`},
		{workload, deployment, "fail", "FailedMount...AADSTS700016...clientID is"},
	}},
	{"another Key Vault in the class", setParameter("keyvaultName", "no-such-vault"), (*realCluster).reapply, []expectation{
		{newPods + workload, class, "fail", `keyvaultName is "no-such-vault", not "contoso-aidbox"`},
		{workload, deployment, "fail", "FailedMount...no such host...keyvaultName is"},
	}},

	{"another secret in the class", setParameter("objects", "array:\n  - |\n    objectName: absent\n    objectType: secret\n    objectAlias: client-secret\n"), (*realCluster).reapply, []expectation{
		{newPods + workload, class, "fail", `objectName is "absent", not "NAMESPACE-client-secret"`},
		{workload, deployment, "fail", "FailedMount...SecretNotFound...objectName is"},
	}},

	// The secret.
	{"secret deleted", (*realCluster).softDelete, (*realCluster).recover, []expectation{
		{"doctor", present, "fail", "is deleted, and can be recovered...secretctl provision --recover"},
		{newPods + workload, deployment, "fail", "FailedMount...SecretNotFound...is deleted, and can be recovered...secretctl provision --recover"},
	}},
	{"secret disabled", setAttribute("enabled", false), setAttribute("enabled", true), []expectation{
		{"doctor", present, "fail", "is disabled...az keyvault secret set-attributes"},
		{newPods + workload, deployment, "fail", "FailedMount...SecretDisabled...is disabled"},
	}},
	{"secret expired", setExpiry(-time.Hour), setExpiry(90 * 24 * time.Hour), []expectation{
		{"doctor", present, "warn", "it expired on...secretctl rotate client-secret"},
	}},
	{"secret not yet valid", setAttribute("nbf", time.Now().Add(time.Hour).Unix()), setAttribute("nbf", time.Now().Add(-time.Hour).Unix()), []expectation{
		{"doctor", present, "warn", "it is not valid before"},
	}},

	// Azure, and the network before it.
	{"firewall", beginFault("azure-firewall"), endFault("azure-firewall"), []expectation{
		{"doctor", present, "unknown", "does not take requests from this network...az keyvault network-rule add"},
		{newPods + workload, deployment, "fail", "FailedMount...ForbiddenByFirewall...does not take requests from this network"},
	}},
	{"throttled", beginFault("azure-throttled"), endFault("azure-throttled"), []expectation{
		{newPods + workload, deployment, "fail", "FailedMount...429...Throttled"},
	}},
	{"login down", beginFault("azure-login-down"), endFault("azure-login-down"), []expectation{
		{newPods + workload, deployment, "fail", "FailedMount...AADSTS90033"},
	}},
	{"access revoked meanwhile", (*realCluster).revokeRole, (*realCluster).provision, []expectation{
		{meanwhile + rotate, mounted, "fail", "still the old value...permission denied...secretctl provision --phase grant"},
	}},
}

// kubeletFaults are what goes wrong with the identity of the nodes.
var kubeletFaults = []fault{
	{"no role assignment", (*realCluster).revokeRole, (*realCluster).provision, []expectation{
		{fromNode, podCanRead, "fail", "FailedMount...ForbiddenByRbac...is not assigned to kubelet identity...secretctl provision --phase grant"},
	}},
	{"identity not on the node", setParameter("userAssignedIdentityID", "00000000-0000-0000-0000-000000000008"), (*realCluster).reapply, []expectation{
		{newPods + workload, class, "fail", `userAssignedIdentityID is "00000000-0000-0000-0000-000000000008", not`},
		{workload, deployment, "fail", "FailedMount...the requested identity isn't assigned to this resource...userAssignedIdentityID is"},
	}},
	{"secret deleted", (*realCluster).softDelete, (*realCluster).recover, []expectation{
		{fromNode, podCanRead, "fail", "FailedMount...SecretNotFound...is deleted, and can be recovered...secretctl provision --recover"},
		{newPods + workload, deployment, "fail", "FailedMount...SecretNotFound...is deleted, and can be recovered...secretctl provision --recover"},
	}},
}

// providerFaults interrupt whatever the provider does.
var providerFaults = []fault{
	{"provider gone meanwhile", beginFault("azure-provider-gone"), endFault("azure-provider-gone"), []expectation{
		{meanwhile + rotateSlowly, mounted, "fail", "still the old value...provider does not run on node node1"},
	}},
}

// TestRealClusterAzureFaults is TestRealClusterFaults with Azure Key Vault. The provider
// asks a metadata service that is down for 99 s before it says so: meanwhile other
// things break.
func TestRealClusterAzureFaults(t *testing.T) {
	rc, nodes := newAzureCluster(t, "azure-workload-faults", "workload"), newAzureCluster(t, "azure-kubelet-faults", "kubelet")
	beginFault("azure-metadata-down")(nodes, t)
	defer endFault("azure-metadata-down")(nodes, t)
	nodes.deletePods(t)
	t.Run("workload", func(t *testing.T) {
		t.Log("\n$ secretctl rotate client-secret\n" + rc.ok(t, "rotate client-secret"))
		rc.checkFaults(t, workloadFaults)
	})
	t.Run("metadata service down", func(t *testing.T) {
		t.Log(nodes.findAll(t, fault{expected: []expectation{
			{workload, deployment, "fail", "FailedMount...ManagedIdentityCredential authentication failed...503 Service Unavailable"},
		}}))
		endFault("azure-metadata-down")(nodes, t)
	})
	t.Run("kubelet", func(t *testing.T) { nodes.checkFaults(t, kubeletFaults) })
	t.Run("provider", func(t *testing.T) { rc.checkFaults(t, providerFaults) })
}

// revokeRole removes the roles of the identity that reads.
func (rc *realCluster) revokeRole(t *testing.T) {
	a := rc.azure
	reader, field := a.identity(), "principalId"
	if rc.namespace == "azure-kubelet-faults" {
		reader, field = a.group()+"/providers/Microsoft.ContainerService/managedClusters/"+a.env["AZURE_CLUSTER"], "objectId"
	}
	properties, _ := a.ok(t, http.MethodGet, armURL+reader, nil)["properties"].(map[string]any)
	if profile, ok := properties["identityProfile"].(map[string]any); ok {
		properties = profile["kubeletidentity"].(map[string]any)
	}
	principal, _ := properties[field].(string)
	for _, role := range a.list(t, armURL+a.group()+"/providers/Microsoft.Authorization/roleAssignments?$filter=principalId%20eq%20'"+principal+"'") {
		a.ok(t, http.MethodDelete, armURL+role["id"].(string), nil)
	}
}

// credential returns the federated credential of the namespace.
func (rc *realCluster) credential(t *testing.T) map[string]any {
	t.Helper()
	for _, c := range rc.azure.list(t, armURL+rc.azure.identity()+"/federatedIdentityCredentials") {
		if strings.Contains(c["name"].(string), rc.namespace) {
			return c
		}
	}
	t.Fatal("there is no federated credential of the namespace")
	return nil
}

func (rc *realCluster) deleteCredential(t *testing.T) {
	rc.azure.ok(t, http.MethodDelete, armURL+rc.credential(t)["id"].(string), nil)
}

func changeCredential(field string, value any) func(*realCluster, *testing.T) {
	return func(rc *realCluster, t *testing.T) {
		c := rc.credential(t)
		c["properties"].(map[string]any)[field] = value
		rc.azure.ok(t, http.MethodPut, armURL+c["id"].(string), c)
	}
}

func runAs(account string) func(*realCluster, *testing.T) {
	return func(rc *realCluster, t *testing.T) {
		rc.kubectl(t, "", "patch", "deployment", "aidbox", "-p", `{"spec": {"template": {"spec": {"serviceAccountName": "`+account+`"}}}}`)
	}
}

func setParameter(name, value string) func(*realCluster, *testing.T) {
	return func(rc *realCluster, t *testing.T) {
		rc.kubectl(t, "", "patch", "secretproviderclass", "aidbox-azure-secrets", "--type=merge", "-p", fmt.Sprintf(`{"spec": {"parameters": {%q: %q}}}`, name, value))
	}
}

// inKeyVault is the address of the secret below a part of the Key Vault's API.
func (rc *realCluster) inKeyVault(part string) string {
	return keyVaultURL + part + "/" + rc.in("NAMESPACE-client-secret")
}

func (rc *realCluster) softDelete(t *testing.T) {
	rc.azure.ok(t, http.MethodDelete, rc.inKeyVault("secrets"), nil)
}

func (rc *realCluster) recover(t *testing.T) { rc.ok(t, "provision --recover") }

func setAttribute(name string, value any) func(*realCluster, *testing.T) {
	return func(rc *realCluster, t *testing.T) {
		rc.azure.ok(t, http.MethodPatch, rc.inKeyVault("secrets"), map[string]any{"attributes": map[string]any{name: value}})
	}
}

func setExpiry(from time.Duration) func(*realCluster, *testing.T) {
	return func(rc *realCluster, t *testing.T) { setAttribute("exp", time.Now().Add(from).Unix())(rc, t) }
}

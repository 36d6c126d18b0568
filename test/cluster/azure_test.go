package cluster_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const azureConfig = `apiVersion: secretctl.dev/v1
provider: azure
namespace: NAMESPACE
azure:
  keyVault: contoso-aidbox
  subscriptionID: SUBSCRIPTION
  resourceGroup: GROUP
  location: eastus
  cluster: CLUSTER
  identity: {type: IDENTITY}
aidbox:
  url: service
  image: aidbox-standin:1
  scopeFormat: references
  replicas: 2
  env: [{name: BOX_ROOT_CLIENT_SECRET, value: ADMIN}]
secrets:
  - name: client-secret
    objectName: NAMESPACE-client-secret
    scope: [Client/basic]
    value: {generate: {length: 32}}
    expiresIn: 90d
resources:
  - type: Client
    id: basic
    secrets: {secret: client-secret}
    body: {grant_types: [client_credentials, basic]}
    accessPolicy: allow
`

// newAzureCluster sets up a namespace with Azure Key Vault and a type of identity.
func newAzureCluster(t *testing.T, name, identity string, replace ...string) *realCluster {
	t.Helper()
	requireCluster(t)
	rc := &realCluster{namespace: name, azure: openAzure(t)}
	env := rc.azure.env
	if identity == "node" {
		identity += ", clientID: " + env["AZURE_NODE_CLIENT_ID"]
	}
	rc.setUp(t, strings.NewReplacer("NAMESPACE", name, "SUBSCRIPTION", env["AZURE_SUBSCRIPTION"], "GROUP", env["AZURE_RESOURCE_GROUP"],
		"CLUSTER", env["AZURE_CLUSTER"], "IDENTITY", identity, "ADMIN", rootSecret).Replace(azureConfig), replace...)
	return rc
}

func withAzure() string { return filepath.Join(os.Getenv("SECRETCTL_TEST_CLUSTER"), "with-azure") }

const (
	rotateCanary = "rotate --canary"

	keyVaultURL = "https://contoso-aidbox.vault.azure.net/"
	armURL      = "https://management.azure.com"
)

// azureCloud is what the cluster has for Azure, asked as its owner.
type azureCloud struct {
	env    map[string]string
	client *http.Client
}

func openAzure(t *testing.T) *azureCloud {
	t.Helper()
	dir := os.Getenv("CLUSTER_AZURE")
	text, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for word := range strings.FieldsSeq(string(text)) {
		if name, value, found := strings.Cut(word, "="); found {
			env[name] = value
		}
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &azureCloud{env, &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, env["AZURE_ADDRESS"]+":443")
		},
	}}}
}

// ok makes a request as the owner that has to succeed, and returns the decoded answer.
func (a *azureCloud) ok(t *testing.T, method, address string, body any) (answer map[string]any) {
	t.Helper()
	status, answer := a.do(t, a.env["AZURE_TOKEN"], method, address, body)
	if status >= http.StatusMultipleChoices {
		t.Fatalf("%s %s: %d %v", method, address, status, answer)
	}
	return answer
}

// do makes a request with a token, and returns the status and the decoded answer.
func (a *azureCloud) do(t *testing.T, token, method, address string, body any) (status int, answer map[string]any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	query := at.Query()
	query.Set("api-version", "7.4")
	at.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(t.Context(), method, at.String(), strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := a.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatalf("%s %s: %d, %v", method, address, resp.StatusCode, err)
	}
	return resp.StatusCode, answer
}

// version returns the id of a secret's current version.
func (a *azureCloud) version(t *testing.T, secret string) string {
	t.Helper()
	id, _ := a.ok(t, http.MethodGet, keyVaultURL+"secrets/"+secret, nil)["id"].(string)
	return path.Base(id)
}

// list returns what is at an address of the resource manager.
func (a *azureCloud) list(t *testing.T, address string) (found []map[string]any) {
	t.Helper()
	values, _ := a.ok(t, http.MethodGet, address, nil)["value"].([]any)
	for _, v := range values {
		found = append(found, v.(map[string]any))
	}
	return found
}

func (a *azureCloud) group() string {
	return "/subscriptions/" + a.env["AZURE_SUBSCRIPTION"] + "/resourceGroups/" + a.env["AZURE_RESOURCE_GROUP"]
}

// makeIdentity creates a managed identity and returns its client id.
func (a *azureCloud) makeIdentity(t *testing.T, name string) string {
	t.Helper()
	made := a.ok(t, http.MethodPut, armURL+a.group()+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/"+name, map[string]any{"location": "eastus"})
	properties, _ := made["properties"].(map[string]any)
	clientID, _ := properties["clientId"].(string)
	if clientID == "" {
		t.Fatalf("no client id in %v", made)
	}
	return clientID
}

// identity is the managed identity that provision created for workload identity.
func (a *azureCloud) identity() string {
	return a.group() + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/aidbox-azure-secrets"
}

// The tutorial for each type of identity. Two of them have a second Key Vault. With the
// add-on's, the canary is rotated in place of Aidbox's own secret.
func TestRealClusterAzureTutorial(t *testing.T) {
	t.Parallel()
	const client = "rotate client-secret"
	secondVault := func(name string) []string {
		return []string{"resources:\n", `  - name: signing-key
    objectName: azure-` + name + `-signing-key
    keyVault: fabrikam
    scope: [Client/basic]
    value: {generate: {length: 64}}
resources:
`}
	}
	for identity, c := range map[string]struct {
		rotate  string
		replace []string
	}{
		"kubelet":  {client, nil},
		"system":   {client, nil},
		"addon":    {rotateCanary, []string{"provider: azure\n", "provider: azure\ncanary: true\n"}},
		"node":     {client, secondVault("node")},
		"workload": {client, secondVault("workload")},
	} {
		t.Run(identity, func(t *testing.T) {
			t.Parallel()
			newAzureCluster(t, "azure-"+identity, identity, c.replace...).checkAzureTutorial(t, identity, c.rotate)
		})
	}
}

func (rc *realCluster) checkAzureTutorial(t *testing.T, identity, rotate string) {
	before := rc.pods(t, ".metadata.name")
	t.Log("\n$ secretctl verify\n" + rc.ok(t, "verify"))
	rc.checkEveryReplicaVerified(t)
	rc.checkVersionInStatus(t)
	t.Log("\n$ secretctl " + rotate + "\n" + rc.ok(t, rotate))
	if rotate == rotateCanary {
		rc.followOlderClient(t)
	}
	rc.checkTimeline(t)
	rc.checkVersionInStatus(t)
	if out := rc.ok(t, "diff"); out != "" {
		t.Errorf("diff prints\n%s", out)
	}
	rc.checkDoctor(t, identity)
	if after := rc.pods(t, ".metadata.name"); !slices.Equal(before, after) {
		t.Errorf("the pods were %v and are %v", before, after)
	}
}

// followOlderClient has the client that the provider is built with write the canary's
// next value, of which secretctl learns by following it.
func (rc *realCluster) followOlderClient(t *testing.T) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "azureclient")
	if out, err := exec.Command("go", "build", "-C", "../azureclient", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := exec.Command(withAzure(), program, "set", "secretctl-canary")
	c.Env = append(os.Environ(), "KEY_VAULT="+keyVaultURL, "KEY_VAULT_TOKEN="+rc.azure.env["AZURE_TOKEN"])
	c.Stdin = strings.NewReader(`{"value": "` + rand.Text() + `"}`)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Log("\n$ secretctl rotate secretctl-canary --follow\n" + rc.ok(t, "rotate secretctl-canary --follow"))
	rc.ok(t, "provision --adopt") // which has the tags of secretctl again
}

// checkDoctor expects all prerequisites: a pod makes the login that the node alone can
// make. An identity of the nodes takes no token of the pod.
func (rc *realCluster) checkDoctor(t *testing.T, identity string) {
	_, checks, _ := rc.report(t, "doctor --from-node")
	for _, c := range checks {
		skipped := c.ID == "cluster/token-requests" && identity != "workload" && c.Status == "skip"
		if c.Status != "pass" && !skipped {
			t.Errorf("doctor: %s", c)
		}
		if c.ID == podCanRead {
			t.Log(c)
		}
	}
	rc.checkNoProbe(t)
}

// checkVersionInStatus compares what the provider reports of each pod with the store.
func (rc *realCluster) checkVersionInStatus(t *testing.T) {
	t.Helper()
	secret := rc.in("NAMESPACE-client-secret")
	want := "secret/" + secret + " " + rc.azure.version(t, secret)
	pods := rc.pods(t, ".metadata.name")
	got := map[string]string{}
	for line := range strings.Lines(rc.kubectl(t, "", "get", "secretproviderclasspodstatuses", "-o",
		`go-template={{range .items}}{{$pod := .status.podName}}{{range .status.objects}}{{$pod}} {{.id}} {{.version}}{{"\n"}}{{end}}{{end}}`)) {
		pod, object, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(object, "secret/"+secret+" ") {
			got[pod] = object
		}
	}
	for _, pod := range pods {
		if got[pod] != want {
			t.Errorf("the status of %s has %q, and the store has %q", pod, got[pod], want)
		}
	}
	if len(got) != len(pods) {
		t.Errorf("pods %v, and the status of %v", pods, slices.Collect(maps.Keys(got)))
	}
}

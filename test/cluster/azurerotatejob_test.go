package cluster_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRealClusterAzureRotatesOnSchedule runs Jobs of the CronJob with Azure's provider: one
// that rotates, with a workload identity of its own, and one with nothing to do.
func TestRealClusterAzureRotatesOnSchedule(t *testing.T) {
	t.Parallel()
	requireCluster(t)
	const name, rotated, other = "azure-rotatejob", "azure-rotatejob-client-secret", "azure-rotatejob-other"
	// The identity with the default name is that of the tutorial's delivery.
	rc := newAzureCluster(t, name, "workload, clientID: "+openAzure(t).makeIdentity(t, name),
		"secrets:\n", "rotateJob: {secrets: [client-secret]}\nsecrets:\n  - {name: other-secret, objectName: "+other+", scope: [Client/basic], value: {generate: {}}}\n")
	t.Cleanup(func() {
		_ = exec.Command("kubectl", "delete", "clusterrole,clusterrolebinding", "azure-rotatejob-aidbox-rotate").Run()
	})
	apply := func() {
		rc.kubectl(t, rc.ok(t, "render --only rotate-job --image aidbox-standin:1"), "apply", "--validate=strict", "--server-side", "--force-conflicts", "-f", "-")
		rc.trustAzure(t, "cronjob/aidbox-rotate")
	}
	apply()
	before, untouched := rc.azure.version(t, rotated), rc.azure.version(t, other)

	said := rc.runJob(t, "aidbox-rotate", "first", "Complete")
	rc.wantLines(t, said, "√ rotation/store-updated ", "√ rotation/mounted ", "√ rotation/new-accepted ", "√ rotation/old-rejected ", "√ rotation/no-restart ")
	if strings.Contains(said, "forbidden") || strings.Contains(said, "other-secret") {
		t.Error("a right is missing, or another secret is rotated")
	}
	after := rc.azure.version(t, rotated)
	if after == before || rc.azure.version(t, other) != untouched {
		t.Errorf("version %s became %s, and that of the other secret %s became %s", before, after, untouched, rc.azure.version(t, other))
	}
	rc.checkVersionInStatus(t)

	job := rc.azure.federatedToken(t, rc, "aidbox-rotate", "aidbox-azure-secrets-rotate")
	pod := rc.azure.federatedToken(t, rc, "aidbox", name)
	for _, c := range []struct {
		name, token, method, secret string
		want                        int
	}{
		{"the job reads its secret", job, http.MethodGet, rotated, http.StatusOK},
		{"the job reads another secret", job, http.MethodGet, other, http.StatusForbidden},
		{"the job writes another secret", job, http.MethodPut, other, http.StatusForbidden},
		{"the pod reads the secret", pod, http.MethodGet, rotated, http.StatusOK},
		{"the pod writes the secret", pod, http.MethodPut, rotated, http.StatusForbidden},
	} {
		if got, _ := rc.azure.do(t, c.token, c.method, keyVaultURL+"secrets/"+c.secret, map[string]string{"value": "written-in-the-test"}); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}

	rc.edit(t, "value: {generate: {length: 32}}", "value: {generate: {length: 32}}\n    maxAge: 30d")
	apply()
	said = rc.runJob(t, "aidbox-rotate", "young", "Complete")
	rc.wantLines(t, said, "has arrived, and its value is not due before ", "nothing was written")
	if got := rc.azure.version(t, rotated); got != after {
		t.Errorf("a young secret was rotated: version %s became %s", after, got)
	}
}

// trustAzure has the pods of a CronJob trust the certificate of the cluster's Azure. A
// public one needs no such thing.
func (rc *realCluster) trustAzure(t *testing.T, cronJob string) {
	t.Helper()
	manifest := rc.kubectl(t, "", "create", "configmap", "azure-ca", "--from-file="+filepath.Join(os.Getenv("CLUSTER_AZURE"), "ca.pem"), "--dry-run=client", "-o", "json")
	rc.kubectl(t, manifest, "apply", "-f", "-")
	rc.kubectl(t, "", "patch", cronJob, "--type=strategic", "-p", `{"spec": {"jobTemplate": {"spec": {"template": {"spec": {
		"containers": [{"name": "secretctl", "env": [{"name": "SSL_CERT_FILE", "value": "/azure/ca.pem"}], "volumeMounts": [{"name": "azure-ca", "mountPath": "/azure", "readOnly": true}]}],
		"volumes": [{"name": "azure-ca", "configMap": {"name": "azure-ca"}}]}}}}}}`)
}

// federatedToken logs in as a managed identity with a token of a ServiceAccount.
func (a *azureCloud) federatedToken(t *testing.T, rc *realCluster, account, identity string) string {
	t.Helper()
	is := a.ok(t, http.MethodGet, armURL+a.group()+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/"+identity, nil)
	clientID, _ := is["properties"].(map[string]any)["clientId"].(string)
	resp, err := a.client.PostForm("https://login.microsoftonline.com/"+a.env["AZURE_TENANT_ID"]+"/oauth2/v2.0/token", url.Values{
		"client_id":        {clientID},
		"client_assertion": {strings.TrimSpace(rc.kubectl(t, "", "create", "token", account, "--audience=api://AzureADTokenExchange"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("ServiceAccount %s does not get a token of %s: %s, %v", account, identity, resp.Status, err)
	}
	return answer.Token
}

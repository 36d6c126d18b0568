package cmd_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/secretctl/secretctl/cmd"
)

// docs/performance.md promises it, however Aidbox is reached.
func TestWholeVerifyListsThePodsOnce(t *testing.T) {
	const pod = `{"metadata": {"name": "aidbox-1", "namespace": "default", "uid": "p", "ownerReferences": [{"kind": "ReplicaSet", "uid": "r", "controller": true}]},
		"spec": {"containers": [{"name": "aidbox"}]}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}`
	answers := map[string]string{
		"/apis/apps/v1/namespaces/default/deployments/aidbox": `{"metadata": {"name": "aidbox", "namespace": "default", "uid": "d"}, "spec": {"selector": {"matchLabels": {"app": "aidbox"}}}}`,
		"/apis/apps/v1/namespaces/default/replicasets":        `{"items": [{"metadata": {"name": "r", "uid": "r", "ownerReferences": [{"kind": "Deployment", "uid": "d", "controller": true}]}}]}`,
		"/api/v1/namespaces/default/pods":                     `{"items": [` + pod + `]}`,
		"/api/v1/namespaces/default/pods/aidbox-1":            pod,
	}
	var mu sync.Mutex
	asked := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.URL.Path]++
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if answer, ok := answers[r.URL.Path]; ok {
			_, _ = io.WriteString(w, answer)
			return
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound", "message": "not found"}`)
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"kubeconfig": fmt.Sprintf(fixtureKubeconfig, server.URL),
		"secretctl.yaml": fmt.Sprintf(`apiVersion: secretctl.dev/v1
provider: vault
vault: {address: %[1]q, csiAddress: "http://vault.default:8200"}
aidbox: {url: service, scopeFormat: references, image: "healthsamurai/aidboxone:2605"}
secrets: [{name: client-secret, scope: [Client/basic], value: {env: VALUE}}]
resources: [{type: Client, id: basic, secrets: {secret: client-secret}, body: {grant_types: [basic]}}]
`, server.URL),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, narration bytes.Buffer
	cmd.Run(t.Context(), []string{"verify", "-c", filepath.Join(dir, "secretctl.yaml"), "--kubeconfig", filepath.Join(dir, "kubeconfig")}, cmd.IO{
		In: strings.NewReader(""), Out: &out, Err: &narration, LookupEnv: func(name string) (string, bool) {
			return "a-value-for-the-test", name == "VALUE" || name == "AIDBOX_CLIENT_SECRET"
		},
	})
	if asked["/api/v1/namespaces/default/pods"] != 1 || asked["/api/v1/namespaces/default/pods/aidbox-1/portforward"] == 0 {
		t.Errorf("asked %v\n%s%s", asked, &out, &narration)
	}
}

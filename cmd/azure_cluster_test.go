package cmd_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// jwt is a token of a ServiceAccount, by the cluster that Azure knows.
func (s *azureScriptEnv) jwt(account string, audiences []string) string {
	claims, _ := json.Marshal(map[string]any{
		"iss": s.azure.Issuer, "sub": "system:serviceaccount:default:" + account, "aud": audiences, "exp": time.Now().Add(time.Hour).Unix(),
	})
	return "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".c4n4ry"
}

// cluster starts as much of an API server as a login of the pod takes: it makes
// tokens of ServiceAccounts, as the cluster does that Azure knows.
func (s *azureScriptEnv) cluster(ts *testscript.TestScript, _ bool, _ []string) {
	const accounts = "/api/v1/namespaces/default/serviceaccounts/"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		account, isToken := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, accounts), "/token")
		if !isToken {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"kind": "Status", "apiVersion": "v1", "code": 404, "reason": "NotFound"}`))
			return
		}
		var asked struct{ Spec struct{ Audiences []string } }
		_ = json.NewDecoder(r.Body).Decode(&asked)
		_, _ = fmt.Fprintf(w, `{"status": {"token": %q}}`, s.jwt(account, asked.Spec.Audiences))
	}))
	ts.Defer(server.Close)
	path := ts.MkAbs("kubeconfig")
	ts.Check(os.WriteFile(path, []byte(`{"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"contexts": [{"name": "c", "context": {"cluster": "c"}}], "clusters": [{"name": "c", "cluster": {"server": "`+server.URL+`"}}]}`), 0o600))
	ts.Setenv("KUBECONFIG", path)
}

// job makes the environment and the files that the pod of a rendered CronJob has:
// job.yaml is its config.
func (s *azureScriptEnv) job(ts *testscript.TestScript, _ bool, args []string) {
	s.as(ts, ownLogin)
	for document := range strings.SplitSeq(ts.ReadFile(args[0]), "\n---\n") {
		var config corev1.ConfigMap
		ts.Check(yaml.Unmarshal([]byte(document), &config))
		if text := config.Data["secretctl.yaml"]; text != "" {
			ts.Check(os.WriteFile(ts.MkAbs("job.yaml"), []byte(text), 0o600))
		}
		if config.Kind != "CronJob" {
			continue
		}
		var job batchv1.CronJob
		ts.Check(yaml.Unmarshal([]byte(document), &job))
		pod := job.Spec.JobTemplate.Spec.Template.Spec
		for _, e := range pod.Containers[0].Env {
			ts.Setenv(e.Name, e.Value)
		}
		for _, v := range pod.Volumes {
			if v.Projected == nil {
				continue
			}
			token := s.jwt(pod.ServiceAccountName, []string{v.Projected.Sources[0].ServiceAccountToken.Audience})
			ts.Setenv("AZURE_FEDERATED_TOKEN_FILE", ts.MkAbs("token"))
			ts.Check(os.WriteFile(ts.MkAbs("token"), []byte(token), 0o600))
		}
	}
}

// onNode has a job run on a node: the metadata service there gives out tokens of
// the node's identities.
func (s *azureScriptEnv) onNode(ts *testscript.TestScript, _ bool, _ []string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := s.azure.PodToken(r.URL.Query().Get("client_id"))
		if r.Header.Get("Metadata") != "true" || r.URL.Path != "/metadata/identity/oauth2/token" || token == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token": %q, "expires_on": "%d", "token_type": "Bearer"}`, token, time.Now().Add(time.Hour).Unix())
	}))
	ts.Defer(server.Close)
	s.metadata = strings.TrimPrefix(server.URL, "http://")
	s.as(ts, ownLogin)
}

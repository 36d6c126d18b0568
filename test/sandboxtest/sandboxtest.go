// Package sandboxtest starts the stand-ins for a test and talks to them.
package sandboxtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
	"github.com/secretctl/secretctl/internal/sandbox/vault"
)

// Web opens a connection for each request, so that none outlives a server.
var Web = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// StartVault starts a Vault.
func StartVault(t *testing.T) *vault.Server {
	t.Helper()
	v, err := vault.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// StartKubernetes starts a cluster.
func StartKubernetes(t *testing.T) *kubernetes.Server {
	t.Helper()
	k, err := kubernetes.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// VaultClient is a Vault that a test talks to as the owner of a token.
type VaultClient struct{ URL, Token string }

// Do makes a request "METHOD path body" and returns the status and the answer.
func (v VaultClient) Do(t *testing.T, request string) (int, map[string]any) {
	t.Helper()
	method, rest, _ := strings.Cut(request, " ")
	path, body, _ := strings.Cut(rest, " ")
	status, content := Send(t, method, v.URL+"/v1/"+path, body, http.Header{"X-Vault-Token": {v.Token}, "Content-Type": {"application/json"}})
	var answer map[string]any
	if len(content) > 0 {
		if err := json.Unmarshal(content, &answer); err != nil {
			t.Fatalf("%s: %d, no JSON: %s", request, status, content)
		}
	}
	return status, answer
}

// Must makes requests that have to succeed, and returns the last answer.
func (v VaultClient) Must(t *testing.T, requests ...string) (answer map[string]any) {
	t.Helper()
	for _, r := range requests {
		var status int
		if status, answer = v.Do(t, r); status >= http.StatusBadRequest {
			t.Fatalf("%s: %d %v", r, status, answer)
		}
	}
	return answer
}

// TokenFor makes a token with one policy, which is in HCL.
func (v VaultClient) TokenFor(t *testing.T, policy string) VaultClient {
	t.Helper()
	body, err := json.Marshal(map[string]string{"policy": policy})
	if err != nil {
		t.Fatal(err)
	}
	v.Must(t, "PUT sys/policies/acl/test "+string(body))
	auth := v.Must(t, `POST auth/token/create {"policies":["test"]}`)["auth"].(map[string]any)
	return VaultClient{URL: v.URL, Token: auth["client_token"].(string)}
}

// Deliver sets up what the tests' manifests need: the secret, and the right of
// the pod to read it.
func (v VaultClient) Deliver(t *testing.T, k *kubernetes.Server, value string) {
	t.Helper()
	v.Must(t,
		`POST sys/auth/kubernetes {"type":"kubernetes"}`,
		`POST auth/kubernetes/config {"kubernetes_host":"`+k.URL+`","disable_local_ca_jwt":true}`,
		`PUT sys/policies/acl/aidbox {"policy":"path \"secret/data/aidbox/*\" { capabilities = [\"read\"] }"}`,
		`POST auth/kubernetes/role/aidbox {"bound_service_account_names":"aidbox","bound_service_account_namespaces":"default","token_policies":"aidbox","token_ttl":"1h"}`,
	)
	v.Store(t, value)
}

// Store writes the secret, and beside it a second one.
func (v VaultClient) Store(t *testing.T, value string) {
	t.Helper()
	v.Must(t, `POST secret/data/aidbox/client {"data":{"client-secret":"`+value+`","other":"00ff"}}`)
}

// Send makes a request and returns the answer.
func Send(t *testing.T, method, url, body string, header http.Header) (status int, content []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := Web.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	content, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, bytes.TrimSpace(content)
}

// Eventually waits until a condition holds.
func Eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

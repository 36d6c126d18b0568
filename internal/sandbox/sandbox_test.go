package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox"
)

var update = flag.Bool("update", false, "record the answers of a real server anew")

// web opens a connection for each request, so that none outlives a server.
var web = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func startVault(t *testing.T) *sandbox.Vault {
	t.Helper()
	v, err := sandbox.StartVault()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func startKubernetes(t *testing.T) *sandbox.Kubernetes {
	t.Helper()
	k, err := sandbox.StartKubernetes()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// vault is a Vault that a test talks to as the owner of a token.
type vault struct{ url, token string }

// do makes a request "METHOD path body" and returns the status and the answer.
func (v vault) do(t *testing.T, request string) (int, map[string]any) {
	t.Helper()
	method, rest, _ := strings.Cut(request, " ")
	path, body, _ := strings.Cut(rest, " ")
	status, content := send(t, method, v.url+"/v1/"+path, body, http.Header{"X-Vault-Token": {v.token}, "Content-Type": {"application/json"}})
	var answer map[string]any
	if len(content) > 0 {
		if err := json.Unmarshal(content, &answer); err != nil {
			t.Fatalf("%s: %d, no JSON: %s", request, status, content)
		}
	}
	return status, answer
}

// must makes requests that have to succeed, and returns the last answer.
func (v vault) must(t *testing.T, requests ...string) (answer map[string]any) {
	t.Helper()
	for _, r := range requests {
		var status int
		if status, answer = v.do(t, r); status >= http.StatusBadRequest {
			t.Fatalf("%s: %d %v", r, status, answer)
		}
	}
	return answer
}

// tokenFor makes a token with one policy, which is in HCL.
func (v vault) tokenFor(t *testing.T, policy string) vault {
	t.Helper()
	body, err := json.Marshal(map[string]string{"policy": policy})
	if err != nil {
		t.Fatal(err)
	}
	v.must(t, "PUT sys/policies/acl/test "+string(body))
	auth := v.must(t, `POST auth/token/create {"policies":["test"]}`)["auth"].(map[string]any)
	return vault{v.url, auth["client_token"].(string)}
}

// deliver sets up what the tests' manifests need: the secret, and the right of
// the pod to read it.
func (v vault) deliver(t *testing.T, k *sandbox.Kubernetes, value string) {
	t.Helper()
	reviewer, err := k.Token("vault", "vault")
	if err != nil {
		t.Fatal(err)
	}
	v.must(t,
		`POST sys/auth/kubernetes {"type":"kubernetes"}`,
		`POST auth/kubernetes/config {"kubernetes_host":"`+k.URL+`","token_reviewer_jwt":"`+reviewer+`","disable_local_ca_jwt":true}`,
		`PUT sys/policies/acl/aidbox {"policy":"path \"secret/data/aidbox/*\" { capabilities = [\"read\"] }"}`,
		`POST auth/kubernetes/role/aidbox {"bound_service_account_names":"aidbox","bound_service_account_namespaces":"default","policies":"aidbox","ttl":"1h"}`,
	)
	v.store(t, value)
}

// store writes the secret, and beside it a second one.
func (v vault) store(t *testing.T, value string) {
	t.Helper()
	v.must(t, `POST secret/data/aidbox/client {"data":{"client-secret":"`+value+`","number":7}}`)
}

func send(t *testing.T, method, url, body string, header http.Header) (status int, content []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := web.Do(req)
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

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
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

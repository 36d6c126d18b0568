package vault_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
	sandbox "github.com/secretctl/secretctl/internal/sandbox/vault"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
	"github.com/secretctl/secretctl/internal/store/vault"
	"github.com/secretctl/secretctl/test/realvault"
)

// backend is a Vault, real or not, with a KV version 2 engine at secret/.
type backend struct {
	url, token, unsealKey string
}

func startReal(t *testing.T) *backend {
	s := realvault.Start(t, realvault.File())
	return &backend{s.Address, s.RootToken, s.UnsealKey}
}

func startStandIn(t *testing.T) *backend {
	s, err := sandbox.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &backend{s.URL, s.RootToken, s.UnsealKey}
}

// call makes a request as root; an answer of 400 or more ends the test, but for
// 404, which returns nil.
func (b *backend) call(t testing.TB, method, path string, body any) map[string]any {
	t.Helper()
	content, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, b.url+"/v1/"+path, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Vault-Token", b.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusNotFound {
		return nil
	}
	if resp.StatusCode >= http.StatusBadRequest {
		t.Fatalf("%s %s: %s: %s", method, path, resp.Status, answer)
	}
	var out map[string]any
	if len(answer) > 0 {
		if err := json.Unmarshal(answer, &out); err != nil {
			t.Fatalf("%s %s: %s", method, path, answer)
		}
	}
	return out
}

// data returns the values at a KV path, and its version; nil and 0 where nothing
// is there.
func (b *backend) data(t testing.TB, path string) (values map[string]any, version int) {
	t.Helper()
	outer, _ := b.call(t, http.MethodGet, "secret/data/"+path, nil)["data"].(map[string]any)
	metadata, _ := outer["metadata"].(map[string]any)
	n, _ := metadata["version"].(float64)
	values, _ = outer["data"].(map[string]any)
	return values, int(n)
}

// store writes values to a KV path as another writer would.
func (b *backend) store(t testing.TB, path string, values map[string]any) {
	t.Helper()
	b.call(t, http.MethodPut, "secret/data/"+path, map[string]any{"data": values})
}

// tokenWith makes a token with a policy of these rules.
func (b *backend) tokenWith(t testing.TB, rules string) string {
	t.Helper()
	name := "may-" + storetest.Place(t)
	b.call(t, http.MethodPut, "sys/policies/acl/"+name, map[string]any{"policy": rules})
	auth, _ := b.call(t, http.MethodPost, "auth/token/create", map[string]any{"policies": []string{name}})["auth"].(map[string]any)
	return auth["client_token"].(string)
}

// delivery returns one whose every name in Vault is the test's own. The secrets'
// names are their keys, their path is the test's place.
func (b *backend) delivery(t testing.TB, secrets ...config.Secret) *config.Delivery {
	name := storetest.Place(t)
	for i := range secrets {
		if secrets[i].Path == "" {
			secrets[i].Path = name
		}
		if secrets[i].Key == "" {
			secrets[i].Key = secrets[i].Name
		}
	}
	return &config.Delivery{
		APIVersion: config.APIVersion, Name: "aidbox", Provider: config.ProviderVault, Namespace: "default",
		Vault: &config.Vault{
			Address: b.url, KVMount: "secret", AuthMount: name, Role: name, Policy: name, PolicyScope: config.PolicyExact,
			TokenTTL: "1h",
		},
		Aidbox:  config.Aidbox{ServiceAccount: "aidbox"},
		Secrets: secrets,
	}
}

// run is one provision as root.
func (b *backend) run(t testing.TB, d *config.Delivery, env map[string]string, phases ...string) ([]store.Change, error) {
	t.Helper()
	return b.runAs(t, b.token, d, env, false, phases...)
}

func (b *backend) runAs(t testing.TB, token string, d *config.Delivery, env map[string]string, dryRun bool, phases ...string) ([]store.Change, error) {
	t.Helper()
	steps := b.vault(t, token, d).Steps(storetest.Inputs(env), 0)
	return provision.Run(t.Context(), steps, phases, dryRun)
}

// runWith is one provision as root with options.
func (b *backend) runWith(t testing.TB, d *config.Delivery, o store.Options, phases ...string) ([]store.Change, error) {
	t.Helper()
	o.Token = secret.New([]byte(b.token))
	steps := b.open(t, d, o).Steps(storetest.Inputs(nil), 0)
	return provision.Run(t.Context(), steps, phases, o.Compare)
}

func (b *backend) vault(t testing.TB, token string, d *config.Delivery) store.Store {
	t.Helper()
	return b.open(t, d, store.Options{Token: secret.New([]byte(token))})
}

func (b *backend) open(t testing.TB, d *config.Delivery, o store.Options) store.Store {
	t.Helper()
	v, err := vault.Provider.Open(d, o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// proxy stands between secretctl and a backend, to do something in the middle of
// a run.
type proxy struct {
	*backend
	before atomic.Pointer[func(w http.ResponseWriter, r *http.Request) (answered bool)]
}

func newProxy(t testing.TB, b *backend) *proxy {
	t.Helper()
	target, err := url.Parse(b.url)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	forward := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := p.before.Load(); f != nil && (*f)(w, r) {
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p.backend = &backend{server.URL, b.token, b.unsealKey}
	return p
}

// intercept has f see each request first.
func (p *proxy) intercept(f func(w http.ResponseWriter, r *http.Request) (answered bool)) {
	p.before.Store(&f)
}

// onWrite calls f before the nth write of a secret, counted from 1.
func (p *proxy) onWrite(n int32, f func()) {
	var count atomic.Int32
	p.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, "/v1/secret/data/") && count.Add(1) == n {
			f()
		}
		return false
	})
}

// hangUp breaks the connection without an answer.
func hangUp(w http.ResponseWriter) {
	if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
		_ = conn.Close()
	}
}

func within(t testing.TB, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

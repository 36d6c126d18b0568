package vault

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
	sandbox "github.com/secretctl/secretctl/internal/sandbox/vault"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

// FuzzVaultAnswer has a Vault give a wrong answer: no panic, and no error that shows
// what is secret, or too much.
func FuzzVaultAnswer(f *testing.F) {
	vault, err := sandbox.Start()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(vault.Close)
	for i, body := range []string{
		`{"data": {"data": {"a": "fuzz-value", "b": 1}, "metadata": {"version": 3}}, "errors": []}`,
		`{"data": {"data": null, "metadata": {"version": 3, "deletion_time": "2026-01-01T00:00:00Z"}}}`,
		`{"data": {"type": "kv", "options": {"version": "2"}, "path": "secret/"}}`,
		`{"data": {"type": "kv", "options": {"version": "1"}}}`,
		`{"data": {"kubernetes/": {"type": "kubernetes"}}, "kubernetes/": {"type": "kubernetes"}}`,
		`{"data": {"keys": ["a", "b/"], "policy": "path \"x\" {}", "kubernetes_host": "https://x"}}`,
		`{"data": {"bound_service_account_names": ["a"], "token_ttl": 3600, "token_policies": ["p"], "audience": ""}}`,
		`{"auth": {"client_token": "fuzz-token", "policies": ["p"], "lease_duration": 1}}`,
		`{"type": "shamir", "initialized": true, "sealed": true, "version": "1.21.0"}`,
		`{"errors": ["1 error occurred:\n\t* permission denied", "fuzz-value fuzz-token"]}`,
		`{"errors": ["ZnV6ei12YWx1ZQ== 66757a7a2d76616c7565"], "data": {"error": "x"}}`,
		`{"data": [], "warnings": ["x"]}`, `<html>fuzz-token`, ``, `{"data": {"version": 4}}`,
	} {
		f.Add(uint8(i), uint8(i), body)
		f.Add(uint8(storetest.EveryAnswer), uint8(i), body)
	}
	d := &config.Delivery{
		APIVersion: config.APIVersion, Name: "aidbox", Provider: config.ProviderVault, Namespace: "default",
		Vault: &config.Vault{
			Address: vault.URL, KVMount: "secret", AuthMount: "kubernetes", Role: "aidbox", Policy: "aidbox",
			PolicyScope: config.PolicyExact, TokenTTL: "1h", KubernetesHost: "https://kubernetes.default.svc",
		},
		Aidbox:  config.Aidbox{ServiceAccount: "aidbox"},
		Secrets: []config.Secret{{Name: "a", Path: "p", Key: "a", Value: secret.Source{Env: "A"}}, {Name: "b", Path: "q", Key: "b"}},
	}
	f.Fuzz(func(t *testing.T, at, status uint8, body string) {
		opened, err := open(d, store.Options{Token: secret.New([]byte(vault.RootToken))})
		if err != nil {
			t.Fatal(err)
		}
		v := opened.(*Store)
		v.client.SetMaxRetries(0)
		given := &storetest.Foul{Next: http.DefaultTransport, Token: vault.RootToken, At: at, Status: storetest.FuzzedStatus(status), Body: body}
		v.client.CloneConfig().HttpClient.Transport = given
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = provision.Run(ctx, v.Steps(storetest.FuzzedInputs(), 0), nil, false)
		given.FitToShow(t, err)
		for _, s := range d.Secrets {
			value, version, err := v.Get(ctx, s)
			given.FitToShow(t, err)
			if err == nil && version == "" {
				t.Errorf("%s has no version", value)
			}
			_, err = v.Put(ctx, s, secret.New([]byte(storetest.FuzzedValue)))
			given.FitToShow(t, err)
		}
		_, err = v.Login(ctx, secret.New([]byte("fuzzed.pod.token")))
		given.FitToShow(t, err)
		_, err = v.Reach(ctx)
		given.FitToShow(t, err)
	})
}

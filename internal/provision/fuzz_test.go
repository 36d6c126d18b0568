package provision

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/secretctl/secretctl/internal/azure"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/internal/sandbox/vault"
	"github.com/secretctl/secretctl/internal/secret"
)

// What a server may repeat, and no error. In answers the tokens stand for those that
// are sent.
const fuzzedValue, fuzzedToken = "fuzz-value", "fuzz-token"

// longestError is a message of a server's with what it was about, in characters.
const longestError = 700

// foul is a server that works, but for one answer, or all of them.
type foul struct {
	next            http.RoundTripper
	token           string
	at              uint8 // which answer; all from everyAnswer on
	status          int
	body, challenge string
	seen            atomic.Int32
}

const everyAnswer = 24

func (f *foul) RoundTrip(req *http.Request) (*http.Response, error) {
	if n := f.seen.Add(1) - 1; n != int32(f.at) && f.at < everyAnswer {
		return f.next.RoundTrip(req)
	}
	body := f.body
	if strings.Contains(req.Header.Get("Authorization")+req.Header.Get("X-Vault-Token"), f.token) { // else it cannot be known
		body = strings.ReplaceAll(body, fuzzedToken, f.token)
	}
	resp := &http.Response{StatusCode: f.status, Header: http.Header{}, Request: req, Body: io.NopCloser(strings.NewReader(body))}
	resp.Header.Set("Content-Type", "application/json")
	if f.challenge != "" {
		resp.Header.Set("WWW-Authenticate", f.challenge)
	}
	return resp, nil
}

// statuses are those that are not tried again, which takes its time.
var statuses = []int{200, 204, 400, 401, 403, 404, 405, 409, 412}

func (f *foul) fitToShow(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := err.Error() + hint.Of(err)
	if strings.ContainsAny(text, "\n\r") || len([]rune(err.Error())) > longestError {
		t.Errorf("not fit to show: %q", text)
	}
	for _, private := range []string{fuzzedValue, f.token} {
		if secret.ScrubText(text, secret.New([]byte(private))) != text {
			t.Errorf("shows %s: %q", private, text)
		}
	}
}

func fuzzedInputs() *secret.Inputs {
	return &secret.Inputs{LookupEnv: func(string) (string, bool) { return fuzzedValue, true }}
}

// FuzzVaultAnswer has a Vault give a wrong answer: no panic, and no error that shows
// what is secret, or too much.
func FuzzVaultAnswer(f *testing.F) {
	vault, err := vault.Start()
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
		f.Add(uint8(everyAnswer), uint8(i), body)
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
		v, err := NewVault(d, VaultOptions{Token: secret.New([]byte(vault.RootToken))})
		if err != nil {
			t.Fatal(err)
		}
		v.client.SetMaxRetries(0)
		given := &foul{next: http.DefaultTransport, token: vault.RootToken, at: at, status: statuses[int(status)%len(statuses)], body: body}
		v.client.CloneConfig().HttpClient.Transport = given
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = Run(ctx, v.Steps(fuzzedInputs(), 0), nil, false)
		given.fitToShow(t, err)
		for _, s := range d.Secrets {
			value, version, err := v.Get(ctx, s)
			given.fitToShow(t, err)
			if err == nil && version == "" {
				t.Errorf("%s has no version", value)
			}
			_, err = v.Put(ctx, s, secret.New([]byte(fuzzedValue)))
			given.fitToShow(t, err)
		}
		_, err = v.LoginAs(ctx, secret.New([]byte("fuzzed.pod.token")))
		given.fitToShow(t, err)
		_, err = v.Reach(ctx)
		given.fitToShow(t, err)
	})
}

type fuzzedLogin string

func (l fuzzedLogin) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(l), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// FuzzKeyVaultAnswer is the same for Key Vault and the resource manager, which also
// choose the challenge that a login follows.
func FuzzKeyVaultAnswer(f *testing.F) {
	vault, err := keyvault.Start(keyvault.Options{Name: "contoso"})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(vault.Close)
	manager, err := keyvault.StartAzure(keyvault.AzureOptions{KeyVaults: []*keyvault.Server{vault}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(manager.Close)
	const challenge = `Bearer authorization="https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000", resource="https://vault.azure.net"`
	for i, body := range []string{
		`{"id": "https://contoso.vault.azure.net/secrets/a/0123", "value": "fuzz-value", "tags": {"managed-by": "secretctl"}, "attributes": {"enabled": true, "exp": 1}}`,
		`{"id": "https://contoso.vault.azure.net/secrets/a", "kid": "x", "managed": true, "contentType": "\n\u001b[2J"}`,
		`{"recoveryId": "https://contoso.vault.azure.net/deletedsecrets/a", "scheduledPurgeDate": 1, "id": "/x"}`,
		`{"value": [{"id": "https://contoso.vault.azure.net/secrets/a/1", "attributes": {"created": 1}}], "nextLink": ""}`,
		`{"value": [{"name": "x", "properties": {"principalId": "p", "roleDefinitionId": "/r", "scope": "/s"}}]}`,
		`{"identity": {"type": "SystemAssigned"}, "properties": {"tenantId": "t", "identityProfile": {"kubeletidentity": {"clientId": "c", "objectId": "o"}}}}`,
		`{"error": {"code": "Forbidden", "message": "fuzz-value", "innererror": {"code": "ForbiddenByPolicy"}}}`,
		`{"error": {"code": "Conflict", "innererror": {"code": "ObjectIsDeletedButRecoverable"}}}`,
		`{"error": {"code": "fuzz-token", "message": "x\ny"}}`, `<html>`, ``, `{"id": "fuzz-value"}`, `{"properties": {}}`,
	} {
		f.Add(uint8(i), uint8(i), body, challenge)
		f.Add(uint8(everyAnswer), uint8(i), body, challenge)
	}
	f.Add(uint8(0), uint8(3), `{}`, `Bearer authorization="x/fuzz-token"`)
	f.Add(uint8(0), uint8(3), `{}`, `Bearer authorization=https:///x/ , , =`)
	d := &config.Delivery{
		APIVersion: config.APIVersion, Name: "aidbox", Provider: config.ProviderAzure, Namespace: "default",
		Azure: &config.Azure{
			KeyVault: "contoso", Cloud: "AzurePublicCloud", Identity: config.Identity{Type: config.IdentityKubelet},
			SubscriptionID: manager.Subscription, ResourceGroup: manager.ResourceGroup, Cluster: manager.Cluster,
		},
		Aidbox:  config.Aidbox{ServiceAccount: "aidbox"},
		Secrets: []config.Secret{{Name: "a", KeyVault: "contoso", ObjectName: "a", Value: secret.Source{Env: "A"}}, {Name: "b", KeyVault: "contoso", ObjectName: "b"}},
	}
	f.Fuzz(func(t *testing.T, at, status uint8, body, challenge string) {
		given := &foul{
			next: manager.Client.Transport, token: manager.Token,
			at: at, status: statuses[int(status)%len(statuses)], body: body, challenge: challenge,
		}
		access := azure.Access{Credential: fuzzedLogin(manager.Token), Transport: &http.Client{Transport: given}}
		v, err := NewKeyVault(d, KeyVaultOptions{Access: access})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = Run(ctx, v.Steps(fuzzedInputs(), 0), nil, false)
		given.fitToShow(t, err)
		for _, s := range d.Secrets {
			value, version, err := v.Get(ctx, s)
			given.fitToShow(t, err)
			if err == nil && version == "" {
				t.Errorf("%s has no version", value)
			}
			_, err = v.Put(ctx, s, secret.New([]byte(fuzzedValue)))
			given.fitToShow(t, err)
			_, err = v.Newest(ctx, s)
			given.fitToShow(t, err)
		}
		filled := *d
		filled.Azure = new(*d.Azure)
		v.d = &filled
		_, err = v.FillIn(ctx)
		given.fitToShow(t, err)
		_, err = v.Reach(ctx)
		given.fitToShow(t, err)
	})
}

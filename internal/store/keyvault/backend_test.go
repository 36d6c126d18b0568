package keyvault_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	vaultfake "github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets/fake"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
	sandbox "github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

const vaultName = "contoso"

// keyVault is a Key Vault, the sandbox's or the SDK's fake, that something can be
// put before.
type keyVault struct {
	transport policy.Transporter
	token     azcore.TokenCredential
	url       string // of the sandbox alone, as is the next
	ca        []byte
	before    atomic.Pointer[func(*http.Request) *http.Response]

	mu      sync.Mutex
	waiting []string
}

// knownToken is a credential that needs no login.
type knownToken string

func (t knownToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(t), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func sandboxKeyVault(t *testing.T) *keyVault {
	t.Helper()
	v, err := sandbox.Start(sandbox.Options{Name: vaultName})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return &keyVault{transport: v.Client, token: knownToken(v.Token), url: v.URL, ca: v.CA}
}

func fakeKeyVault(*testing.T) *keyVault {
	return &keyVault{transport: vaultfake.NewServerTransport(newFakeVault().server()), token: &azfake.TokenCredential{}}
}

// Do implements policy.Transporter, with what is put before the Key Vault.
func (b *keyVault) Do(req *http.Request) (*http.Response, error) {
	if f := b.before.Load(); f != nil && req.Header.Get("Authorization") != "" {
		if resp := (*f)(req); resp != nil {
			resp.Request = req
			return resp, nil
		}
	}
	return b.transport.Do(req)
}

// intercept has f see each request with a token first. It may answer.
func (b *keyVault) intercept(f func(*http.Request) *http.Response) { b.before.Store(&f) }

// onNth calls f before the nth request with that method, counted from 1.
func (b *keyVault) onNth(method string, n int32, f func()) {
	var count atomic.Int32
	b.intercept(func(r *http.Request) *http.Response {
		if r.Method == method && count.Add(1) == n {
			f()
		}
		return nil
	})
}

// refuse answers the next requests with that method and an error.
func (b *keyVault) refuse(method string, times int32, status int, code, inner string, header ...string) {
	var count atomic.Int32
	b.intercept(func(r *http.Request) *http.Response {
		if r.Method != method || count.Add(1) > times {
			return nil
		}
		return refusal(status, code, inner, header...)
	})
}

// refusal is an answer like Azure's, which in its message repeats a storetest.Canary.
func refusal(status int, code, inner string, header ...string) *http.Response {
	body := fmt.Sprintf(`{"error":{"code":%q,"message":"line one %s\r\nline two"}}`, code, storetest.Canary)
	if inner != "" {
		body = fmt.Sprintf(`{"error":{"code":%q,"message":"line one %s\r\nline two","innererror":{"code":%q}}}`, code, storetest.Canary, inner)
	}
	resp := &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	resp.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

// client is another one's, past what is put before.
func (b *keyVault) client(t testing.TB) *azsecrets.Client {
	t.Helper()
	client, err := azsecrets.NewClient("https://"+vaultName+".vault.azure.net", b.token, &azsecrets.ClientOptions{ClientOptions: policy.ClientOptions{Transport: b.transport}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// store sets a secret as another writer would; tags are pairs.
func (b *keyVault) store(t testing.TB, name, value string, tags ...string) {
	t.Helper()
	parameters := azsecrets.SetSecretParameters{Value: &value, Tags: map[string]*string{}}
	for i := 0; i+1 < len(tags); i += 2 {
		parameters.Tags[tags[i]] = &tags[i+1]
	}
	if _, err := b.client(t).SetSecret(t.Context(), name, parameters, nil); err != nil {
		t.Fatal(err)
	}
}

// storeOurs sets a secret with the tags of the delivery.
func (b *keyVault) storeOurs(t testing.TB, name, value string) {
	t.Helper()
	b.store(t, name, value, "managed-by", "secretctl", "secretctl-delivery", "default/aidbox")
}

func (b *keyVault) remove(t testing.TB, name string) {
	t.Helper()
	if _, err := b.client(t).DeleteSecret(t.Context(), name, nil); err != nil {
		t.Fatal(err)
	}
}

// kept is what can be seen of a secret.
type kept struct {
	Value, ContentType string
	Tags               map[string]string
	Versions           int
}

func (b *keyVault) kept(t testing.TB, name string) kept {
	t.Helper()
	got := b.read(t, name)
	out := kept{Value: *got.Value, Tags: map[string]string{}}
	if got.ContentType != nil {
		out.ContentType = *got.ContentType
	}
	for k, v := range got.Tags {
		out.Tags[k] = *v
	}
	for pages := b.client(t).NewListSecretPropertiesVersionsPager(name, nil); pages.More(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out.Versions += len(page.Value)
	}
	return out
}

func (b *keyVault) read(t testing.TB, name string) azsecrets.GetSecretResponse {
	t.Helper()
	got, err := b.client(t).GetSecret(t.Context(), name, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func ours(value string, versions int) kept {
	return kept{Value: value, ContentType: "text/plain", Tags: map[string]string{"managed-by": "secretctl", "secretctl-delivery": "default/aidbox"}, Versions: versions}
}

// azureDelivery is one whose secrets have their names as names in the Key Vault.
func azureDelivery(secrets ...config.Secret) *config.Delivery {
	for i := range secrets {
		if secrets[i].ObjectName == "" {
			secrets[i].ObjectName = secrets[i].Name
		}
		if secrets[i].KeyVault == "" {
			secrets[i].KeyVault = vaultName
		}
	}
	return &config.Delivery{
		APIVersion: config.APIVersion, Name: "aidbox", Provider: config.ProviderAzure, Namespace: "default",
		Azure: &config.Azure{
			KeyVault: vaultName, Cloud: "AzurePublicCloud", Identity: config.Identity{Type: config.IdentityKubelet},
			SubscriptionID: subscription, ResourceGroup: "aidbox-rg", Cluster: "aidbox-aks",
		},
		Aidbox:  config.Aidbox{ServiceAccount: "aidbox", Replicas: to.Ptr(int32(1))},
		Secrets: secrets,
	}
}

const subscription = "00000000-0000-0000-0000-000000000001"

// password is the delivery of one secret, from the environment.
func password() *config.Delivery {
	return azureDelivery(config.Secret{Name: "password", Value: storetest.FromEnv("P")})
}

var passwordEnv = map[string]string{"P": storetest.Canary}

func (b *keyVault) provider() store.Provider {
	return keyvault.NewProvider(azure.Access{Credential: b.token, Transport: b})
}

func (b *keyVault) connect(t testing.TB, d *config.Delivery, o store.Options) store.Store {
	t.Helper()
	v, err := b.provider().Open(d, o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// run is one provision of the store, which waits for Azure.
func (b *keyVault) run(t testing.TB, d *config.Delivery, env map[string]string, o store.Options) ([]store.Change, error) {
	t.Helper()
	o.Waiting = func(why string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.waiting = append(b.waiting, why)
	}
	changes, err := provision.Run(t.Context(), b.connect(t, d, o).Steps(storetest.Inputs(env), 0), []string{"store"}, false)
	return withoutRates(changes), err
}

// withoutRates leaves out what is said about a Key Vault as a whole.
func withoutRates(changes []store.Change) (secrets []store.Change) {
	for _, c := range changes {
		if strings.Contains(c.Object, "/") {
			secrets = append(secrets, c)
		}
	}
	return secrets
}

package keyvault_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/test/sandboxtest"
)

var byRBAC = keyVaultRefusal{http.StatusForbidden, "Forbidden", "ForbiddenByRbac"}

func TestKeyVaultTellsWhereToLogIn(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{Name: "contoso-aidbox"})
	res, err := v.Client.Get(v.URL + "/secrets/a?api-version=7.5")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	want := `Bearer authorization="https://login.microsoftonline.com/` + v.TenantID + `", resource="https://vault.azure.net"`
	if got := res.Header.Get("WWW-Authenticate"); res.StatusCode != http.StatusUnauthorized || got != want {
		t.Errorf("without a token: %s, %s", res.Status, got)
	}

	// Under its own name, the vault passes the check that the challenge is for it.
	credential := &sandboxtest.KeyVaultLogin{Token: v.Token}
	client, err := azsecrets.NewClient("https://contoso-aidbox.vault.azure.net", credential, &azsecrets.ClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: v.Client},
	})
	if err != nil {
		t.Fatal(err)
	}
	set := sandboxtest.SetSecret(t, client, "a", "one")
	if id := string(*set.ID); !strings.HasPrefix(id, "https://contoso-aidbox.vault.azure.net/secrets/a/") {
		t.Errorf("the id is %s", id)
	}
	if diff := cmp.Diff([]string{"https://vault.azure.net/.default"}, credential.Asked.Scopes); diff != "" || credential.Asked.TenantID != v.TenantID {
		t.Errorf("asked for %+v", credential.Asked)
	}

	_, err = sandboxtest.KeyVaultClient(t, v, "no token of this vault").GetSecret(t.Context(), "a", "", nil)
	wantRefusal(t, err, keyVaultRefusal{http.StatusUnauthorized, "Unauthorized", ""})
}

func TestKeyVaultCertificateIsTrustedOnlyWithItsCA(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{})
	_, err := http.Get(v.URL)
	if distrusted := (x509.UnknownAuthorityError{}); !errors.As(err, &distrusted) {
		t.Errorf("a client without the CA: %v", err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(v.CA) {
		t.Error("the CA is not a certificate in PEM")
	}
}

func TestKeyVaultRolesDecide(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{AllowPurge: true})
	officer := sandboxtest.KeyVaultClient(t, v, v.Token)
	sandboxtest.SetSecret(t, officer, "a", keyVaultCanary)
	sandboxtest.SetSecret(t, officer, "gone", keyVaultCanary)
	if _, err := officer.DeleteSecret(t.Context(), "gone", nil); err != nil {
		t.Fatal(err)
	}
	reads := map[string]func(*azsecrets.Client) error{
		"get": func(c *azsecrets.Client) error { return errorOf(c.GetSecret(t.Context(), "a", "", nil)) },
		"list": func(c *azsecrets.Client) error {
			return errorOf(c.NewListSecretPropertiesPager(nil).NextPage(t.Context()))
		},
		"versions": func(c *azsecrets.Client) error {
			return errorOf(c.NewListSecretPropertiesVersionsPager("a", nil).NextPage(t.Context()))
		},
		"get deleted": func(c *azsecrets.Client) error { return errorOf(c.GetDeletedSecret(t.Context(), "gone", nil)) },
	}
	writes := map[string]func(*azsecrets.Client) error{
		"set": func(c *azsecrets.Client) error {
			return errorOf(c.SetSecret(t.Context(), "a", azsecrets.SetSecretParameters{Value: to.Ptr(keyVaultCanary)}, nil))
		},
		"update": func(c *azsecrets.Client) error {
			return errorOf(c.UpdateSecretProperties(t.Context(), "a", "", azsecrets.UpdateSecretPropertiesParameters{}, nil))
		},
		"delete":  func(c *azsecrets.Client) error { return errorOf(c.DeleteSecret(t.Context(), "a", nil)) },
		"recover": func(c *azsecrets.Client) error { return errorOf(c.RecoverDeletedSecret(t.Context(), "gone", nil)) },
		"purge":   func(c *azsecrets.Client) error { return errorOf(c.PurgeDeletedSecret(t.Context(), "gone", nil)) },
	}
	user := sandboxtest.KeyVaultClient(t, v, v.NewToken(keyvault.SecretsUser))
	nobody := sandboxtest.KeyVaultClient(t, v, v.NewToken("Key Vault Contributor"))
	for name, read := range reads {
		if err := read(user); err != nil {
			t.Errorf("%s as a user: %v", name, err)
		}
		wantRefusal(t, read(nobody), byRBAC)
	}
	for _, write := range writes {
		wantRefusal(t, write(user), byRBAC)
		wantRefusal(t, write(nobody), byRBAC)
	}
	var failed *azcore.ResponseError
	if err := writes["set"](user); !errors.As(err, &failed) ||
		!strings.Contains(err.Error(), "Action: 'Microsoft.KeyVault/vaults/secrets/setSecret/action'") {
		t.Errorf("the refusal does not name the action: %v", err)
	}
}

func TestKeyVaultAccessComesAfterSomeRequests(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	sandboxtest.SetSecret(t, client, "a", "one")
	v.DelayAccess(2)
	for range 2 {
		_, err := client.GetSecret(t.Context(), "a", "", nil)
		wantRefusal(t, err, byRBAC)
	}
	if _, err := client.GetSecret(t.Context(), "a", "", nil); err != nil {
		t.Errorf("the third request: %v", err)
	}
}

func TestKeyVaultThrottlesAndTheClientComesBack(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	v.Throttle(3, 0)
	sandboxtest.SetSecret(t, client, "a", "one") // three tries again are what the SDK makes

	v.Throttle(4, 0)
	_, err := client.GetSecret(t.Context(), "a", "", nil)
	wantRefusal(t, err, keyVaultRefusal{http.StatusTooManyRequests, "Throttled", ""})
	if _, err := client.GetSecret(t.Context(), "a", "", nil); err != nil {
		t.Errorf("after the limit: %v", err)
	}
}

func TestKeyVaultTellsHowLongToWait(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	sandboxtest.SetSecret(t, client, "a", "one")

	// The client would be back in a millisecond, but for Retry-After.
	v.Throttle(1, 30*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := client.GetSecret(ctx, "a", "", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the client did not wait: %v", err)
	}

	v.Throttle(1, 1500*time.Millisecond)
	ctx = policy.WithRetryOptions(t.Context(), policy.RetryOptions{MaxRetries: -1})
	_, err := client.GetSecret(ctx, "a", "", nil)
	var failed *azcore.ResponseError
	if !errors.As(err, &failed) || failed.RawResponse.Header.Get("Retry-After") != "2" {
		t.Errorf("no Retry-After of two seconds: %v", err)
	}
}

func TestKeyVaultServesManyAtOnce(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	const clients, sets = 8, 5
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range sets {
				_, err := client.SetSecret(t.Context(), "shared", azsecrets.SetSecretParameters{Value: to.Ptr("x"), Tags: map[string]*string{"a": to.Ptr("b")}}, nil)
				if err == nil {
					_, err = client.UpdateSecretProperties(t.Context(), "shared", "", azsecrets.UpdateSecretPropertiesParameters{Tags: map[string]*string{"c": to.Ptr("d")}}, nil)
				}
				if err == nil {
					_, err = client.GetSecret(t.Context(), "shared", "", nil)
				}
				if err == nil {
					_, err = client.NewListSecretPropertiesVersionsPager("shared", nil).NextPage(t.Context())
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got := len(versionsOf(t, client, "shared")); got != clients*sets {
		t.Errorf("%d versions of %d sets", got, clients*sets)
	}
}

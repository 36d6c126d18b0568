package sandboxtest

import (
	"context"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
)

// StartKeyVault starts a KeyVault.
func StartKeyVault(t *testing.T, o keyvault.Options) *keyvault.Server {
	t.Helper()
	v, err := keyvault.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// KeyVaultLogin is a credential that has a token already, and keeps what it is asked for.
type KeyVaultLogin struct {
	Token string
	Asked policy.TokenRequestOptions
}

// GetToken implements [azcore.TokenCredential].
func (l *KeyVaultLogin) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	l.Asked = o
	return azcore.AccessToken{Token: l.Token, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// KeyVaultClient is the client of the SDK, but that it waits a millisecond before
// another try, unless it is told to wait longer.
func KeyVaultClient(t *testing.T, v *keyvault.Server, token string) *azsecrets.Client {
	t.Helper()
	client, err := azsecrets.NewClient(v.URL, &KeyVaultLogin{Token: token}, &azsecrets.ClientOptions{
		ClientOptions: azcore.ClientOptions{
			Transport: v.Client,
			Retry:     policy.RetryOptions{RetryDelay: time.Millisecond},
		},
		DisableChallengeResourceVerification: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// SetSecret makes a version of a secret.
func SetSecret(t *testing.T, client *azsecrets.Client, name, value string) azsecrets.SetSecretResponse {
	t.Helper()
	set, err := client.SetSecret(t.Context(), name, azsecrets.SetSecretParameters{Value: &value}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

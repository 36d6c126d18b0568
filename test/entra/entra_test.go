package entra_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/test/entra"
	"github.com/secretctl/secretctl/test/sandboxtest"
)

// Azure's own client logs in, so that it is the judge of the answers.
func TestAzureTradesATokenThatACredentialFits(t *testing.T) {
	directory := entra.New()
	a := sandboxtest.StartAzure(t, sandboxtest.StartKeyVault(t, keyvault.Options{Name: "contoso"}), keyvault.AzureOptions{Wrap: directory.Wrap})
	identity := a.Group() + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/reader"
	_, _, made := a.Call(t, http.MethodPut, identity, `{"location": "eastus"}`)
	clientID, _ := made["properties"].(map[string]any)["clientId"].(string)
	const audience = "api://AzureADTokenExchange"
	a.Want(t, http.MethodPut, identity+"/federatedIdentityCredentials/one",
		fmt.Sprintf(`{"properties": {"issuer": %q, "subject": "s", "audiences": [%q]}}`, a.Issuer, audience), http.StatusCreated, "")

	jwt := func(issuer, subject, audience string, expires time.Time) string {
		claims := fmt.Sprintf(`{"iss": %q, "sub": %q, "aud": [%q], "exp": %d}`, issuer, subject, audience, expires.Unix())
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	}
	later := time.Now().Add(time.Hour)
	for name, c := range map[string]struct{ tenant, clientID, assertion, refused string }{
		"fits":           {a.TenantID, clientID, jwt(a.Issuer, "s", audience, later), ""},
		"other issuer":   {a.TenantID, clientID, jwt("https://elsewhere", "s", audience, later), "AADSTS700211"},
		"other subject":  {a.TenantID, clientID, jwt(a.Issuer, "t", audience, later), "AADSTS700213"},
		"other audience": {a.TenantID, clientID, jwt(a.Issuer, "s", "vault", later), "AADSTS700212"},
		"expired":        {a.TenantID, clientID, jwt(a.Issuer, "s", audience, time.Now()), "AADSTS700024"},
		"other client":   {a.TenantID, "other", jwt(a.Issuer, "s", audience, later), "AADSTS700016"},
		"other tenant":   {"00000000-0000-0000-0000-000000000009", clientID, jwt(a.Issuer, "s", audience, later), "90002"},
	} {
		t.Run(name, func(t *testing.T) {
			credential, err := azidentity.NewClientAssertionCredential(c.tenant, c.clientID, func(context.Context) (string, error) { return c.assertion, nil },
				&azidentity.ClientAssertionCredentialOptions{ClientOptions: sandboxtest.WithoutRetries(a.Client)})
			if err != nil {
				t.Fatal(err)
			}
			sandboxtest.WantToken(t, credential, a.PodToken(clientID), c.refused)
		})
	}
}

// As the real login does, on each of the addresses that a client asks first.
func TestAzureRefusesAnUnknownTenant(t *testing.T) {
	a := sandboxtest.StartAzure(t, sandboxtest.StartKeyVault(t, keyvault.Options{Name: "contoso"}), keyvault.AzureOptions{Wrap: entra.New().Wrap})
	for _, path := range []string{"/v2.0/.well-known/openid-configuration", "/oauth2/v2.0/token"} {
		resp, err := a.Client.Get("https://login.microsoftonline.com/00000000-0000-0000-0000-000000000009" + path)
		if err != nil {
			t.Fatal(err)
		}
		var refusal struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
			Codes       []int  `json:"error_codes"`
		}
		err = json.NewDecoder(resp.Body).Decode(&refusal)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusBadRequest || refusal.Error != "invalid_tenant" || !slices.Equal(refusal.Codes, []int{90002}) ||
			!strings.HasPrefix(refusal.Description, "AADSTS90002: Tenant '00000000-0000-0000-0000-000000000009' not found.") {
			t.Errorf("%s: %d %+v, error %v", path, resp.StatusCode, refusal, err)
		}
	}
}

func TestAzureLetsItsOwnerInWithASecret(t *testing.T) {
	directory := entra.New()
	a := sandboxtest.StartAzure(t, sandboxtest.StartKeyVault(t, keyvault.Options{Name: "contoso"}), keyvault.AzureOptions{Wrap: directory.Wrap})
	for name, c := range map[string]struct{ clientID, secret, refused string }{
		"fits":         {directory.ClientID, directory.ClientSecret, ""},
		"other secret": {directory.ClientID, "other", "AADSTS7000215"},
		"other client": {"other", directory.ClientSecret, "AADSTS700016"},
	} {
		t.Run(name, func(t *testing.T) {
			credential, err := azidentity.NewClientSecretCredential(a.TenantID, c.clientID, c.secret,
				&azidentity.ClientSecretCredentialOptions{ClientOptions: sandboxtest.WithoutRetries(a.Client)})
			if err != nil {
				t.Fatal(err)
			}
			sandboxtest.WantToken(t, credential, a.Token, c.refused)
		})
	}
}

func TestAzureAsksWhoSignedAToken(t *testing.T) {
	directory := entra.New()
	directory.Verify = func(string) error { return errors.New("another cluster") }
	a := sandboxtest.StartAzure(t, sandboxtest.StartKeyVault(t, keyvault.Options{Name: "contoso"}), keyvault.AzureOptions{
		Issuer: "https://cluster", Wrap: directory.Wrap,
	})
	claims := fmt.Sprintf(`{"iss": "https://cluster", "sub": "s", "aud": ["a"], "exp": %d}`, time.Now().Add(time.Hour).Unix())
	form := url.Values{"client_id": {"x"}, "client_assertion": {"e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"}}
	resp, err := a.Client.PostForm("https://login.microsoftonline.com/"+a.TenantID+"/oauth2/v2.0/token", form)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || !strings.Contains(string(body), "AADSTS700027") {
		t.Errorf("%d %s, error %v", resp.StatusCode, body, err)
	}
}

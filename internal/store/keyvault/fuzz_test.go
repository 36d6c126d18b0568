package keyvault

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
	sandbox "github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

type fuzzedLogin string

func (l fuzzedLogin) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(l), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// FuzzKeyVaultAnswer is the same for Key Vault and the resource manager, which also
// choose the challenge that a login follows.
func FuzzKeyVaultAnswer(f *testing.F) {
	vault, err := sandbox.Start(sandbox.Options{Name: "contoso"})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(vault.Close)
	manager, err := sandbox.StartAzure(sandbox.AzureOptions{KeyVaults: []*sandbox.Server{vault}})
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
		f.Add(uint8(storetest.EveryAnswer), uint8(i), body, challenge)
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
		given := &storetest.Foul{
			Next: manager.Client.Transport, Token: manager.Token,
			At: at, Status: storetest.FuzzedStatus(status), Body: body, Challenge: challenge,
		}
		access := azure.Access{Credential: fuzzedLogin(manager.Token), Transport: &http.Client{Transport: given}}
		v, err := open(d, store.Options{}, access)
		if err != nil {
			t.Fatal(err)
		}
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
			_, err = v.StatusVersions(ctx, s)
			given.FitToShow(t, err)
		}
		filled := *d
		filled.Azure = new(*d.Azure)
		v.d = &filled
		_, err = v.fillIn(ctx)
		given.FitToShow(t, err)
		_, err = v.Reach(ctx)
		given.FitToShow(t, err)
	})
}

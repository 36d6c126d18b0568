package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

const azureConfig = `apiVersion: secretctl.dev/v1
provider: azure
azure:
  keyVault: contoso-aidbox
  subscriptionID: %s
  resourceGroup: %s
  cluster: %s
secrets:
  - name: client-secret
    scope: [Client/basic]
    value: {generate: {length: 32}}
    expiresIn: 90d
` + resources

// startAzure starts a Key Vault, and the resource manager, which knows the cluster and lets
// its nodes read the Key Vault once the role is assigned.
func (d *demo) startAzure() (stop func(), err error) {
	server, err := keyvault.Start(keyvault.Options{Name: "contoso-aidbox"})
	if err != nil {
		return nil, err
	}
	manager, err := keyvault.StartAzure(keyvault.AzureOptions{KeyVaults: []*keyvault.Server{server}})
	if err != nil {
		server.Close()
		return nil, err
	}
	d.standIns = "Key Vault and the resource manager of Azure"
	d.conf = fmt.Sprintf(azureConfig, manager.Subscription, manager.ResourceGroup, manager.Cluster)
	d.azure = azure.Access{Credential: knownToken(manager.Token), Transport: manager.Client}
	d.mount.Azure = manager
	return func() { manager.Close(); server.Close() }, nil
}

// knownToken is a credential that needs no login.
type knownToken string

// GetToken implements [azcore.TokenCredential].
func (t knownToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(t), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// Command azureclient is a Key Vault's client of the version that the Azure provider for
// the Secrets Store CSI driver is built with, for the contract suite of the Key Vault.
//
//	azureclient set NAME    sets a secret, given on stdin as JSON
//	azureclient get NAME    prints its newest value and how many versions there are
//
// KEY_VAULT has the address and KEY_VAULT_TOKEN a token; SSL_CERT_FILE the certificate.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: azureclient set|get NAME")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, verb, name string) error {
	client, err := azsecrets.NewClient(os.Getenv("KEY_VAULT"), token(os.Getenv("KEY_VAULT_TOKEN")), &azsecrets.ClientOptions{DisableChallengeResourceVerification: true})
	if err != nil {
		return err
	}
	if verb == "set" {
		var parameters azsecrets.SetSecretParameters
		if err := json.NewDecoder(os.Stdin).Decode(&parameters); err != nil {
			return err
		}
		_, err = client.SetSecret(ctx, name, parameters, nil)
		return err
	}
	got, err := client.GetSecret(ctx, name, "", nil)
	if err != nil {
		return err
	}
	versions := 0
	for pages := client.NewListSecretVersionsPager(name, nil); pages.More(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		versions += len(page.Value)
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"value": got.Value, "versions": versions})
}

// token is a credential that needs no login.
type token string

func (t token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(t), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

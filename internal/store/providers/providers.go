// Package providers is the table of stores: a line for each.
package providers

import (
	"slices"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/internal/store/vault"
)

// All returns the providers. access says who logs in to Azure, and how it is reached.
func All(access azure.Access) []store.Provider {
	return []store.Provider{
		vault.Provider,
		keyvault.NewProvider(access),
	}
}

// Of returns the provider that a delivery names. The config has checked the name.
func Of(all []store.Provider, d *config.Delivery) store.Provider {
	return all[slices.IndexFunc(all, func(p store.Provider) bool { return p.Name == d.Provider })]
}

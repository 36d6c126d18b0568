// Package providers is the table of the stores that secretctl knows: a line each.
package providers

import (
	"slices"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/internal/store/vault"
)

// All returns the providers. access is as whom and how Azure is reached.
func All(access azure.Access) []store.Provider {
	return []store.Provider{
		vault.Provider,
		keyvault.NewProvider(access),
	}
}

// Of returns the provider that a delivery names, which the config has checked.
func Of(all []store.Provider, d *config.Delivery) store.Provider {
	return all[slices.IndexFunc(all, func(p store.Provider) bool { return p.Name == d.Provider })]
}

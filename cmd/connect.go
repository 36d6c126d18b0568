package cmd

import (
	"cmp"
	"context"
	"fmt"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/fhirclient"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault"
	"github.com/secretctl/secretctl/internal/store/vault"
)

// anyStore is what every provider can do. A *vault.Store and a *keyvault.Store
// are ones.
type anyStore interface {
	Get(ctx context.Context, s config.Secret) (secret.Value, string, error)
	Put(ctx context.Context, s config.Secret, v secret.Value) (version string, err error)
	Steps(in *secret.Inputs, concurrency int) []store.Step
}

// store connects to the delivery's store, once; nothing is sent yet but a login.
func (a *app) store(d *config.Delivery) (s anyStore, err error) {
	a.storesMu.Lock()
	known := a.stores[d]
	a.storesMu.Unlock()
	if known != nil {
		return known, nil
	}
	if d.Provider == config.ProviderAzure {
		s, err = a.keyVault(d, keyvault.Options{})
	} else {
		s, err = a.vault(d)
	}
	if err != nil {
		return nil, err
	}
	a.storesMu.Lock() // not before: a login may take its time, and other deliveries have their own
	defer a.storesMu.Unlock()
	a.stores[d] = s
	return s, nil
}

// phases returns those of the delivery's provider.
func phases(d *config.Delivery) []string {
	if d.Provider == config.ProviderAzure {
		return keyvault.Phases()
	}
	return vault.Phases()
}

// keyVault connects to the delivery's Key Vault; nothing is sent yet.
func (a *app) keyVault(d *config.Delivery, o keyvault.Options) (*keyvault.Store, error) {
	o.Access = a.Azure
	o.Log = a.logOf(d)
	return keyvault.New(d, o)
}

// vault connects to the delivery's Vault; nothing is sent yet but the login of
// --vault-login.
func (a *app) vault(d *config.Delivery) (*vault.Store, error) {
	if a.vaultLogin != "" {
		return a.loggedIn(d)
	}
	token, _ := a.LookupEnv("VAULT_TOKEN")
	s, err := vault.New(d, vault.Options{
		Token: secret.New([]byte(token)), AllowHTTP: a.allowHTTP, Log: a.logOf(d),
	})
	return s, a.nameOrigin(err)
}

// aidbox connects to the delivery's Aidbox as its admin Client; nothing is sent
// yet.
func (a *app) aidbox(ctx context.Context, d *config.Delivery) (*fhirclient.Client, error) {
	return a.aidboxFor(ctx, d, true)
}

// aidboxFor needs no admin secret where asAdmin is false: then the connection is
// good for probes only.
func (a *app) aidboxFor(ctx context.Context, d *config.Delivery, asAdmin bool) (*fhirclient.Client, error) {
	var admin secret.Value
	if asAdmin {
		var err error
		if admin, err = a.inputs.Read(ctx, d.Aidbox.Admin.Secret, "the admin Client "+d.Aidbox.Admin.Client+" of "+d.Name); err != nil {
			return nil, fmt.Errorf("aidbox.admin.secret: %w", err)
		}
	}
	o := fhirclient.Options{
		URL: d.Aidbox.URL, ClientID: d.Aidbox.Admin.Client, Secret: admin,
		AllowHTTP: a.allowHTTP, Log: a.logOf(d),
	}
	if name, port, ok := d.Aidbox.Service(); ok {
		c, err := a.kubernetes(d)
		if err != nil {
			return nil, fmt.Errorf("aidbox.url %s: %w", d.Aidbox.URL, err)
		}
		o.URL, o.Tunnel = "http://"+cmp.Or(name, d.Aidbox.Deployment)+"."+d.Namespace, tunnel(ctx, c, d, name, port)
	}
	aidbox, err := fhirclient.New(o)
	return aidbox, a.nameOrigin(err)
}

// clusterOf says which cluster a delivery is in.
func (a *app) clusterOf(d *config.Delivery) cluster.Options {
	return cluster.Options{Kubeconfig: a.kubeconfig, Context: d.Context, Log: a.logOf(d)}
}

// kubernetes connects to the delivery's cluster; nothing is sent yet.
func (a *app) kubernetes(d *config.Delivery) (*cluster.Cluster, error) {
	return cluster.Connect(a.clusterOf(d))
}

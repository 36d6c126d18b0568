// Package vault is the store HashiCorp Vault: the KV values, what lets the pod read
// them, its login, and Vault's errors.
package vault

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/transport"
)

// Store is the Vault of one delivery.
type Store struct {
	d       *config.Delivery
	o       store.Options
	client  *api.Client   // without a token
	timeout time.Duration // of a request and its retries
	actor   *actor
	own     *Store // of a pod's store: may look up why Vault refuses something; nil for nobody
}

// open returns the Vault at d.Vault.Address, and makes no request. The VAULT_ variables
// that the vault command reads set TLS, proxy and timeout, and the namespace if d names
// none.
func open(d *config.Delivery, o store.Options) (store.Store, error) {
	if err := transport.CheckAddress("vault.address", d.Vault.Address, o.AllowHTTP, "/v1"); err != nil {
		return nil, err
	}
	if o.Sanitizer == nil {
		o.Sanitizer = &secret.Sanitizer{}
	}
	v := &Store{d: d, o: o}
	var err error
	if v.client, err = v.newClient(d.Vault.Address, func(*tls.Config) {}); err != nil {
		return nil, err
	}
	if v.actor, err = v.newActor(); err != nil {
		return nil, err
	}
	return v, nil
}

// Reach implements [store.Store]. A Vault that is sealed or not initialized is an error.
func (v *Store) Reach(ctx context.Context) (string, error) {
	limited, cancel := v.limit(ctx)
	defer cancel()
	status, err := sealStatus(limited, v.client)
	if err != nil {
		return "", v.fail(ctx, access{object: sealStatusPath, path: sealStatusPath, needs: []string{"read"}}, err)
	}
	if err := usable(status); err != nil {
		return "", fmt.Errorf("%s: %w", v.name(), err)
	}
	return "Vault " + v.o.Sanitizer.Line(status.Version), nil
}

// Close implements [store.Store].
func (v *Store) Close(ctx context.Context) error {
	defer v.client.CloneConfig().HttpClient.CloseIdleConnections()
	if !v.actor.takeRevocable() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), questionTimeout)
	defer cancel()
	const path = "auth/token/revoke-self"
	if _, err := v.put(ctx, path, nil); err != nil {
		return v.fail(ctx, access{object: "the token of the login", path: path, needs: []string{"update"}}, err)
	}
	return nil
}

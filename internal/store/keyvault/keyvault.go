// Package keyvault is the store Azure Key Vault: the values, the identity and the role
// that let the pod read them, its login, and Azure's errors.
package keyvault

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"golang.org/x/time/rate"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/internal/transport"
)

// Store is the Key Vaults of one delivery, and what lets the pod read them. Its errors
// show only the codes of a response.
//
// Key Vault has no conditional write. So secretctl reads a secret again right before it
// writes, which leaves a gap of one request.
type Store struct {
	d        *config.Delivery
	o        store.Options
	azure    *azure.Session
	secrets  map[string]*azsecrets.Client // by the lower-case name of the Key Vault
	arm      *armClients
	readRole string // the role to recommend for a denied read
}

// open returns the Key Vaults of a delivery, and makes no request.
func open(d *config.Delivery, o store.Options, access azure.Access) (*Store, error) {
	o.Sanitizer = cmp.Or(o.Sanitizer, &secret.Sanitizer{})
	access.Timeout, access.Log, access.Sanitizer = o.Timeout, o.Log, o.Sanitizer
	return newStore(d, o, azure.NewSession(d.Azure.Cloud, d.Azure.TenantID, access))
}

func newStore(d *config.Delivery, o store.Options, session *azure.Session) (*Store, error) {
	v := &Store{d: d, o: o, azure: session, secrets: map[string]*azsecrets.Client{}, readRole: userRole}
	var err error
	if v.arm, err = newARMClients(d.Azure.SubscriptionID, session); err != nil {
		return nil, err
	}
	options := session.Options()
	options.PerCallPolicies = append(options.PerCallPolicies, pace{rate.NewLimiter(300, 500), rate.NewLimiter(20, 100)})
	for _, name := range d.KeyVaults() {
		client, err := azsecrets.NewClient(session.VaultURL(name), session.Credential(), &azsecrets.ClientOptions{ClientOptions: options})
		if err != nil {
			return nil, fmt.Errorf("key vault %q: %w", name, err)
		}
		v.secrets[strings.ToLower(name)] = client
	}
	return v, nil
}

// pace delays requests so that they stay below Key Vault's limits: 4,000 requests in
// 10 s, of which 300 may set a secret.
type pace struct{ reads, writes *rate.Limiter }

// Do implements [policy.Policy].
func (p pace) Do(req *policy.Request) (*http.Response, error) {
	limiter := p.writes
	if req.Raw().Method == http.MethodGet {
		limiter = p.reads
	}
	if err := transport.Sleep(req.Raw().Context(), limiter.Reserve().Delay()); err != nil {
		return nil, err
	}
	return req.Next()
}

// Reach implements [store.Store].
func (v *Store) Reach(ctx context.Context) (string, error) {
	names, wanted := v.d.KeyVaults(), v.d.Azure.TenantID
	for _, name := range names {
		tenant, err := v.tenantOf(ctx, name)
		if err != nil {
			return "", err
		}
		if wanted == "" {
			wanted = tenant
		}
		if !strings.EqualFold(tenant, wanted) {
			err := store.Invalid(fmt.Sprintf("key vault %q: is in tenant %s, not in %s", name, tenant, wanted))
			return "", hint.Wrap(err, "the provider logs in to one tenant: azure.tenantID must be that of every Key Vault of the delivery")
		}
	}
	return fmt.Sprintf("Key Vault %s (tenant %s)", strings.Join(names, ", "), wanted), nil
}

const guid = `[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`

var (
	isGUID    = regexp.MustCompile(`^` + guid + `$`)
	authority = regexp.MustCompile(`authorization="https://[^"/]+/(` + guid + `)/?"`)
)

// tenantOf returns the tenant that a Key Vault names to a request without a token.
func (v *Store) tenantOf(ctx context.Context, keyVault string) (string, error) {
	about := func(err error) error { return fmt.Errorf("key vault %q: tenant: %w", keyVault, err) }
	req, err := runtime.NewRequest(ctx, http.MethodGet, v.azure.VaultURL(keyVault)+"/secrets?api-version=7.5")
	if err != nil {
		return "", about(err)
	}
	options := v.azure.Options()
	resp, err := runtime.NewPipeline("", "", runtime.PipelineOptions{}, &options).Do(req) // it retries
	if err != nil {
		return "", about(v.azure.Explain(ctx, err))
	}
	_ = resp.Body.Close()
	challenge := authority.FindStringSubmatch(resp.Header.Get("WWW-Authenticate"))
	if resp.StatusCode == http.StatusUnauthorized && challenge != nil {
		return challenge[1], nil
	}
	return "", hint.Wrap(about(azure.ErrUnexpected), "is there a proxy in between?")
}

// Close implements [store.Store]. Azure's tokens expire by themselves.
func (v *Store) Close(context.Context) error {
	v.azure.Close()
	return nil
}

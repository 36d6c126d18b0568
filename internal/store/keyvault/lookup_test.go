package keyvault_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
	sandbox "github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

const tenant = "33333333-3333-3333-3333-333333333333"

func TestNothingIsAskedForWhatIsInTheConfig(t *testing.T) {
	for kind, clientID := range map[string]string{config.IdentityKubelet: kubeletID, config.IdentityWorkload: kubeletID, config.IdentitySystem: ""} {
		d := withIdentity(kind, clientID)
		d.Azure.TenantID = tenant
		found, err := keyvault.NewProvider(azure.Access{
			Credential: credentialFunc(func() error { t.Error("a login"); return nil }),
			Transport:  failing{errors.New("asked")},
		}).FillIn(t.Context(), d, store.Options{})
		if err != nil || len(found) > 0 {
			t.Errorf("%s: found %v, error %v", kind, found, err)
		}
	}
}

func TestClientIDIsLookedUp(t *testing.T) {
	for kind, from := range map[string]string{
		config.IdentityKubelet: kubeletOf, config.IdentityWorkload: "managed identity aidbox-rg/aidbox-azure-secrets",
	} {
		m := newManager()
		m.identities = []*armmsi.Identity{managedIdentity("aidbox-rg", "aidbox-azure-secrets")}
		d := withIdentity(kind, "")
		d.Azure.TenantID = tenant
		if kind == config.IdentityWorkload {
			d.Azure.Cluster = "" // which it takes no
		}
		found, err := m.provider().FillIn(t.Context(), d, store.Options{})
		if diff := cmp.Diff([]store.Found{{Setting: "azure.identity.clientID", Value: kubeletID, From: from}}, found); diff != "" || err != nil {
			t.Errorf("error %v, found (-want +got):\n%s", err, diff)
		}
		if d.Azure.Identity.ClientID != kubeletID || len(m.wrote()) > 0 {
			t.Errorf("client id %s, wrote %v", d.Azure.Identity.ClientID, m.wrote())
		}
	}
}

func TestLookingUpNeedsSomethingToLookAt(t *testing.T) {
	m := newManager()
	d := withIdentity(config.IdentityKubelet, "")
	d.Azure.TenantID, d.Azure.ResourceGroup = tenant, ""
	_, err := m.provider().FillIn(t.Context(), d, store.Options{})
	storetest.WantError(t, err, "looking up azure.identity.clientID needs azure.resourceGroup in the config")

	d = withIdentity(config.IdentityWorkload, "")
	d.Azure.TenantID = tenant
	_, err = m.provider().FillIn(t.Context(), d, store.Options{})
	storetest.WantError(t, err, "managed identity aidbox-rg/aidbox-azure-secrets: not found")
	storetest.WantHint(t, err, "secretctl provision --phase identity")
}

func TestTenantIsLookedUpAtTheKeyVault(t *testing.T) {
	v, err := sandbox.Start(sandbox.Options{Name: vaultName})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	d := withIdentity(config.IdentitySystem, "")
	b := &keyVault{transport: v.Client, token: credentialFunc(func() error { t.Error("a login"); return nil })}
	found, err := b.provider().FillIn(t.Context(), d, store.Options{})
	want := []store.Found{{Setting: "azure.tenantID", Value: v.TenantID, From: "Key Vault contoso"}}
	if diff := cmp.Diff(want, found); diff != "" || err != nil || d.Azure.TenantID != v.TenantID {
		t.Errorf("error %v, found (-want +got):\n%s", err, diff)
	}
}

// challenges answers everything with a challenge.
type challenges string

func (c challenges) Do(*http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}
	resp.Header.Set("WWW-Authenticate", string(c))
	return resp, nil
}

func TestOtherChallengesTellNoTenant(t *testing.T) {
	for _, challenge := range []string{
		"", `Basic realm="proxy"`, `Bearer authorization="https://login.microsoftonline.com/` + storetest.Canary + `", resource="x"`,
		`Bearer authorization="login"`, `Bearer authorization="https://login.microsoftonline.com/` + tenant + `/more"`,
	} {
		d := withIdentity(config.IdentitySystem, "")
		b := &keyVault{transport: challenges(challenge), token: knownToken("x")}
		_, err := b.provider().FillIn(t.Context(), d, store.Options{})
		storetest.WantError(t, err, `key vault "contoso": tenant: unexpected response`)
		storetest.WantHint(t, err, "azure.tenantID")
		_, _, err = b.connect(t, d, store.Options{}).Get(t.Context(), d.Secrets[0])
		if err == nil {
			t.Errorf("%s: no error", challenge)
		}
	}
	b := &keyVault{transport: failing{&net.DNSError{IsNotFound: true}}, token: knownToken("x")}
	_, err := b.provider().FillIn(t.Context(), withIdentity(config.IdentitySystem, ""), store.Options{})
	storetest.WantError(t, err, `key vault "contoso": tenant: contoso.vault.azure.net: `)
	storetest.WantHint(t, err, "azure.keyVault")
}

func TestOneLoginServesAllClients(t *testing.T) {
	v, err := sandbox.Start(sandbox.Options{Name: vaultName})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	a, err := sandbox.StartAzure(sandbox.AzureOptions{KeyVaults: []*sandbox.Server{v}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	d := withIdentity(config.IdentityWorkload, "")
	d.Azure.SubscriptionID = a.Subscription
	d.Secrets = append(d.Secrets, config.Secret{Name: "other", ObjectName: "other", KeyVault: vaultName})
	counting := &countingCredential{knownToken: knownToken(a.Token)}
	b := &keyVault{transport: a.Client, token: counting}
	if _, err := provision.Run(t.Context(), b.connect(t, d, store.Options{}).Steps(storetest.Inputs(passwordEnv), 0), nil, false); err != nil {
		t.Fatal(err)
	}
	if n := counting.asked.Load(); n != 2 {
		t.Errorf("%d logins, want one for the Key Vault and one for the resource manager", n)
	}
}

type countingCredential struct {
	knownToken
	asked atomic.Int32
}

func (c *countingCredential) GetToken(ctx context.Context, o tokenOptions) (accessToken, error) {
	c.asked.Add(1)
	return c.knownToken.GetToken(ctx, o)
}

// All of it against the sandbox, where a role that is assigned counts.
func TestSandboxAzureIsProvisioned(t *testing.T) {
	for _, kind := range []string{config.IdentityKubelet, config.IdentityAddon, config.IdentityNode, config.IdentityWorkload, config.IdentitySystem} {
		t.Run(kind, func(t *testing.T) {
			v, err := sandbox.Start(sandbox.Options{Name: vaultName})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(v.Close)
			a, err := sandbox.StartAzure(sandbox.AzureOptions{KeyVaults: []*sandbox.Server{v}, SystemIdentity: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(a.Close)
			d := withIdentity(kind, "")
			d.Azure.SubscriptionID = a.Subscription
			if kind == config.IdentityNode {
				d.Azure.Identity.ClientID = a.NodeClientID
			}
			b := &keyVault{transport: a.Client, token: knownToken(a.Token)}
			run := func() []store.Change {
				got, err := provision.Run(t.Context(), b.connect(t, d, store.Options{}).Steps(storetest.Inputs(passwordEnv), 0), nil, false)
				if err != nil {
					t.Fatal(err)
				}
				return got
			}
			if got := run(); storetest.Count(got, store.Create) < 2 {
				t.Errorf("changes %+v", got)
			}
			if got := run(); storetest.Count(got, store.Unchanged) != len(got) {
				t.Errorf("second run: changes %+v", got)
			}
			if _, err := b.provider().FillIn(t.Context(), d, store.Options{}); err != nil || d.Azure.TenantID != v.TenantID {
				t.Errorf("tenant %s, error %v", d.Azure.TenantID, err)
			}
			who := d.Azure.Identity.ClientID
			if kind == config.IdentitySystem {
				who = "system"
			}
			pod := &keyVault{transport: v.Client, token: knownToken(a.PodToken(who))}
			value, _, err := pod.connect(t, d, store.Options{}).Get(t.Context(), d.Secrets[0])
			if err != nil || string(value.Reveal()) != storetest.Canary {
				t.Errorf("the pod cannot read: %v", err)
			}
		})
	}
}

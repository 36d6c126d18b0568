package provision_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/azure"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
)

const tenant = "33333333-3333-3333-3333-333333333333"

func TestNothingIsAskedForWhatIsInTheConfig(t *testing.T) {
	for kind, clientID := range map[string]string{config.IdentityKubelet: kubeletID, config.IdentityWorkload: kubeletID, config.IdentitySystem: ""} {
		d := withIdentity(kind, clientID)
		d.Azure.TenantID = tenant
		v, err := provision.NewKeyVault(d, provision.KeyVaultOptions{Access: azure.Access{
			Credential: credentialFunc(func() error { t.Error("a login"); return nil }),
			Transport:  failing{errors.New("asked")},
		}})
		if err != nil {
			t.Fatal(err)
		}
		found, err := v.FillIn(t.Context())
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
		found, err := m.connect(t, d).FillIn(t.Context())
		if diff := cmp.Diff([]provision.Found{{Setting: "azure.identity.clientID", Value: kubeletID, From: from}}, found); diff != "" || err != nil {
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
	_, err := m.connect(t, d).FillIn(t.Context())
	wantError(t, err, "looking up azure.identity.clientID needs azure.resourceGroup in the config")

	d = withIdentity(config.IdentityWorkload, "")
	d.Azure.TenantID = tenant
	_, err = m.connect(t, d).FillIn(t.Context())
	wantError(t, err, "managed identity aidbox-rg/aidbox-azure-secrets: is not there")
	wantHint(t, err, "secretctl provision --phase identity")
}

func TestTenantIsLookedUpAtTheKeyVault(t *testing.T) {
	v, err := keyvault.Start(keyvault.Options{Name: vaultName})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	d := withIdentity(config.IdentitySystem, "")
	b := &keyVault{transport: v.Client, token: credentialFunc(func() error { t.Error("a login"); return nil })}
	found, err := b.connect(t, d, provision.KeyVaultOptions{}).FillIn(t.Context())
	want := []provision.Found{{Setting: "azure.tenantID", Value: v.TenantID, From: "Key Vault contoso"}}
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
		"", `Basic realm="proxy"`, `Bearer authorization="https://login.microsoftonline.com/` + canary + `", resource="x"`,
		`Bearer authorization="login"`, `Bearer authorization="https://login.microsoftonline.com/` + tenant + `/more"`,
	} {
		d := withIdentity(config.IdentitySystem, "")
		b := &keyVault{transport: challenges(challenge), token: knownToken("x")}
		_, err := b.connect(t, d, provision.KeyVaultOptions{}).FillIn(t.Context())
		wantError(t, err, `key vault "contoso": tenant: answered with something that is no answer of Azure`)
		wantHint(t, err, "azure.tenantID")
		_, _, err = b.connect(t, d, provision.KeyVaultOptions{}).Get(t.Context(), d.Secrets[0])
		if err == nil {
			t.Errorf("%s: no error", challenge)
		}
	}
	b := &keyVault{transport: failing{errors.New("no such host")}, token: knownToken("x")}
	_, err := b.connect(t, withIdentity(config.IdentitySystem, ""), provision.KeyVaultOptions{}).FillIn(t.Context())
	wantError(t, err, `key vault "contoso": tenant: contoso.vault.azure.net: no such host`)
	wantHint(t, err, "azure.keyVault")
}

func TestOneLoginServesAllClients(t *testing.T) {
	v, err := keyvault.Start(keyvault.Options{Name: vaultName})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	a, err := keyvault.StartAzure(keyvault.AzureOptions{KeyVaults: []*keyvault.Server{v}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	d := withIdentity(config.IdentityWorkload, "")
	d.Azure.SubscriptionID = a.Subscription
	d.Secrets = append(d.Secrets, config.Secret{Name: "other", ObjectName: "other", KeyVault: vaultName})
	counting := &countingCredential{knownToken: knownToken(a.Token)}
	b := &keyVault{transport: a.Client, token: counting}
	if _, err := provision.Run(t.Context(), b.connect(t, d, provision.KeyVaultOptions{}).Steps(inputs(passwordEnv), 0), nil, false); err != nil {
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
	for _, kind := range []string{config.IdentityKubelet, config.IdentityWorkload, config.IdentitySystem} {
		t.Run(kind, func(t *testing.T) {
			v, err := keyvault.Start(keyvault.Options{Name: vaultName})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(v.Close)
			a, err := keyvault.StartAzure(keyvault.AzureOptions{KeyVaults: []*keyvault.Server{v}, SystemIdentity: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(a.Close)
			d := withIdentity(kind, "")
			d.Azure.SubscriptionID = a.Subscription
			b := &keyVault{transport: a.Client, token: knownToken(a.Token)}
			run := func() []provision.Change {
				got, err := provision.Run(t.Context(), b.connect(t, d, provision.KeyVaultOptions{}).Steps(inputs(passwordEnv), 0), nil, false)
				if err != nil {
					t.Fatal(err)
				}
				return got
			}
			if got := run(); count(got, provision.Create) < 2 {
				t.Errorf("changes %+v", got)
			}
			if got := run(); count(got, provision.Unchanged) != len(got) {
				t.Errorf("second run: changes %+v", got)
			}
			if _, err := b.connect(t, d, provision.KeyVaultOptions{}).FillIn(t.Context()); err != nil || d.Azure.TenantID != v.TenantID {
				t.Errorf("tenant %s, error %v", d.Azure.TenantID, err)
			}
			who := d.Azure.Identity.ClientID
			if kind == config.IdentitySystem {
				who = "system"
			}
			pod := &keyVault{transport: v.Client, token: knownToken(a.PodToken(who))}
			value, _, err := pod.connect(t, d, provision.KeyVaultOptions{}).Get(t.Context(), d.Secrets[0])
			if err != nil || string(value.Reveal()) != canary {
				t.Errorf("the pod cannot read: %v", err)
			}
		})
	}
}

package keyvault_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
	sandbox "github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
	"github.com/secretctl/secretctl/test/entra"
)

// azureFixture is a subscription with two Key Vaults.
type azureFixture struct {
	*sandbox.Azure
	*keyVault

	d *config.Delivery
}

func newAzureFixture(t *testing.T, kind string) *azureFixture {
	t.Helper()
	s := &azureFixture{d: withIdentity(kind, "")}
	var vaults []*sandbox.Server
	for _, name := range []string{vaultName, "fabrikam"} {
		o := sandbox.Options{Name: name}
		if len(vaults) > 0 {
			o.TenantID = vaults[0].TenantID
		}
		v, err := sandbox.Start(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		vaults = append(vaults, v)
	}
	var err error
	if s.Azure, err = sandbox.StartAzure(sandbox.AzureOptions{KeyVaults: vaults, Wrap: entra.New().Wrap}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Azure.Close)
	s.d.Azure.SubscriptionID = s.Subscription
	s.d.Secrets = append(s.d.Secrets, config.Secret{Name: "other", ObjectName: "other", KeyVault: "fabrikam", Value: storetest.FromEnv("P")})
	s.keyVault = &keyVault{transport: s.Client, token: knownToken(s.Token)}
	return s
}

func (s *azureFixture) vault(t *testing.T) store.Store {
	t.Helper()
	return s.connect(t, s.d, store.Options{})
}

func (s *azureFixture) provision(t *testing.T, phases ...string) {
	t.Helper()
	if _, err := provision.Run(t.Context(), s.vault(t).Steps(storetest.Inputs(passwordEnv), 0), phases, false); err != nil {
		t.Fatal(err)
	}
}

// jwt is a token as the cluster makes it for the delivery's ServiceAccount.
func (s *azureFixture) jwt() secret.Value {
	return jwtOf(s.Issuer, s.d.Subject(s.d.Aidbox.ServiceAccount), audience)
}

func jwtOf(issuer, subject, audience string) secret.Value {
	claims := fmt.Sprintf(`{"iss": %q, "sub": %q, "aud": [%q], "exp": %d}`, issuer, subject, audience, time.Now().Add(time.Hour).Unix())
	return secret.New([]byte("e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"))
}

func TestPodWithWorkloadIdentityReadsEachKeyVault(t *testing.T) {
	s := newAzureFixture(t, config.IdentityWorkload)
	s.provision(t)
	session, err := s.vault(t).Login(t.Context(), s.jwt())
	if err != nil {
		t.Fatal(err)
	}
	for _, wanted := range s.d.Secrets {
		if value, version, err := session.Get(t.Context(), wanted); err != nil || string(value.Reveal()) != storetest.Canary || version == "" {
			t.Errorf("%s: version %s, error %v", wanted.Name, version, err)
		}
	}
	if err := session.End(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPodWithoutTheRoleIsNamed(t *testing.T) {
	s := newAzureFixture(t, config.IdentityWorkload)
	s.provision(t, "store", "identity")
	session, err := s.vault(t).Login(t.Context(), s.jwt())
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = session.Get(t.Context(), s.d.Secrets[0])
	if storetest.WantError(t, err, "permission denied: the pod's identity needs the role Key Vault Secrets User"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v is no ErrPermission", err)
	}
	storetest.WantHint(t, err, "provision --phase grant", "client id "+s.d.Azure.Identity.ClientID)
}

func TestRefusedLoginNamesWhatDoesNotFit(t *testing.T) {
	s := newAzureFixture(t, config.IdentityWorkload)
	s.provision(t)
	account := s.d.Aidbox.ServiceAccount
	s.d.Aidbox.ServiceAccount = "another" // whose credential is not the one to compare with
	s.provision(t, "identity")
	s.d.Aidbox.ServiceAccount = account
	v := s.vault(t)
	const identity = "managed identity aidbox-rg/aidbox-azure-secrets has a federated credential for another "
	for _, c := range []struct {
		jwt  secret.Value
		want string
	}{
		{jwtOf("https://elsewhere", s.d.Subject(s.d.Aidbox.ServiceAccount), audience), `(AADSTS700211): ` + identity + "issuer"},
		{jwtOf(s.Issuer, "system:serviceaccount:default:eve", audience), `(AADSTS700213): ` + identity + "subject"},
		{jwtOf(s.Issuer, s.d.Subject(s.d.Aidbox.ServiceAccount), "vault"), `(AADSTS700212): ` + identity + "audience: aidbox-aks-default-aidbox"},
	} {
		_, err := v.Login(t.Context(), c.jwt)
		if storetest.WantError(t, err, "azure: the pod's login was refused "+c.want); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%v is no ErrPermission", err)
		}
		storetest.WantHint(t, err, "the token is of system:serviceaccount:default:", "provision --phase identity")
		if strings.Contains(err.Error(), string(c.jwt.Reveal())) {
			t.Error("the token is in the error")
		}
	}

	s.d.Azure.Identity.ClientID = kubeletID // which Azure does not know
	_, err := v.Login(t.Context(), s.jwt())
	storetest.WantError(t, err, "azure: the pod's login was refused (AADSTS700016): looking for the reason: no managed identity of the subscription has the client id "+kubeletID)

	s.d.Azure.ResourceGroup = ""
	_, err = v.Login(t.Context(), s.jwt())
	storetest.WantError(t, err, "looking at the federated credentials needs azure.resourceGroup in the config")
}

func TestReachTellsTheTenant(t *testing.T) {
	s := newAzureFixture(t, config.IdentityKubelet)
	s.token = credentialFunc(func() error { t.Error("a login"); return nil })
	got, err := s.vault(t).Reach(t.Context())
	if want := "Key Vault contoso, fabrikam (tenant " + s.TenantID + ")"; got != want || err != nil {
		t.Errorf("%q, want %q, error %v", got, want, err)
	}
	s.d.Azure.TenantID = tenant
	_, err = s.vault(t).Reach(t.Context())
	if storetest.WantError(t, err, `key vault "contoso": is in tenant `+s.TenantID+", not in "+tenant); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("%v is no ErrInvalid", err)
	}
	s.transport = failing{&net.DNSError{IsNotFound: true}}
	_, err = s.vault(t).Reach(t.Context())
	storetest.WantError(t, err, `key vault "contoso": tenant: contoso.vault.azure.net: `)
}

func TestRoleOfTheNodesIsLookedAt(t *testing.T) {
	s := newAzureFixture(t, config.IdentityKubelet)
	_, err := s.vault(t).Granted(t.Context())
	storetest.WantError(t, err, "Key Vault Secrets User on contoso is not assigned to kubelet identity of AKS cluster aidbox-rg/aidbox-aks")
	storetest.WantHint(t, err, "provision --phase grant")
	s.provision(t, "grant")
	got, err := s.vault(t).Granted(t.Context())
	if err != nil || strings.Count(got, "is assigned to kubelet identity") != 2 {
		t.Errorf("%q, error %v", got, err)
	}
	s.intercept(func(*http.Request) *http.Response { return refusal(http.StatusForbidden, "AuthorizationFailed", "") })
	_, err = s.vault(t).Granted(t.Context())
	storetest.WantError(t, err, "permission denied: needs the role Reader on ")
	s.d.Azure.SubscriptionID = ""
	_, err = s.vault(t).Granted(t.Context())
	storetest.WantError(t, err, "looking at the role assignments needs azure.subscriptionID in the config")
}

package keyvault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	vaultfake "github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets/fake"
	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

type (
	tokenOptions = policy.TokenRequestOptions
	accessToken  = azcore.AccessToken
)

func TestOtherAnswersAreNotTakenForKeyVaults(t *testing.T) {
	html := "<html><body>" + storetest.Canary + "</body></html>"
	for name, c := range map[string]struct {
		status int
		body   string
		says   string
	}{
		"a page":                  {http.StatusOK, html, "unexpected response"},
		"other JSON":              {http.StatusOK, `{"status":"` + storetest.Canary + `"}`, "unexpected response"},
		"nothing":                 {http.StatusOK, ``, "unexpected response"},
		"another type":            {http.StatusOK, `{"value":["` + storetest.Canary + `"]}`, "unexpected response"},
		"a page of a proxy":       {http.StatusBadRequest, html, "answered 400"},
		"not found by a web site": {http.StatusNotFound, html, "answered 404"},
		"a redirect":              {http.StatusTemporaryRedirect, html, "answered 307"},
	} {
		t.Run(name, func(t *testing.T) {
			b := fakeKeyVault(t)
			b.intercept(func(*http.Request) *http.Response {
				header := http.Header{"Location": {"https://elsewhere.invalid/"}}
				return &http.Response{StatusCode: c.status, Header: header, Body: io.NopCloser(strings.NewReader(c.body))}
			})
			v := b.connect(t, password(), store.Options{})
			_, _, getErr := v.Get(t.Context(), password().Secrets[0])
			_, putErr := v.Put(t.Context(), password().Secrets[0], secret.New([]byte(storetest.Canary)))
			_, runErr := provision.Run(t.Context(), v.Steps(storetest.Inputs(passwordEnv), 0), []string{"store"}, false)
			for _, err := range []error{getErr, putErr, runErr} {
				storetest.WantError(t, err, c.says)
			}
		})
	}
}

func TestCodesAndTagsThatAreValuesAreNotShown(t *testing.T) {
	const value = "Hunter2Hunter2"
	b := fakeKeyVault(t)
	b.store(t, "theirs", "other", "managed-by", value)
	env := map[string]string{"P": value}
	_, err := b.run(t, azureDelivery(config.Secret{Name: "theirs", Value: storetest.FromEnv("P")}), env, store.Options{})
	storetest.WantError(t, err, "is managed by")
	b.refuse(http.MethodPut, 100, http.StatusBadRequest, "BadParameter", value)
	_, codeErr := b.run(t, password(), env, store.Options{})
	storetest.WantError(t, codeErr, "answered 400 BadParameter")
	if strings.Contains(err.Error()+codeErr.Error(), value) {
		t.Errorf("a value is in %q or %q", err, codeErr)
	}
}

func TestWriteWithoutAVersionIsNoWrite(t *testing.T) {
	b := fakeKeyVault(t)
	b.intercept(func(r *http.Request) *http.Response {
		if r.Method != http.MethodPut {
			return nil
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{}`))}
	})
	_, err := b.run(t, password(), passwordEnv, store.Options{})
	storetest.WantError(t, err, "unexpected response")
}

func TestKeyVaultThatIsNotThereIsNamed(t *testing.T) {
	b := fakeKeyVault(t)
	b.transport = failing{errors.New("it broke")}
	_, err := b.run(t, password(), passwordEnv, store.Options{})
	storetest.WantError(t, err, `key vault "contoso": secret "password": contoso.vault.azure.net: malformed response`)
}

type failing struct{ err error }

func (f failing) Do(*http.Request) (*http.Response, error) { return nil, f.err }

func TestKeyVaultLogHasALineForEachRequestAndNoValue(t *testing.T) {
	b := sandboxKeyVault(t)
	var log storetest.Buffer
	o := store.Options{}
	o.Log = &log
	if _, err := b.run(t, password(), passwordEnv, o); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "PUT https://contoso.vault.azure.net/secrets/password ") {
		t.Errorf("the write is not in the log:\n%s", &log)
	}
	if token, _ := b.token.GetToken(t.Context(), tokenOptions{}); strings.Contains(log.String(), storetest.Canary) || strings.Contains(log.String(), token.Token) {
		t.Error("the log has a value")
	}
}

func TestCloudDecidesTheAddress(t *testing.T) {
	for cloud, domain := range map[string]string{
		"AzurePublicCloud": "vault.azure.net", "AzureUSGovernmentCloud": "vault.usgovcloudapi.net",
		"AzureChinaCloud": "vault.azure.cn", "AzureGermanCloud": "vault.microsoftazure.de",
	} {
		b := fakeKeyVault(t)
		b.intercept(func(r *http.Request) *http.Response {
			if r.URL.Host != "contoso."+domain {
				t.Errorf("%s: asked %s", cloud, r.URL.Host)
			}
			return refusal(http.StatusBadRequest, "BadParameter", "")
		})
		d := password()
		d.Azure.Cloud = cloud
		if _, err := b.run(t, d, passwordEnv, store.Options{}); err == nil {
			t.Error("no error")
		}
	}
}

func TestSecretsGoToTheirKeyVaults(t *testing.T) {
	b := fakeKeyVault(t)
	hosts := map[string]string{}
	b.intercept(func(r *http.Request) *http.Response {
		if r.Method == http.MethodPut {
			b.mu.Lock()
			defer b.mu.Unlock()
			hosts[r.URL.Path] = strings.ToLower(r.URL.Host)
		}
		return nil
	})
	d := azureDelivery(config.Secret{Name: "a", Value: storetest.FromEnv("P")}, config.Secret{Name: "b", Value: storetest.FromEnv("P"), KeyVault: "Fabrikam"})
	got, err := b.run(t, d, passwordEnv, store.Options{})
	storetest.Want(t, got, err, "store create contoso/a", "store create Fabrikam/b")
	if diff := cmp.Diff(map[string]string{"/secrets/a": "contoso.vault.azure.net", "/secrets/b": "fabrikam.vault.azure.net"}, hosts); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
}

func TestCertificatesAndKeysAreNotReadAsValues(t *testing.T) {
	fake := newFakeVault()
	b := &keyVault{transport: vaultfake.NewServerTransport(fake.server()), token: &azfake.TokenCredential{}}
	d := azureDelivery(
		config.Secret{Name: "cert", ObjectType: config.ObjectCert}, config.Secret{Name: "key", ObjectType: config.ObjectKey},
		config.Secret{Name: "pfx"}, config.Secret{Name: "text", Value: storetest.FromEnv("P")},
	)
	if _, err := b.run(t, azureDelivery(
		config.Secret{Name: "cert", Value: storetest.FromEnv("P")}, config.Secret{Name: "pfx", Value: storetest.FromEnv("P")},
	), map[string]string{"P": "-----BEGIN CERTIFICATE-----\n"}, store.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cert", "pfx"} { // which a certificate has written
		fake.secrets[name].versions[0].Managed = to.Ptr(true)
	}
	got, err := b.run(t, d, passwordEnv, store.Options{})
	storetest.Want(t, got, err, "store unchanged contoso/cert", "store unchanged contoso/key", "store unchanged contoso/pfx", "store create contoso/text")
	for _, c := range got {
		if c.Warning != "" {
			t.Errorf("%s: %s", c.Object, c.Warning)
		}
	}
	v := b.connect(t, d, store.Options{})
	for i, versioned := range []bool{true, false, true} {
		value, version, err := v.Get(t.Context(), d.Secrets[i])
		if !errors.Is(err, store.ErrPEM) || !value.Empty() || (version != "") != versioned {
			t.Errorf("%s: version %q, %v", d.Secrets[i].Name, version, err)
		}
		if _, err := v.StatusVersions(t.Context(), d.Secrets[i]); errors.Is(err, store.ErrNoStatusVersion) == versioned {
			t.Errorf("%s: %v", d.Secrets[i].Name, err)
		}
	}
}

func TestOddValuesAreWarnedAbout(t *testing.T) {
	for text, want := range map[string]string{
		"\uFEFF" + storetest.Canary: "begins with a byte order mark, which Aidbox takes as part of the secret",
		" " + storetest.Canary:      "begins with white space, which Aidbox takes as part of the secret",
		storetest.Canary:            "",
	} {
		got, err := fakeKeyVault(t).run(t, password(), map[string]string{"P": text}, store.Options{})
		if err != nil || got[0].Warning != want {
			t.Errorf("%v, error %v, want the warning %q", got, err, want)
		}
	}
}

func TestSteadyReadRateIsEstimated(t *testing.T) {
	b := fakeKeyVault(t)
	for _, c := range []struct {
		pods    int32
		objects int
		says    string
		warns   bool
	}{
		{1, 1, "about 0.1 reads in 10s by rotation (pods 1, secrets 1); it allows 4000", false},
		{3, 10, "about 4.0 reads", false},
		{500, 15, "about 1000.0 reads", false},
		{501, 15, "about 1002.0 reads", true},
	} {
		var secrets []config.Secret
		for i := range c.objects {
			secrets = append(secrets, config.Secret{Name: fmt.Sprintf("s%d", i)})
		}
		d := azureDelivery(secrets...)
		d.Aidbox.Replicas = to.Ptr(c.pods)
		v := b.connect(t, d, store.Options{})
		got, err := provision.Run(t.Context(), v.Steps(storetest.Inputs(nil), 0), []string{"store"}, false)
		if err != nil {
			t.Fatal(err)
		}
		last := got[len(got)-1]
		if last.Object != "contoso" || !strings.Contains(last.Detail, c.says) || (last.Warning != "") != c.warns {
			t.Errorf("%+v, want it to say %q, and a warning: %v", last, c.says, c.warns)
		}
	}
}

// Key Vault allows 300 requests that set a secret in 10 seconds, and 4,000 others.
func TestManyWritesKeepBelowTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakeKeyVault(t)
		var writes, reads []time.Time
		b.intercept(func(r *http.Request) *http.Response {
			b.mu.Lock()
			defer b.mu.Unlock()
			if r.Method == http.MethodPut {
				writes = append(writes, time.Now())
			} else {
				reads = append(reads, time.Now())
			}
			return nil
		})
		secrets, env := storetest.Numbered(t, 1500)
		v := b.connect(t, azureDelivery(secrets...), store.Options{})
		got, err := provision.Run(t.Context(), v.Steps(storetest.Inputs(env), 256), []string{"store"}, false)
		if err != nil || storetest.Count(got, store.Create) != 1500 {
			t.Fatalf("%d created, error %v", storetest.Count(got, store.Create), err)
		}
		for what, c := range map[string]struct {
			times []time.Time
			limit int
		}{"writes": {writes, 300}, "reads": {reads, 4000}} {
			for i := range c.times {
				if j := i + c.limit; j < len(c.times) && c.times[j].Sub(c.times[i]) < 10*time.Second {
					t.Fatalf("more than %d %s in 10 seconds", c.limit, what)
				}
			}
		}
	})
}

func TestInterruptedKeyVaultRunEndsSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakeKeyVault(t)
		secrets, env := storetest.Numbered(t, 1500)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		start := time.Now()
		v := b.connect(t, azureDelivery(secrets...), store.Options{})
		done, err := provision.Run(ctx, v.Steps(storetest.Inputs(env), 0), []string{"store"}, false)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 30*time.Second {
			t.Errorf("error %v after %s", err, time.Since(start))
		}
		if len(withoutRates(done)) == 0 {
			t.Error("nothing is reported of what was written")
		}
	})
}

package keyvault_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/provision"
	sandbox "github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/internal/store/storetest"
	"github.com/secretctl/secretctl/test/sandboxtest"
)

func TestKeyVaultRefusalsAreOneLineWithTheWayOut(t *testing.T) {
	const vault = "/subscriptions/" + subscription + "/resourceGroups/aidbox-rg/providers/Microsoft.KeyVault/vaults/contoso"
	for name, c := range map[string]struct {
		method      string
		status      int
		code, inner string
		says, hint  string
	}{
		"by RBAC, reading":   {http.MethodGet, 403, "Forbidden", "ForbiddenByRbac", "permission denied: needs the role Key Vault Secrets Officer on " + vault, `az role assignment create --role "Key Vault Secrets Officer" --scope ` + vault},
		"by RBAC, writing":   {http.MethodPut, 403, "Forbidden", "ForbiddenByRbac", "permission denied: needs the role Key Vault Secrets Officer on " + vault, "leave this phase to somebody else: --phase identity,grant"},
		"by policy":          {http.MethodPut, 403, "Forbidden", "ForbiddenByPolicy", "permission denied: its access policies do not let you do this", "az keyvault set-policy --name contoso"},
		"by policy, older":   {http.MethodGet, 403, "Forbidden", "AccessDenied", "its access policies", "az keyvault set-policy"},
		"by the firewall":    {http.MethodGet, 403, "Forbidden", "ForbiddenByFirewall", "the Key Vault does not take requests from this network", "az keyvault network-rule add --name contoso"},
		"no public access":   {http.MethodGet, 403, "Forbidden", "ForbiddenByConnection", "does not take requests from this network", "firewall"},
		"of another kind":    {http.MethodPut, 403, "Forbidden", "", "permission denied: needs the role", "az role assignment create"},
		"bad parameter":      {http.MethodPut, 400, "BadParameter", "", "answered 400 BadParameter", ""},
		"a code with canary": {http.MethodPut, 400, storetest.Canary, "", "answered 400", ""},
		"an odd code":        {http.MethodPut, 400, "two words", "", "answered 400", ""},
		"wrong tenant":       {http.MethodPut, 401, "Unauthorized", "", "answered 401 Unauthorized", "azure.cloud"},
		"no such page":       {http.MethodGet, 404, "NotFound", "", "answered 404 NotFound", ""},
		"being deleted":      {http.MethodPut, 409, "Conflict", "ObjectIsBeingDeleted", "is being deleted", "provision --recover"},
		"being recovered":    {http.MethodPut, 409, "Conflict", "ObjectIsBeingRecovered", "is being recovered", "run again"},
		"deleted":            {http.MethodPut, 409, "Conflict", "ObjectIsDeletedButRecoverable", "is deleted", "provision --recover"},
		"throttled":          {http.MethodPut, 429, "Throttled", "", "limits how many requests it takes, even after several retries", "run again later"},
		"failing":            {http.MethodPut, 503, "ServiceUnavailable", "", "answered 503 ServiceUnavailable", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := fakeKeyVault(t)
				b.refuse(c.method, 100, c.status, c.code, c.inner)
				v := b.connect(t, password(), store.Options{}) // which waits for nothing
				_, err := provision.Run(t.Context(), v.Steps(storetest.Inputs(passwordEnv), 0), []string{"store"}, false)
				storetest.WantError(t, err, `key vault "contoso": secret "password": `, c.says)
				storetest.WantHint(t, err, c.hint)
				if strings.Contains(hint.Of(err), storetest.Canary) || strings.Contains(hint.Of(err), "\n") {
					t.Errorf("hint %q", hint.Of(err))
				}
			})
		})
	}
}

func TestKeyVaultIsWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		method      string
		status      int
		code, inner string
		header      []string
		says        string
		least       time.Duration
	}{
		"access to read that spreads":  {http.MethodGet, 403, "Forbidden", "ForbiddenByRbac", nil, "access is refused, as for some minutes after a role was assigned", 100 * time.Millisecond},
		"access to write that spreads": {http.MethodPut, 403, "Forbidden", "ForbiddenByRbac", nil, "access is refused", 100 * time.Millisecond},
		"a deletion":                   {http.MethodPut, 409, "Conflict", "ObjectIsBeingDeleted", nil, "the deletion of a secret is in progress", 100 * time.Millisecond},
		"a recovery":                   {http.MethodPut, 409, "Conflict", "ObjectIsBeingRecovered", nil, "the recovery of a secret is in progress", 100 * time.Millisecond},
		"throttling":                   {http.MethodPut, 429, "Throttled", "", []string{"Retry-After", "7"}, "limits how many requests", 20 * 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := fakeKeyVault(t)
				b.refuse(c.method, 20, c.status, c.code, c.inner, c.header...)
				start := time.Now()
				got, err := b.run(t, password(), passwordEnv, store.Options{})
				storetest.Want(t, got, err, "store create contoso/password")
				if took := time.Since(start); took < c.least || took > 10*time.Minute {
					t.Errorf("took %s", took)
				}
				if len(b.waiting) == 0 || !strings.HasPrefix(b.waiting[0], "key vault contoso: ") || !strings.Contains(b.waiting[0], c.says) {
					t.Errorf("waiting for %q", b.waiting)
				}
			})
		})
	}
}

func TestKeyVaultIsNotWaitedForLongerThanAzureTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakeKeyVault(t)
		b.refuse(http.MethodGet, 1e6, 403, "Forbidden", "ForbiddenByRbac")
		start := time.Now()
		_, err := b.run(t, password(), passwordEnv, store.Options{})
		storetest.WantError(t, err, "needs the role Key Vault Secrets Officer")
		if took := time.Since(start); took < 10*time.Minute || took > 11*time.Minute {
			t.Errorf("took %s, want 10 minutes", took)
		}
	})
}

func TestKeyVaultWaitEndsWithTheContext(t *testing.T) {
	for name, inner := range map[string]string{"role": "ForbiddenByRbac", "deletion": "ObjectIsBeingDeleted"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := fakeKeyVault(t)
				b.refuse(http.MethodPut, 1e6, 403, "Forbidden", inner)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				v := b.connect(t, password(), store.Options{Waiting: func(string) {}})
				_, err := provision.Run(ctx, v.Steps(storetest.Inputs(passwordEnv), 0), []string{"store"}, false)
				storetest.WantError(t, err, `secret "password"`, "timed out")
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v is not context.DeadlineExceeded", err)
				}
			})
		})
	}
}

func TestKeyVaultDeletionUnderWayIsRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakeKeyVault(t)
		b.storeOurs(t, "password", "old")
		b.remove(t, "password")
		var asked atomic.Int32
		b.intercept(func(r *http.Request) *http.Response { // which is not told of at first
			if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/deletedsecrets/") && asked.Add(1) <= 2 {
				return refusal(http.StatusNotFound, "SecretNotFound", "")
			}
			return nil
		})
		got, err := b.run(t, password(), passwordEnv, store.Options{Recover: true})
		storetest.Want(t, got, err, "store update contoso/password")
		b.wantKept(t, "password", ours(storetest.Canary, 2))
	})
}

func TestKeyVaultRecoveryIsWaitedFor(t *testing.T) {
	v, err := sandboxtest.NewKeyVault(sandbox.Options{Name: vaultName}, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	b := &keyVault{transport: v.Client, token: knownToken(v.Token)}
	b.storeOurs(t, "password", "old")
	b.remove(t, "password")
	got, err := b.run(t, password(), passwordEnv, store.Options{Recover: true})
	if err != nil || len(got) != 1 {
		t.Fatalf("changes %v, error %v", got, err)
	}
	if k := b.kept(t, "password"); k.Value != storetest.Canary || k.Versions != 2 {
		t.Errorf("%d versions, want the new value in the second", k.Versions)
	}
}

func TestSandboxThrottlesAndSpreadsAccess(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, sandbox.Options{Name: vaultName})
	b := &keyVault{transport: v.Client, token: knownToken(v.Token)}
	v.DelayAccess(3)
	got, err := b.run(t, password(), passwordEnv, store.Options{})
	storetest.Want(t, got, err, "store create contoso/password")
	v.Throttle(1, 0)
	got, err = b.run(t, password(), passwordEnv, store.Options{})
	storetest.Want(t, got, err, "store unchanged contoso/password")

	b.token = knownToken(v.NewToken(sandbox.SecretsUser))
	d := password()
	d.Azure.SubscriptionID = ""
	_, err = b.connect(t, d, store.Options{}).Put(t.Context(), d.Secrets[0], secret.New([]byte("new")))
	storetest.WantError(t, err, "needs the role Key Vault Secrets Officer on vaults/contoso")
}

// credentialFunc is a credential.
type credentialFunc func() error

func (f credentialFunc) GetToken(context.Context, tokenOptions) (accessToken, error) {
	return accessToken{Token: "t0ken-canary", ExpiresOn: time.Now().Add(time.Hour)}, f()
}

func refusedLogin(body string) error {
	return &azidentity.AuthenticationFailedError{RawResponse: &http.Response{
		StatusCode: http.StatusUnauthorized, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)),
	}}
}

func TestLoginErrorsNameTheCodeAndNothingElse(t *testing.T) {
	for name, c := range map[string]struct {
		err        error
		says, hint string
	}{
		"nobody":             {azidentity.NewCredentialUnavailableError("DefaultAzureCredential: failed\n\t" + storetest.Canary), "azure: no login that works was found", "az login"},
		"something else":     {errors.New(storetest.Canary), "azure: no login that works was found", "az login"},
		"a wrong secret":     {refusedLogin(`{"error":"invalid_client","error_description":"AADSTS7000215: ` + storetest.Canary + `","error_codes":[7000215]}`), "the login was refused (AADSTS7000215)", "AZURE_CLIENT_SECRET"},
		"an unknown code":    {refusedLogin(`{"error_codes":[123]}`), "the login was refused (AADSTS123)", "https://login.microsoftonline.com/error?code=123"},
		"no code":            {refusedLogin(`<html>` + storetest.Canary), "the login was refused with 401", "az login"},
		"not yet federated":  {refusedLogin(`{"error_codes":[700213]}`), "(AADSTS700213)", "issuer, subject and audience"},
		"not yet federated2": {refusedLogin(`{"error_codes":[70021]}`), "(AADSTS70021)", "issuer, subject and audience"},
	} {
		t.Run(name, func(t *testing.T) {
			b := fakeKeyVault(t)
			var asked atomic.Int32
			b.token = credentialFunc(func() error { asked.Add(1); return c.err })
			secrets, env := storetest.Numbered(t, 20)
			v := b.connect(t, azureDelivery(secrets...), store.Options{})
			_, err := provision.Run(t.Context(), v.Steps(storetest.Inputs(env), 0), []string{"store"}, false)
			storetest.WantError(t, err, c.says)
			storetest.WantHint(t, err, c.hint)
			login, ok := errors.AsType[*azure.LoginError](err)
			if !ok || !login.Propagating() && asked.Load() != 1 {
				t.Errorf("%T, asked %d times", err, asked.Load())
			}
		})
	}
}

func TestFederatedLoginIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fakeKeyVault(t)
		var asked atomic.Int32
		b.token = credentialFunc(func() error {
			if asked.Add(1) <= 3 {
				return refusedLogin(`{"error_codes":[700213]}`)
			}
			return nil
		})
		got, err := b.run(t, password(), passwordEnv, store.Options{})
		storetest.Want(t, got, err, "store create contoso/password")
	})
}

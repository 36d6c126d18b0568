package keyvault_test

import (
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

func kvNamesDisabled(t *testing.T, b *keyVault) {
	b.storeOurs(t, "password", "old")
	_, err := b.client(t).UpdateSecretProperties(t.Context(), "password", "",
		azsecrets.UpdateSecretPropertiesParameters{SecretAttributes: &azsecrets.SecretAttributes{Enabled: to.Ptr(false)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.run(t, password(), passwordEnv, store.Options{})
	storetest.WantError(t, err, `key vault "contoso": secret "password": is disabled`)
	storetest.WantHint(t, err, "az keyvault secret set-attributes --vault-name contoso --name password --enabled true")
}

func kvOffersRecovery(t *testing.T, b *keyVault) {
	b.storeOurs(t, "password", "old")
	b.remove(t, "password")
	d := password()
	for range 2 {
		_, err := b.run(t, d, passwordEnv, store.Options{})
		storetest.WantError(t, err, `secret "password": is deleted`)
		storetest.WantHint(t, err, "provision --recover")
	}
	d.Secrets[0].Value = secret.Source{}
	got, err := b.run(t, d, nil, store.Options{})
	storetest.Want(t, got, err, "store absent contoso/password")
	if !strings.Contains(got[0].Warning, "--recover") {
		t.Errorf("warning %q", got[0].Warning)
	}
	v := b.connect(t, d, store.Options{})
	_, _, err = v.Get(t.Context(), d.Secrets[0])
	storetest.WantError(t, err, "is deleted, and can be recovered")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
	_, err = v.Put(t.Context(), d.Secrets[0], secret.New([]byte(storetest.Canary)))
	storetest.WantError(t, err, "is deleted")
}

func kvRecovers(t *testing.T, b *keyVault) {
	b.storeOurs(t, "given", storetest.Canary)
	b.storeOurs(t, "generated", "kept")
	b.storeOurs(t, "sourceless", "kept")
	for _, name := range []string{"given", "generated", "sourceless"} {
		b.remove(t, name)
	}
	d := azureDelivery(config.Secret{Name: "given", Value: storetest.FromEnv("P")}, config.Secret{Name: "generated", Value: storetest.Generated()}, config.Secret{Name: "sourceless"})
	got, err := b.run(t, d, passwordEnv, store.Options{Recover: true})
	storetest.Want(t, got, err, "store update contoso/given", "store update contoso/generated", "store update contoso/sourceless")
	for i, value := range map[string]string{"given": storetest.Canary, "generated": "kept", "sourceless": "kept"} {
		b.wantKept(t, i, ours(value, 1))
	}
	if !strings.HasPrefix(got[0].Detail, "recovered, ") {
		t.Errorf("detail %q", got[0].Detail)
	}
	got, err = b.run(t, d, passwordEnv, store.Options{})
	storetest.Want(t, got, err, "store unchanged contoso/given", "store unchanged contoso/generated", "store unchanged contoso/sourceless")
}

func kvRecoversAndUpdates(t *testing.T, b *keyVault) {
	b.storeOurs(t, "password", "old")
	b.remove(t, "password")
	got, err := b.run(t, password(), passwordEnv, store.Options{Recover: true})
	storetest.Want(t, got, err, "store update contoso/password")
	b.wantKept(t, "password", ours(storetest.Canary, 2))
}

func kvRecoversOthersWhenItAdopts(t *testing.T, b *keyVault) {
	b.store(t, "password", "theirs")
	b.remove(t, "password")
	_, err := b.run(t, password(), passwordEnv, store.Options{Recover: true})
	storetest.WantError(t, err, "is deleted and has no tag managed-by", "not recovered")
	storetest.WantHint(t, err, "--recover --adopt")
	got, err := b.run(t, password(), passwordEnv, store.Options{Recover: true, Adopt: true})
	storetest.Want(t, got, err, "store update contoso/password")
	b.wantKept(t, "password", ours(storetest.Canary, 2))
}

func kvSetsExpiry(t *testing.T, b *keyVault) {
	d := password()
	near := func(lifetime time.Duration) bool {
		got := b.read(t, "password").Attributes
		return got.Expires != nil && got.Expires.Sub(got.Created.Add(lifetime)).Abs() < time.Minute
	}
	for _, c := range []struct {
		expires, action string
		lifetime        time.Duration
	}{
		{"90d", "create", 90 * 24 * time.Hour}, {"90d", "unchanged", 90 * 24 * time.Hour}, {"12h", "update", 12 * time.Hour}, {"", "unchanged", 12 * time.Hour},
	} {
		d.Secrets[0].ExpiresIn = c.expires
		got, err := b.run(t, d, passwordEnv, store.Options{})
		storetest.Want(t, got, err, "store "+c.action+" contoso/password")
		if !near(c.lifetime) {
			t.Errorf("%q: expires %v, created %v", c.expires, b.read(t, "password").Attributes.Expires, b.read(t, "password").Attributes.Created)
		}
	}
	b.wantKept(t, "password", ours(storetest.Canary, 1))

	past := time.Now().Add(-time.Hour)
	_, err := b.client(t).UpdateSecretProperties(t.Context(), "password", "", azsecrets.UpdateSecretPropertiesParameters{SecretAttributes: &azsecrets.SecretAttributes{Expires: &past}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.run(t, d, passwordEnv, store.Options{})
	if err != nil || !strings.Contains(got[0].Warning, "expired on") {
		t.Errorf("changes %v, error %v, want a warning", got, err)
	}
	dated, ok := b.connect(t, d, store.Options{}).(store.Dated)
	if !ok {
		t.Fatal("the store keeps no validity")
	}
	from, until, err := dated.Validity(t.Context(), d.Secrets[0])
	if !from.IsZero() || until.Unix() != past.Unix() || err != nil {
		t.Errorf("valid from %v until %v, error %v", from, until, err)
	}
}

func kvDryRunWritesNothing(t *testing.T, b *keyVault) {
	b.storeOurs(t, "update", "old")
	b.store(t, "adopt", storetest.Canary)
	b.storeOurs(t, "recover", "old")
	b.remove(t, "recover")
	b.intercept(func(r *http.Request) *http.Response {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		return nil
	})
	var secrets []config.Secret
	for _, name := range []string{"create", "update", "adopt", "recover"} {
		secrets = append(secrets, config.Secret{Name: name, Value: storetest.FromEnv("P")})
	}
	v := b.connect(t, azureDelivery(secrets...), store.Options{Adopt: true, Recover: true})
	got, err := provision.Run(t.Context(), v.Steps(storetest.Inputs(passwordEnv), 0), []string{"store"}, true)
	storetest.Want(t, withoutRates(got), err, "store create contoso/create", "store update contoso/update", "store update contoso/adopt", "store update contoso/recover")
}

func kvPutsValue(t *testing.T, b *keyVault) {
	b.storeOurs(t, "password", "old")
	d := azureDelivery(config.Secret{Name: "password", ExpiresIn: "90d"}, config.Secret{Name: "new"})
	v := b.connect(t, d, store.Options{})
	for range 2 { // an equal value is not written again
		version, err := v.Put(t.Context(), d.Secrets[0], secret.New([]byte(storetest.Canary)))
		if wanted := b.read(t, "password").ID.Version(); err != nil || version != wanted {
			t.Errorf("version %q, error %v, want %s", version, err, wanted)
		}
	}
	b.wantKept(t, "password", ours(storetest.Canary, 2))
	if b.read(t, "password").Attributes.Expires == nil {
		t.Error("no expiry")
	}
	if _, err := v.Put(t.Context(), d.Secrets[1], secret.New([]byte(storetest.Canary))); err != nil {
		t.Error(err)
	}
	b.wantKept(t, "new", ours(storetest.Canary, 1))
}

func kvKeepsConcurrency(t *testing.T, b *keyVault) {
	secrets, env := storetest.Numbered(t, 40)
	var now atomic.Int32
	var most int32
	b.intercept(func(*http.Request) *http.Response {
		n := now.Add(1)
		defer now.Add(-1)
		b.mu.Lock()
		most = max(most, n)
		b.mu.Unlock()
		<-time.After(time.Millisecond)
		return nil
	})
	v := b.connect(t, azureDelivery(secrets...), store.Options{})
	got, err := provision.Run(t.Context(), v.Steps(storetest.Inputs(env), 4), []string{"store"}, false)
	if err != nil || storetest.Count(got, store.Create) != 40 {
		t.Errorf("%d created, error %v", storetest.Count(got, store.Create), err)
	}
	if most != 4 {
		t.Errorf("%d requests at once, want 4", most)
	}
}

func kvStopsAfterError(t *testing.T, b *keyVault) {
	secrets, env := storetest.Numbered(t, 60)
	d := azureDelivery(secrets...)
	var writes atomic.Int32
	b.intercept(func(r *http.Request) *http.Response {
		if r.Method == http.MethodPut && writes.Add(1) > 20 {
			return refusal(http.StatusForbidden, "Forbidden", "ForbiddenByFirewall")
		}
		return nil
	})
	done, err := b.run(t, d, env, store.Options{})
	storetest.WantError(t, err, "does not take requests from this network")
	if writes.Load() > 20+16 || len(done) != 20 {
		t.Errorf("%d writes, %d reported", writes.Load(), len(done))
	}
	b.before.Store(nil)
	again, err := b.run(t, d, env, store.Options{})
	if err != nil || storetest.Count(again, store.Unchanged) != 20 || storetest.Count(again, store.Create) != 40 {
		t.Errorf("the next run: %d unchanged, %d created, error %v", storetest.Count(again, store.Unchanged), storetest.Count(again, store.Create), err)
	}
}

package keyvault_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
	sandbox "github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

// kvTellsNewest also counts the requests for values: there is none.
func kvTellsNewest(t *testing.T, b *keyVault) {
	d := password()
	v := b.connect(t, d, store.Options{})
	_, err := v.StatusVersions(t.Context(), d.Secrets[0])
	if storetest.WantError(t, err, `key vault "contoso": secret "password": is not in the store`); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is no ErrNotExist", err)
	}
	for i := range 30 { // more than a page of the sandbox has
		b.storeOurs(t, "password", fmt.Sprint("value-", i))
	}
	last := b.read(t, "password").ID.Version()
	b.intercept(func(r *http.Request) *http.Response {
		if !strings.HasSuffix(r.URL.Path, "/versions") {
			t.Errorf("asked for %s", r.URL.Path)
		}
		return nil
	})
	ids, err := v.StatusVersions(t.Context(), d.Secrets[0])
	if err != nil || !slices.Contains(ids, last) || slices.Contains(ids, "") {
		t.Errorf("newest %v, want %s among them, error %v", ids, last, err)
	}
	off := azsecrets.UpdateSecretPropertiesParameters{SecretAttributes: &azsecrets.SecretAttributes{Enabled: to.Ptr(false)}}
	for _, id := range ids {
		if _, err := b.client(t).UpdateSecretProperties(t.Context(), "password", id, off, nil); err != nil {
			t.Fatal(err)
		}
	}
	ids, err = v.StatusVersions(t.Context(), d.Secrets[0])
	if errors.Is(err, fs.ErrInvalid) {
		storetest.WantError(t, err, `key vault "contoso": secret "password": is disabled`)
		storetest.WantHint(t, err, "--enabled true")
	} else if err != nil || slices.Contains(ids, last) { // the fake disables the last version whichever is named
		t.Errorf("the newest is disabled: %v, error %v", ids, err)
	}
}

func TestNewestVersionTakesTheReadersRole(t *testing.T) {
	v, err := sandbox.Start(sandbox.Options{Name: vaultName})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	b := &keyVault{transport: v.Client, token: knownToken(v.Token)}
	b.storeOurs(t, "password", storetest.Canary)
	d, id := password(), b.read(t, "password").ID.Version()

	b.token = knownToken(v.NewToken(sandbox.Reader))
	reader := b.connect(t, d, store.Options{})
	if got, err := reader.StatusVersions(t.Context(), d.Secrets[0]); err != nil || !slices.Equal(got, []string{id}) {
		t.Errorf("newest %v, error %v", got, err)
	}
	if _, _, err := reader.Get(t.Context(), d.Secrets[0]); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("the value: error %v", err)
	}
	b.token = knownToken(v.NewToken(""))
	_, err = b.connect(t, d, store.Options{}).StatusVersions(t.Context(), d.Secrets[0])
	if storetest.WantError(t, err, `secret "password": permission denied: needs the role Key Vault Reader on /subscriptions/`); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v is no ErrPermission", err)
	}
	storetest.WantHint(t, err, `az role assignment create --role "Key Vault Reader"`)
}

func kvComparesAll(t *testing.T, b *keyVault) {
	d := azureDelivery(
		config.Secret{Name: "theirs", Value: storetest.FromEnv("P")}, config.Secret{Name: "deleted", Value: storetest.FromEnv("P")}, config.Secret{Name: "other", Value: storetest.FromEnv("P")},
		config.Secret{Name: "bare", Value: storetest.FromEnv("P")}, config.Secret{Name: "absent", Value: storetest.FromEnv("P")},
	)
	b.store(t, "theirs", "x")
	b.storeOurs(t, "deleted", storetest.Canary)
	b.remove(t, "deleted")
	b.storeOurs(t, "other", "x")
	b.storeOurs(t, "bare", storetest.Canary) // without a content type
	steps := b.connect(t, d, store.Options{Compare: true}).Steps(storetest.Inputs(passwordEnv), 0)
	got, err := provision.Run(t.Context(), steps, []string{"store"}, true)
	if err != nil {
		t.Fatal(err)
	}
	bare := "content type, in version " + b.read(t, "bare").ID.Version()
	change := func(name, action, detail string) store.Change {
		return store.Change{Phase: "store", Object: "contoso/" + name, Action: action, Detail: detail}
	}
	want := []store.Change{
		change("theirs", store.Update, "environment variable P"),
		change("deleted", store.Absent, ""), change("other", store.Update, "environment variable P"),
		change("bare", store.Update, bare), change("absent", store.Create, "environment variable P"),
	}
	want[0].OtherValue, want[2].OtherValue, want[1].Warning = true, true, "is deleted; provision --recover brings it back"
	storetest.WantError(t, got[0].Refused, "has another value and has no tag managed-by: it has another owner; not overwritten")
	storetest.WantHint(t, got[0].Refused, "secretctl provision --adopt")
	got[0].Refused = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

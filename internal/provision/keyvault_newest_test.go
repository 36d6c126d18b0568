package provision_test

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
	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
)

// kvTellsNewest also counts the requests for values: there is none.
func kvTellsNewest(t *testing.T, b *keyVault) {
	d := password()
	v := b.connect(t, d, provision.KeyVaultOptions{})
	_, err := v.Newest(t.Context(), d.Secrets[0])
	if wantError(t, err, `key vault "contoso": secret "password": is not in the store`); !errors.Is(err, fs.ErrNotExist) {
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
	ids, err := v.Newest(t.Context(), d.Secrets[0])
	if err != nil || !slices.Contains(ids, last) || slices.Contains(ids, "") {
		t.Errorf("newest %v, want %s among them, error %v", ids, last, err)
	}
	off := azsecrets.UpdateSecretPropertiesParameters{SecretAttributes: &azsecrets.SecretAttributes{Enabled: to.Ptr(false)}}
	for _, id := range ids {
		if _, err := b.client(t).UpdateSecretProperties(t.Context(), "password", id, off, nil); err != nil {
			t.Fatal(err)
		}
	}
	ids, err = v.Newest(t.Context(), d.Secrets[0])
	if errors.Is(err, fs.ErrInvalid) {
		wantError(t, err, `key vault "contoso": secret "password": is disabled`)
		wantHint(t, err, "--enabled true")
	} else if err != nil || slices.Contains(ids, last) { // the fake disables the last version whichever is named
		t.Errorf("the newest is disabled: %v, error %v", ids, err)
	}
}

func TestNewestVersionTakesTheReadersRole(t *testing.T) {
	v, err := keyvault.Start(keyvault.Options{Name: vaultName})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	b := &keyVault{transport: v.Client, token: knownToken(v.Token)}
	b.storeOurs(t, "password", canary)
	d, id := password(), b.read(t, "password").ID.Version()

	b.token = knownToken(v.NewToken(keyvault.Reader))
	reader := b.connect(t, d, provision.KeyVaultOptions{})
	if got, err := reader.Newest(t.Context(), d.Secrets[0]); err != nil || !slices.Equal(got, []string{id}) {
		t.Errorf("newest %v, error %v", got, err)
	}
	if _, _, err := reader.Get(t.Context(), d.Secrets[0]); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("the value: error %v", err)
	}
	b.token = knownToken(v.NewToken(""))
	_, err = b.connect(t, d, provision.KeyVaultOptions{}).Newest(t.Context(), d.Secrets[0])
	if wantError(t, err, `secret "password": permission denied: needs the role Key Vault Reader on /subscriptions/`); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v is no ErrPermission", err)
	}
	wantHint(t, err, `az role assignment create --role "Key Vault Reader"`)
}

func kvComparesAll(t *testing.T, b *keyVault) {
	d := azureDelivery(
		config.Secret{Name: "theirs", Value: fromEnv("P")}, config.Secret{Name: "deleted", Value: fromEnv("P")}, config.Secret{Name: "other", Value: fromEnv("P")},
		config.Secret{Name: "bare", Value: fromEnv("P")}, config.Secret{Name: "absent", Value: fromEnv("P")},
	)
	b.store(t, "theirs", "x")
	b.storeOurs(t, "deleted", canary)
	b.remove(t, "deleted")
	b.storeOurs(t, "other", "x")
	b.storeOurs(t, "bare", canary) // without a content type
	steps := b.connect(t, d, provision.KeyVaultOptions{Compare: true}).Steps(inputs(passwordEnv), 0)
	got, err := provision.Run(t.Context(), steps, []string{"store"}, true)
	if err != nil {
		t.Fatal(err)
	}
	bare := "content type, in version " + b.read(t, "bare").ID.Version()
	change := func(name, action, detail string) provision.Change {
		return provision.Change{Phase: "store", Object: "contoso/" + name, Action: action, Detail: detail}
	}
	want := []provision.Change{
		change("theirs", provision.Update, "environment variable P; it has no tag managed-by, so that it is somebody else's"),
		change("deleted", provision.Absent, ""), change("other", provision.Update, "environment variable P"),
		change("bare", provision.Update, bare), change("absent", provision.Create, "environment variable P"),
	}
	want[0].OtherValue, want[2].OtherValue, want[1].Warning = true, true, "is deleted; provision --recover brings it back"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

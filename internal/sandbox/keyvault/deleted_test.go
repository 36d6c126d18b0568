package keyvault_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/test/sandboxtest"
)

func keyVaultConflict(state string) keyVaultRefusal {
	return keyVaultRefusal{http.StatusConflict, "Conflict", state}
}

var secretNotFound = keyVaultRefusal{http.StatusNotFound, "SecretNotFound", ""}

// setDescribed sets a secret "a" of two versions, the last one described.
func setDescribed(t *testing.T, client *azsecrets.Client) azsecrets.Secret {
	t.Helper()
	sandboxtest.SetSecret(t, client, "a", "one")
	set, err := client.SetSecret(t.Context(), "a", azsecrets.SetSecretParameters{
		Value: to.Ptr(keyVaultCanary), ContentType: to.Ptr("text/plain"), Tags: map[string]*string{"owner": to.Ptr("secretctl")},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return set.Secret
}

func TestKeyVaultKeepsWhatIsDeleted(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	set := setDescribed(t, client)
	removed, err := client.DeleteSecret(t.Context(), "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := azsecrets.DeletedSecret{
		ID: set.ID, Attributes: set.Attributes, ContentType: set.ContentType, Tags: set.Tags,
		RecoveryID:         to.Ptr(v.URL + "/deletedsecrets/a"),
		DeletedDate:        removed.DeletedDate,
		ScheduledPurgeDate: to.Ptr(removed.DeletedDate.Add(90 * 24 * time.Hour)),
	}
	if diff := cmp.Diff(want, removed.DeletedSecret); diff != "" {
		t.Errorf("delete (-want +got):\n%s", diff)
	}
	got, err := client.GetDeletedSecret(t.Context(), "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.DeletedSecret); diff != "" {
		t.Errorf("get deleted (-want +got):\n%s", diff)
	}
	wantRefusal(t, errorOf(client.GetSecret(t.Context(), "a", "", nil)), secretNotFound)
	wantRefusal(t, errorOf(client.DeleteSecret(t.Context(), "a", nil)), secretNotFound)
	wantRefusal(t, trySet(t, client), keyVaultConflict("ObjectIsDeletedButRecoverable"))
	wantRefusal(t, errorOf(client.PurgeDeletedSecret(t.Context(), "a", nil)), keyVaultRefusal{http.StatusForbidden, "Forbidden", ""})
}

func TestKeyVaultRecoversWhatWasDeleted(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	set := setDescribed(t, client)
	if _, err := client.DeleteSecret(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	recovered, err := client.RecoverDeletedSecret(t.Context(), "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := set
	want.Value = nil
	if diff := cmp.Diff(want, recovered.Secret); diff != "" {
		t.Errorf("recover (-want +got):\n%s", diff)
	}
	got, err := client.GetSecret(t.Context(), "a", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(set, got.Secret); diff != "" {
		t.Errorf("get (-want +got):\n%s", diff)
	}
	if n := len(versionsOf(t, client, "a")); n != 2 {
		t.Errorf("%d versions came back", n)
	}
	wantRefusal(t, errorOf(client.GetDeletedSecret(t.Context(), "a", nil)), secretNotFound)
}

// trySet sets "a", which the vault may refuse.
func trySet(t *testing.T, client *azsecrets.Client) error {
	t.Helper()
	_, err := client.SetSecret(t.Context(), "a", azsecrets.SetSecretParameters{Value: to.Ptr(keyVaultCanary)}, nil)
	return err
}

func TestKeyVaultDeletionGoesOnForSomeRequests(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{Settling: 5, AllowPurge: true})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	sandboxtest.SetSecret(t, client, "a", "one")
	if _, err := client.DeleteSecret(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, errorOf(client.GetSecret(t.Context(), "a", "", nil)), secretNotFound)
	wantRefusal(t, errorOf(client.GetDeletedSecret(t.Context(), "a", nil)), secretNotFound)
	wantRefusal(t, trySet(t, client), keyVaultConflict("ObjectIsBeingDeleted"))
	if names := namesOf(t, client); len(names.deleted)+len(names.present) > 0 {
		t.Errorf("listed while it is deleted: %+v", names)
	}
	wantRefusal(t, errorOf(client.RecoverDeletedSecret(t.Context(), "a", nil)), keyVaultConflict("ObjectIsBeingDeleted"))
	wantRefusal(t, errorOf(client.PurgeDeletedSecret(t.Context(), "a", nil)), keyVaultConflict("ObjectIsBeingDeleted"))

	wantRefusal(t, trySet(t, client), keyVaultConflict("ObjectIsDeletedButRecoverable"))
	if names := namesOf(t, client); !cmp.Equal(names.deleted, []string{"a"}) || len(names.present) > 0 {
		t.Errorf("listed when it is deleted: %+v", names)
	}
}

// A client that waits until the secret can be read, and then sets it, is early.
func TestKeyVaultRecoveredSecretCanBeReadBeforeItCanBeSet(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{Settling: 3})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	sandboxtest.SetSecret(t, client, "a", "one")
	if _, err := client.DeleteSecret(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		wantRefusal(t, trySet(t, client), keyVaultConflict("ObjectIsBeingDeleted"))
	}
	if _, err := client.RecoverDeletedSecret(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, errorOf(client.GetSecret(t.Context(), "a", "", nil)), secretNotFound)
	wantRefusal(t, errorOf(client.GetDeletedSecret(t.Context(), "a", nil)), secretNotFound)
	wantRefusal(t, trySet(t, client), keyVaultConflict("ObjectIsBeingRecovered"))

	if _, err := client.GetSecret(t.Context(), "a", "", nil); err != nil {
		t.Errorf("after half of the recovery: %v", err)
	}
	wantRefusal(t, trySet(t, client), keyVaultConflict("ObjectIsBeingRecovered"))
	wantRefusal(t, errorOf(client.DeleteSecret(t.Context(), "a", nil)), keyVaultConflict("ObjectIsBeingRecovered"))
	sandboxtest.SetSecret(t, client, "a", "two")
}

func TestKeyVaultPurgesOnlyWhatIsDeleted(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{AllowPurge: true})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	set := sandboxtest.SetSecret(t, client, "a", "one")
	if level := *set.Attributes.RecoveryLevel; level != "Recoverable+Purgeable" {
		t.Errorf("the recovery level is %s", level)
	}
	wantRefusal(t, errorOf(client.PurgeDeletedSecret(t.Context(), "a", nil)), secretNotFound)
	if _, err := client.DeleteSecret(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PurgeDeletedSecret(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, errorOf(client.GetDeletedSecret(t.Context(), "a", nil)), secretNotFound)
	sandboxtest.SetSecret(t, client, "a", "two")
	if n := len(versionsOf(t, client, "a")); n != 1 {
		t.Errorf("%d versions after the purge", n)
	}
}

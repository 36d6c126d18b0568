package keyvault_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/test/sandboxtest"
)

// keyVaultCanary is a value that must not show up anywhere.
const keyVaultCanary = "canary-7f3a"

// keyVaultRefusal is what a client can tell apart by machine.
type keyVaultRefusal struct {
	Status      int
	Code, Inner string
}

func wantRefusal(t *testing.T, err error, want keyVaultRefusal) {
	t.Helper()
	var failed *azcore.ResponseError
	if !errors.As(err, &failed) {
		t.Fatalf("not an answer of the vault: %v", err)
	}
	body, err := runtime.Payload(failed.RawResponse)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Error struct {
			Message    string
			InnerError struct{ Code string }
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	got := keyVaultRefusal{failed.StatusCode, failed.ErrorCode, answer.Error.InnerError.Code}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", answer.Error.Message, diff)
	}
	if answer.Error.Message == "" {
		t.Error("the refusal has no message")
	}
	if strings.Contains(string(body), keyVaultCanary) {
		t.Error("the refusal quotes the value")
	}
}

func TestKeyVaultKeepsWhatIsSet(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	expires := time.Unix(4102444800, 0).UTC()
	given := azsecrets.SetSecretParameters{
		Value:            to.Ptr(keyVaultCanary + "\n<&>"),
		ContentType:      to.Ptr("text/plain"),
		SecretAttributes: &azsecrets.SecretAttributes{Expires: &expires},
		Tags:             map[string]*string{"owner": to.Ptr("secretctl")},
	}
	set, err := client.SetSecret(t.Context(), "client-secret", given, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^`+regexp.QuoteMeta(v.URL)+`/secrets/client-secret/[0-9a-f]{32}$`).MatchString(string(*set.ID)) || set.ID.Name() != "client-secret" {
		t.Errorf("the id is %s", *set.ID)
	}
	created := set.Attributes.Created
	if created == nil || time.Since(*created).Abs() > time.Minute {
		t.Errorf("created at %v", created)
	}
	want := azsecrets.Secret{
		ID: set.ID, Value: given.Value, ContentType: given.ContentType, Tags: given.Tags,
		Attributes: &azsecrets.SecretAttributes{
			Enabled: to.Ptr(true), Expires: &expires, Created: created, Updated: created,
			RecoveryLevel: to.Ptr("Recoverable"), RecoverableDays: to.Ptr(int32(90)),
		},
	}
	if diff := cmp.Diff(want, set.Secret); diff != "" {
		t.Errorf("set (-want +got):\n%s", diff)
	}
	for _, name := range []string{"client-secret", "CLIENT-SECRET"} {
		for _, version := range []string{"", set.ID.Version()} {
			got, err := client.GetSecret(t.Context(), name, version, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.Secret); diff != "" {
				t.Errorf("get %s %q (-want +got):\n%s", name, version, diff)
			}
		}
	}
}

func TestKeyVaultMakesAVersionOfEverySet(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	first := sandboxtest.SetSecret(t, client, "a", "one")
	equal := sandboxtest.SetSecret(t, client, "a", "one")
	last := sandboxtest.SetSecret(t, client, "a", "two")
	if first.ID.Version() == equal.ID.Version() {
		t.Error("the same value kept its version")
	}
	got, err := client.GetSecret(t.Context(), "a", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if *got.Value != "two" || *got.ID != *last.ID {
		t.Errorf("the last version is %s", *got.ID)
	}
	old, err := client.GetSecret(t.Context(), "a", first.ID.Version(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *old.Value != "one" || *old.ID != *first.ID {
		t.Errorf("the first version is %s", *old.ID)
	}
}

func TestKeyVaultUpdateChangesOnlyWhatIsGiven(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	set, err := client.SetSecret(t.Context(), "a", azsecrets.SetSecretParameters{
		Value: to.Ptr("one"), ContentType: to.Ptr("text/plain"), Tags: map[string]*string{"a": to.Ptr("b")},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sandboxtest.SetSecret(t, client, "a", "two")

	want := set.Secret
	want.Value = nil
	type parameters = azsecrets.UpdateSecretPropertiesParameters
	for _, change := range []struct {
		given parameters
		adopt func()
	}{
		{
			parameters{Tags: map[string]*string{"c": to.Ptr("d")}},
			func() { want.Tags = map[string]*string{"c": to.Ptr("d")} },
		},
		{
			parameters{ContentType: to.Ptr("text/other")},
			func() { want.ContentType = to.Ptr("text/other") },
		},
		{
			parameters{SecretAttributes: &azsecrets.SecretAttributes{NotBefore: to.Ptr(time.Unix(1000, 0).UTC())}},
			func() { want.Attributes.NotBefore = to.Ptr(time.Unix(1000, 0).UTC()) },
		},
		{
			parameters{SecretAttributes: &azsecrets.SecretAttributes{Enabled: to.Ptr(false)}},
			func() { want.Attributes.Enabled = to.Ptr(false) },
		},
	} {
		change.adopt()
		got, err := client.UpdateSecretProperties(t.Context(), "a", set.ID.Version(), change.given, nil)
		if err != nil {
			t.Fatal(err)
		}
		if updated := got.Attributes.Updated; time.Since(*updated).Abs() > time.Minute {
			t.Errorf("updated at %v", updated)
		}
		want.Attributes.Updated = got.Attributes.Updated
		if diff := cmp.Diff(want, got.Secret); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	last, err := client.UpdateSecretProperties(t.Context(), "a", "", parameters{ContentType: to.Ptr("x")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if *last.ContentType != "x" || last.ID.Version() == set.ID.Version() {
		t.Errorf("without a version, %s was changed", *last.ID)
	}
}

// The dates are for the reader to heed: the vault gives the value at all times.
func TestKeyVaultGivesExpiredAndEarlySecrets(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	for name, attributes := range map[string]azsecrets.SecretAttributes{
		"expired": {Expires: to.Ptr(time.Unix(1000, 0))},
		"early":   {NotBefore: to.Ptr(time.Unix(4102444800, 0))},
	} {
		given := azsecrets.SetSecretParameters{Value: to.Ptr("one"), SecretAttributes: &attributes}
		if _, err := client.SetSecret(t.Context(), name, given, nil); err != nil {
			t.Fatal(err)
		}
		got, err := client.GetSecret(t.Context(), name, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if *got.Value != "one" {
			t.Errorf("%s: the value is not the one that was set", name)
		}
	}
}

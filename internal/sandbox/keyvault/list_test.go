package keyvault_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/test/sandboxtest"
)

// keyVaultNames are of the secrets that the lists name, in their order.
type keyVaultNames struct{ present, deleted []string }

func namesOf(t *testing.T, client *azsecrets.Client) (all keyVaultNames) {
	t.Helper()
	for pager := client.NewListSecretPropertiesPager(nil); pager.More(); {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Value {
			all.present = append(all.present, item.ID.Name())
		}
	}
	for pager := client.NewListDeletedSecretPropertiesPager(nil); pager.More(); {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Value {
			all.deleted = append(all.deleted, item.ID.Name())
		}
	}
	return all
}

func versionsOf(t *testing.T, client *azsecrets.Client, name string) (ids []string) {
	t.Helper()
	for pager := client.NewListSecretPropertiesVersionsPager(name, nil); pager.More(); {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Value {
			ids = append(ids, item.ID.Version())
		}
	}
	return ids
}

func TestKeyVaultListsInPages(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{Name: "contoso-aidbox"})
	// By its name, because the links to the next page name the port in addition.
	client, err := azsecrets.NewClient("https://contoso-aidbox.vault.azure.net", &sandboxtest.KeyVaultLogin{Token: v.Token}, &azsecrets.ClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: v.Client},
	})
	if err != nil {
		t.Fatal(err)
	}
	var want keyVaultNames
	for i := range 60 {
		name := fmt.Sprintf("secret-%02d", i)
		sandboxtest.SetSecret(t, client, name, keyVaultCanary)
		if i%2 == 0 {
			want.present = append(want.present, name)
			continue
		}
		if _, err := client.DeleteSecret(t.Context(), name, nil); err != nil {
			t.Fatal(err)
		}
		want.deleted = append(want.deleted, name)
	}
	if diff := cmp.Diff(want, namesOf(t, client), cmp.AllowUnexported(keyVaultNames{})); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	pager := client.NewListSecretPropertiesPager(nil)
	first, err := pager.NextPage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next, err := pager.NextPage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if link := *first.NextLink; !strings.HasPrefix(link, "https://contoso-aidbox.vault.azure.net:443/secrets?") {
		t.Errorf("the next page is at %s", link)
	}
	if id := string(*next.Value[0].ID); !strings.HasPrefix(id, "https://contoso-aidbox.vault.azure.net/secrets/") {
		t.Errorf("an id on the next page is %s", id)
	}
}

func TestKeyVaultListsVersionsByTheirIDs(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	var want []string
	for range 60 {
		want = append(want, sandboxtest.SetSecret(t, client, "a", keyVaultCanary).ID.Version())
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, versionsOf(t, client, "a")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := versionsOf(t, client, "absent"); got != nil {
		t.Errorf("versions of a secret that does not exist: %v", got)
	}
}

func TestKeyVaultListsDescribeTheLastVersionWithoutItsValue(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	sandboxtest.SetSecret(t, client, "a", "one")
	set, err := client.SetSecret(t.Context(), "a", azsecrets.SetSecretParameters{
		Value: to.Ptr(keyVaultCanary), ContentType: to.Ptr("text/plain"), Tags: map[string]*string{"owner": to.Ptr("secretctl")},
		SecretAttributes: &azsecrets.SecretAttributes{Enabled: to.Ptr(false)},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	page, err := client.NewListSecretPropertiesPager(nil).NextPage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []*azsecrets.SecretProperties{{
		ID: to.Ptr(azsecrets.ID(v.URL + "/secrets/a")), Attributes: set.Attributes, ContentType: set.ContentType, Tags: set.Tags,
	}}
	if diff := cmp.Diff(want, page.Value); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, list := range []string{"/secrets", "/secrets/a/versions"} {
		if _, body := requestKeyVault(t, v, "GET "+list+"?api-version=7.5", ""); strings.Contains(body, keyVaultCanary) {
			t.Errorf("%s tells the value", list)
		}
	}
}

// A client that takes an empty page for the end misses secrets.
func TestKeyVaultPageCanBeEmptyAndHaveANext(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	for _, name := range []string{"a", "b"} {
		sandboxtest.SetSecret(t, client, name, "one")
	}
	var lengths []int
	for link := "/secrets?api-version=7.5&maxresults=1"; link != ""; {
		status, body := requestKeyVault(t, v, "GET "+link, "")
		var page struct {
			Value    []json.RawMessage
			NextLink string
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		lengths = append(lengths, len(page.Value))
		link = strings.TrimPrefix(page.NextLink, v.URL)
	}
	if diff := cmp.Diff([]int{1, 0, 1, 0}, lengths); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestKeyVaultCloseLeavesNothingBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	v := sandboxtest.StartKeyVault(t, keyvault.Options{})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	sandboxtest.SetSecret(t, client, "a", "one")
	v.Close()
	v.Close()
	if res, err := v.Client.Get(v.URL); err == nil {
		_ = res.Body.Close()
		t.Error("it still answers")
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines more than before", runtime.NumGoroutine()-before)
		}
	}
}

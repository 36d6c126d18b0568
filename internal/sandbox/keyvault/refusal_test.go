package keyvault_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/secretctl/secretctl/internal/sandbox/keyvault"
	"github.com/secretctl/secretctl/test/sandboxtest"
)

func TestKeyVaultRefusesWhatAzureRefuses(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	set := func(name string, given azsecrets.SetSecretParameters) error {
		_, err := client.SetSecret(t.Context(), name, given, nil)
		return err
	}
	value := azsecrets.SetSecretParameters{Value: to.Ptr(keyVaultCanary)}
	tags := map[string]*string{}
	for i := range 16 {
		tags[strconv.Itoa(i)] = to.Ptr("x")
	}
	bad := keyVaultRefusal{http.StatusBadRequest, "BadParameter", ""}
	absent := keyVaultRefusal{http.StatusNotFound, "SecretNotFound", ""}
	for name, test := range map[string]struct {
		err  error
		want keyVaultRefusal
	}{
		"underscore":         {set("client_secret", value), bad},
		"dot":                {set("client.secret", value), bad},
		"long name":          {set(strings.Repeat("n", 128), value), bad},
		"no value":           {set("a", azsecrets.SetSecretParameters{}), bad},
		"long value":         {set("a", azsecrets.SetSecretParameters{Value: to.Ptr(keyVaultCanary + strings.Repeat("v", 25<<10))}), bad},
		"long content type":  {set("a", azsecrets.SetSecretParameters{Value: to.Ptr(keyVaultCanary), ContentType: to.Ptr(strings.Repeat("c", 256))}), bad},
		"too many tags":      {set("a", azsecrets.SetSecretParameters{Value: to.Ptr(keyVaultCanary), Tags: tags}), bad},
		"long tag":           {set("a", azsecrets.SetSecretParameters{Value: to.Ptr(keyVaultCanary), Tags: map[string]*string{"t": to.Ptr(strings.Repeat("t", 257))}}), bad},
		"get absent":         {errorOf(client.GetSecret(t.Context(), "absent", "", nil)), absent},
		"update absent":      {errorOf(client.UpdateSecretProperties(t.Context(), "absent", "", azsecrets.UpdateSecretPropertiesParameters{}, nil)), absent},
		"delete absent":      {errorOf(client.DeleteSecret(t.Context(), "absent", nil)), absent},
		"get deleted absent": {errorOf(client.GetDeletedSecret(t.Context(), "absent", nil)), absent},
		"recover absent":     {errorOf(client.RecoverDeletedSecret(t.Context(), "absent", nil)), absent},
		"backup":             {errorOf(client.BackupSecret(t.Context(), "a", nil)), keyVaultRefusal{http.StatusMethodNotAllowed, "MethodNotAllowed", ""}},
	} {
		t.Run(name, func(t *testing.T) { wantRefusal(t, test.err, test.want) })
	}
	longest := azsecrets.SetSecretParameters{Value: to.Ptr(strings.Repeat("v", 25<<10))}
	if err := set(strings.Repeat("n", 127), longest); err != nil {
		t.Errorf("the longest name and value: %v", err)
	}
	_, err := client.GetSecret(t.Context(), strings.Repeat("n", 127), strings.Repeat("0", 32), nil)
	wantRefusal(t, err, absent)
}

func errorOf[T any](_ T, err error) error { return err }

func TestKeyVaultGivesNoDisabledSecret(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{})
	client := sandboxtest.KeyVaultClient(t, v, v.Token)
	sandboxtest.SetSecret(t, client, "a", "one")
	disabled, err := client.SetSecret(t.Context(), "a", azsecrets.SetSecretParameters{
		Value: to.Ptr(keyVaultCanary), SecretAttributes: &azsecrets.SecretAttributes{Enabled: to.Ptr(false)},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"", disabled.ID.Version()} {
		_, err := client.GetSecret(t.Context(), "a", version, nil)
		wantRefusal(t, err, keyVaultRefusal{http.StatusForbidden, "Forbidden", "SecretDisabled"})
	}
	_, err = client.UpdateSecretProperties(t.Context(), "a", "", azsecrets.UpdateSecretPropertiesParameters{
		SecretAttributes: &azsecrets.SecretAttributes{Enabled: to.Ptr(true)},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.GetSecret(t.Context(), "a", "", nil); err != nil {
		t.Errorf("enabled again: %v", err)
	}
}

// What the SDK never sends, but a plain HTTP client may.
func TestKeyVaultRefusesMalformedRequests(t *testing.T) {
	v := sandboxtest.StartKeyVault(t, keyvault.Options{})
	for name, test := range map[string]struct {
		request, body string
		want          int
	}{
		"not JSON":              {"PUT /secrets/a?api-version=7.5", `{"value": "` + keyVaultCanary + `"`, 400},
		"value not a string":    {"PUT /secrets/a?api-version=7.5", `{"value": ["` + keyVaultCanary + `"]}`, 400},
		"no API version":        {"PUT /secrets/a", `{"value": "` + keyVaultCanary + `"}`, 400},
		"no name":               {"PUT /secrets/?api-version=7.5", `{"value": "` + keyVaultCanary + `"}`, 405},
		"another API":           {"GET /keys?api-version=7.5", "", 405},
		"too long a page":       {"GET /secrets?api-version=7.5&maxresults=26", "", 400},
		"no page":               {"GET /secrets?api-version=7.5&maxresults=0", "", 400},
		"forged continuation":   {"GET /secrets?api-version=7.5&$skiptoken=*", "", 400},
		"continuation past end": {"GET /secrets?api-version=7.5&$skiptoken=enp6", "", 200},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := requestKeyVault(t, v, test.request, test.body)
			if status != test.want {
				t.Errorf("status %d, want %d: %s", status, test.want, body)
			}
			if strings.Contains(body, keyVaultCanary) {
				t.Error("the answer quotes the value")
			}
		})
	}
}

// requestKeyVault sends "METHOD path" with the token of an officer.
func requestKeyVault(t *testing.T, v *keyvault.Server, request, body string) (status int, answer string) {
	t.Helper()
	method, path, _ := strings.Cut(request, " ")
	req, err := http.NewRequestWithContext(t.Context(), method, v.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+v.Token)
	res, err := v.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(content)
}

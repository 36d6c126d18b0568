package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAzureNeedsOnlyTheNameOfTheKeyVault(t *testing.T) {
	d := loadText(t, delivery(azure("azure: {keyVault: contoso}\n")))
	if d.Azure.TenantID != "" || d.Azure.Identity.ClientID != "" {
		t.Errorf("%+v", d.Azure)
	}
	loadText(t, delivery(azure("azure: {keyVault: contoso, subscriptionID: 00000000-0000-0000-0000-000000000000, resourceGroup: rg, identity: {type: workload}}\n")))
}

func TestSecretsOfSeveralKeyVaultsAreMountedApart(t *testing.T) {
	d := loadText(t, delivery(azure(`azure: {keyVault: contoso}
secrets:
  - {name: a, scope: [Client]}
  - {name: b, scope: [Client], keyVault: Fabrikam}
  - {name: c, scope: [Client], keyVault: CONTOSO}
  - {name: d, objectName: a, scope: [Client], keyVault: fabrikam}
`)))
	if diff := cmp.Diff([]string{"contoso", "Fabrikam"}, d.KeyVaults()); diff != "" {
		t.Errorf("Key Vaults (-want +got):\n%s", diff)
	}
	var files []string
	for _, s := range d.Secrets {
		files = append(files, d.MountedFile(s))
	}
	want := []string{"/run/azure-secrets/a", "/run/azure-secrets-fabrikam/b", "/run/azure-secrets/c", "/run/azure-secrets-fabrikam/d"}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if got := d.ClassName("Fabrikam") + " " + d.ClassName("contoso"); got != "aidbox-azure-secrets-fabrikam aidbox-azure-secrets" {
		t.Errorf("classes %s", got)
	}
}

func TestLifetimeIsInDaysOrHours(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90d": 90 * 24 * time.Hour, "12h": 12 * time.Hour, "36500d": 36500 * 24 * time.Hour,
		"": 0, "90": 0, "d": 0, "0d": 0, "-1d": 0, "1dh": 0, "1hd": 0, "36501d": 0, "1.5d": 0, "90m": 0,
	} {
		got, ok := parseLifetime(text)
		if ok != (want > 0) || ok && got != want {
			t.Errorf("%q: %s, %v; want %s", text, got, ok, want)
		}
	}
}

func TestOneDeliveryAloneGivesAKeyVaultSecretItsValue(t *testing.T) {
	doc := func(name, value string) string {
		return delivery("name: " + name + "\n" + azure("azure: {keyVault: contoso}\nsecrets: [{name: shared, scope: [Client]"+value+"}]\n"))
	}
	const given = ", value: {env: A}"
	for _, c := range []struct {
		name, a, b string
		clash      bool
	}{
		{"both give one", given, given, true},
		{"one reads", given, "", false},
		{"both generate", ", value: {generate: {}}", ", value: {generate: {}}", false},
	} {
		got := problems(t, doc("a", c.a)+"---\n"+doc("b", c.b))
		if clash := len(got) == 1 && strings.Contains(got[0].Message, "both give it a value"); clash != c.clash || len(got) > 1 {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

package config

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDeliveriesThatUndoEachOtherAreRefused(t *testing.T) {
	one := func(name, rest string) string { return "---\nname: " + name + "\n" + delivery(rest) }
	tests := map[string]struct{ a, b, want string }{
		"same name":             {one("a", ""), one("a", ""), "x.yaml:7:1: name: is already the name of the delivery at x.yaml:2"},
		"default name":          {"---\n" + delivery(""), "---\n" + delivery(""), "x.yaml:6: name: is already the name of the delivery at x.yaml:2"},
		"role, namespace":       {one("a", ""), one("b", "namespace: b\n"), "x.yaml:7: vault.role: the same role as in x.yaml:2, with another ServiceAccount, namespace, policy, audience or tokenTTL"},
		"role, ServiceAccount":  {one("a", "vault: {role: r}\n"), one("b", "vault: {role: r}\naidbox: {serviceAccount: b}\n"), "x.yaml:9:9: vault.role: the same role as in x.yaml:2, with another ServiceAccount, namespace, policy, audience or tokenTTL"},
		"role, policy":          {one("a", "vault: {policy: p}\n"), one("b", "vault: {policy: q}\n"), "x.yaml:9: vault.role: the same role as in x.yaml:2, with another ServiceAccount, namespace, policy, audience or tokenTTL"},
		"policy, paths":         {one("a", ""), one("b", "secrets: [{name: other, scope: [Client]}]\n"), "x.yaml:7: vault.policy: the same policy as in x.yaml:2, with other paths"},
		"host":                  {one("a", "vault: {kubernetesHost: \"https://y\"}\n"), one("b", "vault: {kubernetesHost: \"https://x\"}\n"), "x.yaml:9:9: vault.kubernetesHost: the same authMount as in x.yaml:2, with another kubernetesHost"},
		"value":                 {one("a", secretsOf("{name: a, scope: [Client], value: {env: A}}")), one("b", secretsOf("{name: a, scope: [Client], value: {env: B}}")), "x.yaml:8:11: secrets[0]: the same place in Vault as in x.yaml:2, with another source of its value"},
		"equal value":           {one("a", secretsOf("{name: a, scope: [Client], value: {env: A}}")), one("b", secretsOf("{name: a, scope: [Client], value: {env: A}}")), ""},
		"generated value":       {one("a", secretsOf("{name: a, scope: [Client], value: {env: A}}")), one("b", secretsOf("{name: a, scope: [Client], value: {generate: {}}}")), ""},
		"host of one":           {one("a", ""), one("b", "vault: {kubernetesHost: \"https://x\"}\n"), ""},
		"equal role":            {one("a", "vault: {tokenTTL: 1h}\n"), one("b", "vault: {tokenTTL: 60m}\n"), ""},
		"other Vault":           {one("a", ""), one("b", "namespace: b\nvault: {address: \"https://b\"}\n"), ""},
		"other Vault namespace": {one("a", ""), one("b", "namespace: b\nvault: {namespace: b}\n"), ""},
		"other role":            {one("a", ""), one("b", "namespace: b\nvault: {role: b}\n"), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := (&Error{problems(t, test.a+test.b)}).Error()
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s%s", diff, test.a+test.b)
			}
		})
	}
}

func TestDeliveriesThatWriteTheSameTakeTurns(t *testing.T) {
	const tenant = ", tenantID: 00000000-0000-0000-0000-000000000000"
	for name, test := range map[string]struct {
		a, b string
		want bool
	}{
		"defaults":            {"", "", true},
		"only the auth mount": {"vault: {role: a}\nsecrets: [{name: a, path: a/a, scope: [Client]}]\n", "vault: {role: b}\nsecrets: [{name: a, path: b/a, scope: [Client]}]\n", false},
		"a path":              {"vault: {role: a}\n", "vault: {role: b}\n", true},
		"another Vault":       {"", "vault: {address: \"https://b\"}\n", false},
		"a slash more":        {"vault: {address: \"https://b/\"}\n", "vault: {address: \"https://b\"}\n", true},
		"a Key Vault":         {azure("azure: {keyVault: abc" + tenant + "}\n"), azure("azure: {keyVault: ABC" + tenant + "}\n"), true},
		"Key Vaults":          {azure("azure: {keyVault: abc" + tenant + "}\n"), azure("azure: {keyVault: abd" + tenant + "}\n"), false},
		"a resource group":    {azure("azure: {keyVault: abc, resourceGroup: rg" + tenant + "}\n"), azure("azure: {keyVault: abd, resourceGroup: RG" + tenant + "}\n"), true},
	} {
		written := loadText(t, delivery(test.a)).Provisioned()
		both := slices.ContainsFunc(loadText(t, delivery(test.b)).Provisioned(), func(s string) bool { return slices.Contains(written, s) })
		if both != test.want {
			t.Errorf("%s: %t", name, both)
		}
	}
}

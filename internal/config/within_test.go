package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const azureText = `apiVersion: secretctl.dev/v1
provider: azure
azure: {keyVault: contoso-aidbox, tenantID: 00000000-0000-0000-0000-000000000000, identity: {type: system}}
secrets: [{name: a, scope: [Client]}]
`

const vaultText = `apiVersion: secretctl.dev/v1
name: clinic
context: of-my-kubeconfig
provider: vault
canary: true
vault: {address: "http://127.0.0.1:8200", csiAddress: "https://vault.default:8200", audience: vault}
aidbox:
  url: service/aidbox:http
  admin: {client: ops, secret: {env: HERE_ALONE}}
  env: [{name: BOX_ROOT_CLIENT_SECRET, value: hunter2}]
  envFrom: [{secretRef: {name: hunter2}}]
  resources: {limits: {memory: 4Gi}}
secrets:
  - {name: "on", path: a/b, key: "1e3", scope: [Client/basic], value: {env: HERE_ALONE}}
  - {name: b, scope: [Client/basic], value: {file: /hunter2}}
resources:
  - {type: Client, id: basic, secrets: {secret: "on"}, body: {grant_types: [basic], description: hunter2}, accessPolicy: {engine: sql, sql: {query: hunter2}}}
`

func TestConfigForTheClusterDoesNotUseTheAgentOfTheProvider(t *testing.T) {
	d := loadText(t, delivery("vault: {address: \"https://vault.example.com\", csiAddress: agent}\n"))
	out, err := d.WithinCluster()
	if err != nil {
		t.Fatal(err)
	}
	if got := loadText(t, string(out)).Vault; got.Address != "https://vault.example.com" || !got.ByAgent() {
		t.Errorf("%+v", got)
	}
}

func TestConfigForTheClusterIsTheDeliveryWithoutValues(t *testing.T) {
	for _, text := range []string{azureText, vaultText} {
		d := loadText(t, text)
		before := loadText(t, text)
		out, err := d.WithinCluster()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, d); diff != "" {
			t.Errorf("the delivery was changed: %s", diff)
		}
		for _, word := range []string{"hunter2", "HERE_ALONE", "127.0.0.1:8200", "4Gi", "of-my-kubeconfig"} {
			if strings.Contains(string(out), word) {
				t.Errorf("%s is in\n%s", word, out)
			}
		}
		got := loadText(t, string(out))
		if got.Vault != nil && got.Vault.Address != d.Vault.CSIAddress {
			t.Errorf("address is %q", got.Vault.Address)
		}
		if string(got.VaultConfig()) != string(d.VaultConfig()) || got.MountPath != d.MountPath || got.Aidbox.URL != d.Aidbox.URL {
			t.Errorf("another delivery: %s", cmp.Diff(d, got))
		}
		for i, s := range got.Secrets {
			if s.Path != d.Secrets[i].Path || s.Key != d.Secrets[i].Key || !s.Value.IsZero() {
				t.Errorf("secret is %+v", s)
			}
		}
		for i, r := range got.Resources {
			if diff := cmp.Diff(d.Resources[i].Body["grant_types"], r.Body["grant_types"]); diff != "" || (r.AccessPolicy != nil) != (d.Resources[i].AccessPolicy != nil) {
				t.Errorf("resource is %+v", r)
			}
		}
		again, err := got.WithinCluster()
		if err != nil || string(again) != string(out) {
			t.Errorf("a second time it is\n%s", again)
		}
	}
}

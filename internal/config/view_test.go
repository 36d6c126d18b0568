package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestViewSaysWhereEachSettingComesFrom(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secretctl.yaml")
	const text = `apiVersion: secretctl.dev/v1
provider: vault
vault: {address: "http://127.0.0.1:8200"}
aidbox:
  env: [{name: PASSWORD, value: hunter2}]
secrets:
  - name: client-secret
    scope: [Client/basic]
resources:
  - type: Client
    id: basic
    secrets: {secret: client-secret}
    body: {description: hunter2-known, details: {client_secret: hunter2, passwords: [hunter2], tokens: 3, link: "https://me:hunter2@host", parameter: [{name: saslPassword, valueString: hunter2}]}}
---
apiVersion: secretctl.dev/v1
name: other
provider: vault
vault: {role: other}
secrets: [{name: x, path: other/x, scope: [Client]}]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := View(file, func(d *Delivery) bool {
		d.Aidbox.URL, d.From["aidbox.url"] = "https://aidbox.example", "--aidbox-url"
		return d.Name == "aidbox"
	}, func(text string) bool { return text == "hunter2-known" })
	if err != nil {
		t.Fatal(err)
	}
	got := string(out)
	for _, want := range []string{
		"\nname: aidbox # default\n",
		"  address: http://127.0.0.1:8200 # " + file + ":3\n",
		"  url: https://aidbox.example # --aidbox-url\n",
		"      value: '[not shown]' # " + file + ":5\n",
		"  - name: client-secret # " + file + ":7\n",
		"    path: aidbox/client-secret # default\n",
		"      description: '[not shown]' # " + file + ":13\n",
		"        client_secret: '[not shown]' # " + file + ":13\n",
		"        tokens: 3 # " + file + ":13\n",
		"      secret: client-secret # " + file + ":12\n",
		"      - Client/basic # " + file + ":8\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "hunter2") || strings.Contains(got, "name: other") || strings.Contains(got, "{}") {
		t.Errorf("shows too much:\n%s", got)
	}
	if _, err := Parse("view.yaml", out); err != nil {
		t.Errorf("is no config itself: %v", err)
	}
	if _, err := View(filepath.Join(t.TempDir(), "absent.yaml"), nil, nil); err == nil {
		t.Error("shows a config that is absent")
	}
}

func TestViewHidesThePasswordInAnAddress(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secretctl.yaml")
	if err := os.WriteFile(file, []byte("apiVersion: secretctl.dev/v1\nprovider: vault\naidbox: {scopeFormat: object}\nsecrets: [{name: x, scope: [Client]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := View(file, func(d *Delivery) bool {
		d.Vault.Address, d.From["vault.address"] = "https://me:hunter2@vault.example", "VAULT_ADDR"
		return true
	}, func(string) bool { return false })
	if got := string(out); err != nil || strings.Contains(got, "hunter2") || !strings.Contains(got, "  address: '[not shown]' # VAULT_ADDR\n") {
		t.Errorf("%v\n%s", err, got)
	}
}

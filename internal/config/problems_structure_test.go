package config

import (
	"strings"
	"testing"
)

func TestStructureIsCheckedStrictly(t *testing.T) {
	wantProblems(t, problemCases{
		"unknown key":                {"mountpath: /x\n", `mountpath: unknown key; did you mean "mountPath"?`},
		"unknown key, underscores":   {"mount_path: /x\n", `mount_path: unknown key; did you mean "mountPath"?`},
		"key of another place":       {"image: x\n", `image: unknown key; did you mean aidbox.image?`},
		"key of a Kubernetes type":   {"aidbox: {env: [{name: A, valeu: x}]}\n", `aidbox.env[0].valeu: unknown key; did you mean "value"?`},
		"key without a value":        {"vault: {zzzzzzzz: }\n", `vault: has an unknown key; available: address, audience,`},
		"near key without a value":   {"vault: {adress: }\n", `vault.adress: unknown key; did you mean "address"?`},
		"key like no other":          {azure(secretsOf("{name: s, scope: [Client], objectFormat: pem}")), `secrets[0].objectFormat: unknown key; available: encoding,`},
		"key glued to its value":     {"aidbox: {admin: {client: root, secret:hunter2-S3cret}}\n", `aidbox.admin.secret…: unknown key; write a space after secret:`},
		"odd key":                    {"\"\\e]0;x\\a\": 1\n", `…: unknown key`},
		"endless key":                {strings.Repeat("a", 65) + ": 1\n", strings.Repeat("a", 64) + `…: unknown key`},
		"key far from any":           {"vault: {zzzzzzzz: 1}\n", `vault.zzzzzzzz: unknown key; available: address, audience,`},
		"key twice":                  {"name: a\nname: b\n", `has the same key twice, first in line 1`},
		"merge key":                  {"vault: {<<: {role: x}}\n", `vault: has a merge key`},
		"key that is a number":       {"vault: {1: x}\n", `vault: has a key that is not text`},
		"key that is a list":         {"vault: {[a]: x}\n", `vault: has a key that is not text`},
		"tag":                        {"name: !!str a\n", `name: has a YAML tag`},
		"number for text":            {"name: 123\n", `name: expected text, found a number; quote it`},
		"on for text":                {"name: on\n", `name: expected text, found yes or no; quote it`},
		"true for text":              {"name: true\n", `name: expected text, found true or false; quote it`},
		"date for text":              {"name: 2026-01-01\n", `name: expected text, found a date; quote it`},
		"list for text":              {"name: [a]\n", `name: expected text, found a list`},
		"mapping for text":           {"name: {a: b}\n", `name: expected text, found a mapping`},
		"yes for true":               {"canary: yes\n", `canary: expected true or false, found yes or no`},
		"text for true":              {"canary: \"true\"\n", `canary: expected true or false, found text`},
		"text for number":            {"aidbox: {port: \"80\"}\n", `aidbox.port: expected a whole number, found text`},
		"fraction":                   {"aidbox: {replicas: 1.5}\n", `aidbox.replicas: expected a whole number`},
		"hexadecimal number":         {"aidbox: {port: 0x50}\n", `aidbox.port: expected a whole number in decimal; such as 15`},
		"octal number":               {"aidbox: {port: 0o17}\n", `aidbox.port: expected a whole number in decimal`},
		"old octal number":           {"aidbox: {port: 017}\n", `aidbox.port: expected a whole number in decimal`},
		"underscore in a number":     {"aidbox: {port: 8_080}\n", `aidbox.port: expected a whole number in decimal`},
		"number too large":           {"aidbox: {port: 99999999999999999999}\n", `aidbox.port: is too large; write 65535 or less`},
		"length too large":           {secretsOf("{name: s, scope: [Client/c], value: {generate: {length: 99999999999999999999}}}"), `secrets[0].value.generate.length: is too large; write 4096 or less`},
		"number too small":           {"aidbox: {replicas: -99999999999999999999}\n", `aidbox.replicas: must not be negative; write 0 or more`},
		"replicas without end":       {"aidbox: {replicas: 9999999999}\n", `aidbox.replicas: is too large; write 10000 or less`},
		"text for list":              {"secrets: [{name: s, scope: Client}]\n", `secrets[0].scope: expected a list, found text`},
		"text for mapping":           {"vault: x\n", `vault: expected a mapping, found text`},
		"null in a list":             {"secrets: [{name: s, scope: [~]}]\n", `secrets[0].scope[0]: is empty`},
		"null deep in a body":        {resourceOf("type: Client, id: c, secrets: {secret: s}, body: {a: [{b: }]}"), `resources[0].body.a[0]: has a key without a value`},
		"null in a mapping":          {resourceOf("type: Client, id: c, secrets: {secret: }"), `resources[0].secrets: has a key without a value`},
		"null secret":                {"secrets: [~]\n", `secrets[0]: is empty`},
		"quantity":                   {"aidbox: {resources: {limits: {cpu: lots}}}\n", `aidbox.resources.limits.cpu: must be a quantity; such as 500m or 2Gi`},
		"quantity too exact":         {"aidbox: {resources: {limits: {cpu: 1E-999999999}}}\n", `aidbox.resources.limits.cpu: must be a quantity`},
		"line break in a name":       {"vault: {audience: \"a\\nb\"}\n", `vault.audience: has a character that does not print`},
		"control character in env":   {"aidbox: {env: [{name: A, value: \"a\\0b\"}]}\n", `aidbox.env[0].value: has a character that does not print`},
		"on in a body":               {resourceOf("type: Client, id: c, secrets: {secret: s}, body: {a: on}"), `resources[0].body.a: means different things in different versions of YAML; quote it`},
		"infinity in a body":         {resourceOf("type: Client, id: c, secrets: {secret: s}, body: {a: .inf}"), `resources[0].body.a: is a number that JSON does not keep`},
		"long number in a body":      {resourceOf("type: Client, id: c, secrets: {secret: s}, body: {a: 9007199254740993}"), `resources[0].body.a: is a number that JSON does not keep`},
		"long negative in a body":    {resourceOf("type: Client, id: c, secrets: {secret: s}, body: {a: -9007199254740993}"), `resources[0].body.a: is a number that JSON does not keep`},
		"octal number in a body":     {resourceOf("type: Client, id: c, secrets: {secret: s}, body: {a: 0o17}"), `resources[0].body.a: is a number that JSON does not keep`},
		"alias that contains itself": {resourceOf("type: Client, id: c, secrets: {secret: s}, body: &a {a: *a}"), `is nested too deeply`},
		"document that is a list":    {"- a\n", ""},
	})
}

func TestSourceThatNamesNoneIsRefused(t *testing.T) {
	wantProblems(t, problemCases{
		"value in the config": {secretsOf("{name: s, scope: [Client/c], value: hunter2}"), `secrets[0].value: expected a mapping with one of env, file, stdin, generate; a value is never written in the config`},
		"value as a list":     {secretsOf("{name: s, scope: [Client/c], value: [hunter2]}"), `secrets[0].value: expected a mapping with one of`},
		"value as a key":      {secretsOf("{name: s, scope: [Client/c], value: {hunter2}}"), `secrets[0].value: has an unknown key; available: env, file, generate, stdin`},
		"source mistyped":     {secretsOf("{name: s, scope: [Client/c], value: {evn: A}}"), `secrets[0].value: has an unknown key; did you mean "env"?`},
		"admin's secret":      {"aidbox: {admin: {secret: hunter2}}\n", `aidbox.admin.secret: expected a mapping with one of`},
		"two sources":         {secretsOf("{name: s, scope: [Client/c], value: {env: A, file: b}}"), `secrets[0].value: names more than one source`},
		"no source":           {secretsOf("{name: s, scope: [Client/c], value: {}}"), `secrets[0].value: names no source`},
		"null source":         {secretsOf("{name: s, scope: [Client/c], value: {generate: }}"), `secrets[0].value: names no source`},
		"empty source":        {"aidbox: {admin: {secret: {env: \"\"}}}\n", `aidbox.admin.secret: names no source`},
		"stdin false":         {secretsOf("{name: s, scope: [Client/c], value: {stdin: false}}"), `secrets[0].value.stdin: can only be true`},
		"variable":            {secretsOf("{name: s, scope: [Client/c], value: {env: a b}}"), `secrets[0].value.env: must be the name of an environment variable`},
		"short generated":     {secretsOf("{name: s, scope: [Client/c], value: {generate: {length: 3}}}"), `secrets[0].value.generate: length is not between 8 and 4096`},
		"generated admin":     {"aidbox: {admin: {secret: {generate: {}}}}\n", `aidbox.admin.secret.generate: makes a value that Aidbox does not know`},
	})
}

func TestSettingsOfADeliveryAreChecked(t *testing.T) {
	wantProblems(t, problemCases{
		"apiVersion":              {"apiVersion: v1\nfoo: bar\n", `apiVersion: must be secretctl.dev/v1`},
		"apiVersion null":         {"apiVersion:\n", `apiVersion: is missing`},
		"name":                    {"name: a_b\n", `name: must be a DNS label`},
		"long name":               {"name: " + strings.Repeat("a", 64) + "\n", `name: must be a DNS label`},
		"namespace":               {"namespace: a.b\n", `namespace: must be a DNS label`},
		"context":                 {"context: {name: prod}\n", `context: expected text`},
		"provider":                {"provider: vualt\n", `provider: must be one of: vault, azure; did you mean "vault"?`},
		"provider missing":        {"provider:\n", `provider: is missing; available: vault, azure`},
		"section of the other":    {"azure: {keyVault: abc}\n", `azure: is not for this provider`},
		"section of the other, 2": {azure("vault: {role: a}\n"), `vault: is not for this provider`},
		"relative mountPath":      {"mountPath: run/x\n", `mountPath: must be the absolute path of a folder`},
		"unclean mountPath":       {"mountPath: /run/x/\n", `mountPath: must be the absolute path of a folder`},
		"root as mountPath":       {"mountPath: /\n", `mountPath: must be the absolute path of a folder`},
		"mountPath around":        {"mountPath: /etc\n", `mountPath: overlaps with /etc/aidbox`},
		"mountPath inside":        {"mountPath: /etc/aidbox/secrets\n", `mountPath: overlaps with /etc/aidbox`},
	})
}

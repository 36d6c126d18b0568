package config

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

// delivery completes a fragment of a document to a valid one.
func delivery(fragment string) string {
	text := fragment
	for _, line := range []string{
		"apiVersion: secretctl.dev/v1\n",
		"provider: vault\n",
		"secrets: [{name: s, scope: [Client/c]}]\n",
	} {
		key, _, _ := strings.Cut(line, ":")
		if !regexp.MustCompile(`(?m)^` + key + `:`).MatchString(fragment) {
			text += line
		}
	}
	return text
}

func azure(fragment string) string {
	text := "provider: azure\n" + fragment
	if !strings.Contains(fragment, "azure:") {
		text += "azure: {keyVault: contoso, tenantID: 00000000-0000-0000-0000-000000000000}\n"
	}
	return text
}

func problems(t *testing.T, text string) []Problem {
	t.Helper()
	_, err := load("x.yaml", split("x.yaml", []byte(text)), nil)
	if err == nil {
		fitsSchema(t, text)
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%T is no *Error: %v", err, err)
	}
	return e.Problems
}

func TestEveryProblemNamesItsPathAndHasAHint(t *testing.T) {
	const types = "must be one of: Client, IdentityProvider, TokenIntrospector, AidboxTopicDestination"
	secrets := func(items string) string { return "secrets: [" + items + "]\n" }
	resource := func(item string) string { return "resources: [{" + item + "}]\n" }
	tests := map[string]struct{ text, want string }{
		// structure
		"unknown key":                {"mountpath: /x\n", `mountpath: unknown key; did you mean "mountPath"?`},
		"unknown key, underscores":   {"mount_path: /x\n", `mount_path: unknown key; did you mean "mountPath"?`},
		"key of another place":       {"image: x\n", `image: unknown key; did you mean aidbox.image?`},
		"key of a Kubernetes type":   {"aidbox: {env: [{name: A, valeu: x}]}\n", `aidbox.env[0].valeu: unknown key; did you mean "value"?`},
		"key without a value":        {"vault: {zzzzzzzz: }\n", `vault: has an unknown key; available: address, audience,`},
		"near key without a value":   {"vault: {adress: }\n", `vault.adress: unknown key; did you mean "address"?`},
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
		"hexadecimal number":         {"aidbox: {port: 0x50}\n", `aidbox.port: expected a decimal number; such as 15`},
		"octal number":               {"aidbox: {port: 0o17}\n", `aidbox.port: expected a decimal number`},
		"old octal number":           {"aidbox: {port: 017}\n", `aidbox.port: expected a decimal number`},
		"underscore in a number":     {"aidbox: {port: 8_080}\n", `aidbox.port: expected a decimal number`},
		"number too large":           {"aidbox: {port: 9999999999}\n", `aidbox.port: is out of range`},
		"text for list":              {"secrets: [{name: s, scope: Client}]\n", `secrets[0].scope: expected a list, found text`},
		"text for mapping":           {"vault: x\n", `vault: expected a mapping, found text`},
		"null in a list":             {"secrets: [{name: s, scope: [~]}]\n", `secrets[0].scope[0]: is empty`},
		"null in a mapping":          {resource("type: Client, id: c, secrets: {secret: }"), `resources[0].secrets: has a key without a value`},
		"null secret":                {"secrets: [~]\n", `secrets[0]: is empty`},
		"quantity":                   {"aidbox: {resources: {limits: {cpu: lots}}}\n", `aidbox.resources.limits.cpu: is not a quantity; such as 500m or 2Gi`},
		"quantity too exact":         {"aidbox: {resources: {limits: {cpu: 1E-999999999}}}\n", `aidbox.resources.limits.cpu: is not a quantity`},
		"line break in a name":       {"vault: {audience: \"a\\nb\"}\n", `vault.audience: has a character that does not print`},
		"control character in env":   {"aidbox: {env: [{name: A, value: \"a\\0b\"}]}\n", `aidbox.env[0].value: has a character that does not print`},
		"on in a body":               {resource("type: Client, id: c, secrets: {secret: s}, body: {a: on}"), `resources[0].body.a: means different things in different versions of YAML; quote it`},
		"infinity in a body":         {resource("type: Client, id: c, secrets: {secret: s}, body: {a: .inf}"), `resources[0].body.a: is a number that JSON does not keep`},
		"long number in a body":      {resource("type: Client, id: c, secrets: {secret: s}, body: {a: 9007199254740993}"), `resources[0].body.a: is a number that JSON does not keep`},
		"long negative in a body":    {resource("type: Client, id: c, secrets: {secret: s}, body: {a: -9007199254740993}"), `resources[0].body.a: is a number that JSON does not keep`},
		"octal number in a body":     {resource("type: Client, id: c, secrets: {secret: s}, body: {a: 0o17}"), `resources[0].body.a: is a number that JSON does not keep`},
		"alias that contains itself": {resource("type: Client, id: c, secrets: {secret: s}, body: &a {a: *a}"), `is nested too deeply`},
		"document that is a list":    {"- a\n", ""},

		// sources
		"value in the config": {secrets("{name: s, scope: [Client/c], value: hunter2}"), `secrets[0].value: expected a mapping with one of env, file, stdin, generate; a value is never written in the config`},
		"value as a list":     {secrets("{name: s, scope: [Client/c], value: [hunter2]}"), `secrets[0].value: expected a mapping with one of`},
		"value as a key":      {secrets("{name: s, scope: [Client/c], value: {hunter2}}"), `secrets[0].value: has an unknown key; available: env, file, generate, stdin`},
		"source mistyped":     {secrets("{name: s, scope: [Client/c], value: {evn: A}}"), `secrets[0].value: has an unknown key; did you mean "env"?`},
		"admin's secret":      {"aidbox: {admin: {secret: hunter2}}\n", `aidbox.admin.secret: expected a mapping with one of`},
		"two sources":         {secrets("{name: s, scope: [Client/c], value: {env: A, file: b}}"), `secrets[0].value: names more than one source`},
		"no source":           {secrets("{name: s, scope: [Client/c], value: {}}"), `secrets[0].value: names no source`},
		"null source":         {secrets("{name: s, scope: [Client/c], value: {generate: }}"), `secrets[0].value: names no source`},
		"empty source":        {"aidbox: {admin: {secret: {env: \"\"}}}\n", `aidbox.admin.secret: names no source`},
		"stdin false":         {secrets("{name: s, scope: [Client/c], value: {stdin: false}}"), `secrets[0].value.stdin: can only be true`},
		"variable":            {secrets("{name: s, scope: [Client/c], value: {env: a b}}"), `secrets[0].value.env: is not the name of an environment variable`},
		"short generated":     {secrets("{name: s, scope: [Client/c], value: {generate: {length: 3}}}"), `secrets[0].value.generate: length is not between 8 and 4096`},
		"generated admin":     {"aidbox: {admin: {secret: {generate: {}}}}\n", `aidbox.admin.secret.generate: gives no secret that Aidbox knows`},

		// delivery
		"apiVersion":              {"apiVersion: v1\nfoo: bar\n", `apiVersion: is not secretctl.dev/v1`},
		"apiVersion null":         {"apiVersion:\n", `apiVersion: is missing`},
		"name":                    {"name: a_b\n", `name: is not a DNS label`},
		"long name":               {"name: " + strings.Repeat("a", 64) + "\n", `name: is not a DNS label`},
		"namespace":               {"namespace: a.b\n", `namespace: is not a DNS label`},
		"context":                 {"context: {name: prod}\n", `context: expected text`},
		"provider":                {"provider: vualt\n", `provider: must be one of: vault, azure; did you mean "vault"?`},
		"provider missing":        {"provider:\n", `provider: is missing; available: vault, azure`},
		"section of the other":    {"azure: {keyVault: abc}\n", `azure: is not for this provider`},
		"section of the other, 2": {azure("vault: {role: a}\n"), `vault: is not for this provider`},
		"relative mountPath":      {"mountPath: run/x\n", `mountPath: is not the absolute path of a folder`},
		"unclean mountPath":       {"mountPath: /run/x/\n", `mountPath: is not the absolute path of a folder`},
		"root as mountPath":       {"mountPath: /\n", `mountPath: is not the absolute path of a folder`},
		"mountPath around":        {"mountPath: /etc\n", `mountPath: overlaps with /etc/aidbox`},
		"mountPath inside":        {"mountPath: /etc/aidbox/secrets\n", `mountPath: overlaps with /etc/aidbox`},

		// paths that would be doubled, or that hide something
		"CA of an agent":             {"vault: {csiAddress: agent, csiCACertPath: /ca}\n", `vault.csiCACertPath: has no effect with csiAddress: agent`},
		"CA folder over http":        {"vault: {csiAddress: \"http://v\", csiCADirectory: /ca}\n", `vault.csiCADirectory: has no effect on an http address; write vault.csiAddress as https://host:port, or remove it`},
		"server's name over http":    {"vault: {csiTLSServerName: v}\n", `vault.csiTLSServerName: has no effect on an http address`},
		"no verification over http":  {"vault: {csiSkipTLSVerify: true}\n", `vault.csiSkipTLSVerify: has no effect on an http address`},
		"relative CA":                {"vault: {csiAddress: \"https://v\", csiCACertPath: ca.crt}\n", `vault.csiCACertPath: is not an absolute path; write it as the CSI provider's pod has it`},
		"CA folder with a dot":       {"vault: {csiAddress: \"https://v\", csiCADirectory: /a/../b}\n", `vault.csiCADirectory: is not an absolute path`},
		"server's name":              {"vault: {csiAddress: \"https://v\", csiTLSServerName: a/b}\n", `vault.csiTLSServerName: is not the name of a server`},
		"CA and no verification":     {"vault: {csiAddress: \"https://v\", csiCACertPath: /ca, csiSkipTLSVerify: true}\n", `vault.csiSkipTLSVerify: contradicts the CA of csiCACertPath or csiCADirectory`},
		"csiAddress of no kind":      {"vault: {csiAddress: Agent}\n", `vault.csiAddress: must be an http or https URL; write it as https://host:port, or agent for the agent beside the CSI provider`},
		"address of an agent":        {"vault: {address: agent}\n", `vault.address: must be an http or https URL`},
		"CA by its old name":         {"vault: {caCertPath: /ca}\n", `vault.caCertPath: unknown key; did you mean "csiCACertPath"?`},
		"mountPath of tokens":        {"mountPath: /run/secrets\n", `mountPath: overlaps with /run/secrets, where Kubernetes and workload identity mount tokens`},
		"mountPath below tokens":     {"mountPath: /var/run/secrets/kubernetes.io/serviceaccount\n", `mountPath: overlaps with /var/run/secrets`},
		"mountPath of Azure tokens":  {"mountPath: /var/run/secrets/azure/tokens\n", `mountPath: overlaps with /var/run/secrets`},
		"mountPath beside tokens":    {"mountPath: /run/secrets/aidbox\n", `mountPath: overlaps with /run/secrets`},
		"mountPath above tokens":     {"mountPath: /run\n", `mountPath: overlaps with /run/secrets`},
		"mountPath above its link":   {"mountPath: /var\n", `mountPath: overlaps with /var/run/secrets`},
		"mountPath of the image":     {"mountPath: /app\n", `mountPath: hides a folder that the image itself needs; such as /run/vault-secrets`},
		"mountPath of temporary":     {"mountPath: /tmp\n", `mountPath: hides a folder that the image itself needs`},
		"mountPath in /proc":         {"mountPath: /proc/1\n", `mountPath: hides a folder that the image itself needs`},
		"mountPath in /sys":          {"mountPath: /sys/a\n", `mountPath: hides a folder that the image itself needs`},
		"mountPath in /dev":          {"mountPath: /dev/shm\n", `mountPath: hides a folder that the image itself needs`},
		"kvMount with data":          {"vault: {kvMount: secret/data}\n", `vault.kvMount: ends with /data, which secretctl adds itself; write the mount alone: leave out /data`},
		"kvMount with metadata":      {"vault: {kvMount: team/kv/metadata}\n", `vault.kvMount: ends with /metadata, which secretctl adds itself`},
		"kvMount with v1":            {"vault: {kvMount: v1/secret}\n", `vault.kvMount: begins with v1/, which secretctl adds itself; leave out v1/`},
		"authMount with auth":        {"vault: {authMount: auth/kubernetes}\n", `vault.authMount: begins with auth/, which secretctl adds itself; leave out auth/`},
		"address with v1":            {"vault: {address: \"https://vault.example.com/v1\"}\n", `vault.address: has /v1 in the address, which secretctl adds itself; leave out /v1 and what follows`},
		"csiAddress with v1 and /":   {"vault: {csiAddress: \"https://vault.example.com/v1/\"}\n", `vault.csiAddress: has /v1 in the address`},
		"address with an API path":   {"vault: {address: \"https://example.com/vault/v1/sys/health\"}\n", `vault.address: has /v1 in the address`},
		"Aidbox's address with fhir": {"aidbox: {url: \"https://aidbox.example.com/fhir/\"}\n", `aidbox.url: has /fhir in the address`},
		"path with kvMount":          {secrets("{name: a, path: secret/aidbox/client, scope: [Client]}"), `secrets[0].path: has what secretctl adds itself; write what follows vault.kvMount, without the mount, data/ or metadata/, such as aidbox/client`},
		"path with metadata":         {secrets("{name: a, path: metadata/aidbox, scope: [Client]}"), `secrets[0].path: has what secretctl adds itself`},
		"path with mount, metadata":  {secrets("{name: a, path: secret/metadata/aidbox, scope: [Client]}"), `secrets[0].path: has what secretctl adds itself`},
		"path with a deeper mount":   {"vault: {kvMount: team/kv}\n" + secrets("{name: a, path: team/kv/aidbox, scope: [Client]}"), `secrets[0].path: has what secretctl adds itself`},

		// vault
		"address":                  {"vault: {address: vault:8200}\n", `vault.address: must be an http or https URL`},
		"address without host":     {"vault: {address: \"https://:8200\"}\n", `vault.address: must be an http or https URL`},
		"credentials":              {"vault: {csiAddress: \"https://a:b@c\"}\n", `vault.csiAddress: has credentials in the address`},
		"query":                    {"vault: {kubernetesHost: \"https://c?x=y\"}\n", `vault.kubernetesHost: has a query or fragment`},
		"kvMount":                  {"vault: {kvMount: secret/}\n", `vault.kvMount: begins or ends with a slash`},
		"authMount":                {"vault: {authMount: a/../b}\n", `vault.authMount: has a part that is empty, "." or ".."`},
		"vault namespace":          {"vault: {namespace: a//b}\n", `vault.namespace: has a part that is empty, "." or ".."`},
		"role":                     {"vault: {role: Aidbox}\n", `vault.role: is not the name of a Vault role or policy`},
		"policy":                   {"vault: {policy: root}\n", `vault.policy: is a policy that Vault keeps for itself`},
		"policy by default":        {"vault: {role: default}\n", `vault.policy: is a policy that Vault keeps for itself`},
		"policy by ServiceAccount": {"aidbox: {serviceAccount: default}\n", `vault.policy: is a policy that Vault keeps for itself`},
		"policyScope":              {"vault: {policyScope: Exact}\n", `vault.policyScope: must be one of: exact, prefix; did you mean "exact"?`},
		"tokenTTL":                 {"vault: {tokenTTL: 1d}\n", `vault.tokenTTL: is not a duration of at least a minute; such as 1h or 30m`},
		"short tokenTTL":           {"vault: {tokenTTL: 59s}\n", `vault.tokenTTL: is not a duration of at least a minute`},

		// azure
		"no keyVault":           {azure("azure: {tenantID: 00000000-0000-0000-0000-000000000000}\n"), `azure.keyVault: is missing`},
		"keyVault's address":    {azure("azure: {keyVault: \"https://a.b\", tenantID: 00000000-0000-0000-0000-000000000000}\n"), `azure.keyVault: is not the name of a Key Vault`},
		"keyVault's end":        {azure("azure: {keyVault: abc-}\n"), `azure.keyVault: is not the name of a Key Vault`},
		"tenantID":              {azure("azure: {keyVault: abc, tenantID: contoso}\n"), `azure.tenantID: is not a UUID`},
		"cloud":                 {azure("azure: {keyVault: abc, tenantID: 00000000-0000-0000-0000-000000000000, cloud: AzurePublic}\n"), `azure.cloud: must be one of: AzurePublicCloud, AzureUSGovernmentCloud, AzureChinaCloud, AzureGermanCloud; write one of these`},
		"resourceGroup":         {azure("azure: {keyVault: abc, tenantID: 00000000-0000-0000-0000-000000000000, resourceGroup: a/b}\n"), `azure.resourceGroup: is not the name of a resource group`},
		"identity":              {azure("azure: {keyVault: abc, tenantID: 00000000-0000-0000-0000-000000000000, identity: {type: pod}}\n"), `azure.identity.type: must be one of: kubelet, workload, system`},
		"workload identity":     {azure("azure: {keyVault: abc, tenantID: 00000000-0000-0000-0000-000000000000, identity: {type: workload}}\n"), `azure.identity.clientID: is missing; write it, or azure.subscriptionID and azure.resourceGroup`},
		"system identity":       {azure("azure: {keyVault: abc, tenantID: 00000000-0000-0000-0000-000000000000, identity: {type: system, clientID: x}}\n"), `azure.identity.clientID: is not for a system-assigned identity`},
		"kubelet identity":      {azure("azure: {keyVault: abc, tenantID: 00000000-0000-0000-0000-000000000000, identity: {clientID: x}}\n"), `azure.identity.clientID: is not a UUID`},
		"objectName":            {azure(secrets("{name: s, scope: [Client], objectName: a_b}")), `secrets[0].objectName: is not the name of a Key Vault secret`},
		"objectName by default": {azure(secrets("{name: a.b, scope: [Client]}")), `secrets[0].objectName: is not the name of a Key Vault secret`},
		"secret's keyVault":     {azure(secrets("{name: s, scope: [Client], keyVault: a_b}")), `secrets[0].keyVault: is not the name of a Key Vault`},
		"keyVault in Vault":     {secrets("{name: s, scope: [Client], keyVault: abc}"), `secrets[0].keyVault: is not for this provider`},
		"expiresIn":             {azure(secrets("{name: s, scope: [Client], expiresIn: 90}")), `secrets[0].expiresIn: expected text, found a number`},
		"expiresIn's unit":      {azure(secrets("{name: s, scope: [Client], expiresIn: 3w}")), `secrets[0].expiresIn: is not a number of days or hours; such as 90d or 12h`},
		"expiresIn of nothing":  {azure(secrets("{name: s, scope: [Client], expiresIn: 0d}")), `secrets[0].expiresIn: is not a number of days or hours`},
		"expiresIn in Vault":    {secrets("{name: s, scope: [Client], expiresIn: 90d}"), `secrets[0].expiresIn: is not for this provider`},
		"objectName twice":      {azure(secrets("{name: a, scope: [Client]}, {name: b, objectName: A, scope: [Client]}")), `secrets[1]: is in the same place of the store as secrets[0]`},

		// aidbox
		"url":                   {"aidbox: {url: localhost}\n", `aidbox.url: must be an http or https URL`},
		"service's name":        {"aidbox: {url: service/}\n", `aidbox.url: does not name a Service`},
		"service's form":        {"aidbox: {url: service/a/b}\n", `aidbox.url: does not name a Service`},
		"service's port":        {"aidbox: {url: \"service/aidbox:\"}\n", `aidbox.url: has no port of a Service`},
		"port too high":         {"aidbox: {url: \"service/aidbox:65536\"}\n", `aidbox.url: has no port of a Service`},
		"scopeFormat":           {"aidbox: {scopeFormat: reference}\n", `aidbox.scopeFormat: must be one of: references, object; did you mean "references"?`},
		"deployment":            {"aidbox: {deployment: aidbox}\n", `aidbox.deployment: unknown key; write aidbox.workload.name`},
		"workload's kind":       {"aidbox: {workload: {kind: DaemonSet}}\n", `aidbox.workload.kind: must be one of: Deployment, StatefulSet`},
		"workload's name":       {"aidbox: {workload: {name: " + strings.Repeat("a", 64) + "}}\n", `aidbox.workload.name: is not the name of a Deployment; at most 63`},
		"StatefulSet's name":    {"aidbox: {workload: {kind: StatefulSet, name: " + strings.Repeat("a", 53) + "}}\n", `aidbox.workload.name: is not the name of a StatefulSet; at most 52`},
		"workload's container":  {"aidbox: {workload: {container: Aidbox}}\n", `aidbox.workload.container: is not a DNS label`},
		"workload's writer":     {"aidbox: {workload: {managedBy: argo}}\n", `aidbox.workload.managedBy: must be one of: secretctl, kustomize, helm`},
		"workload's helmKey":    {"aidbox: {scopeFormat: object, workload: {managedBy: helm, helmKey: a/b}}\n", `aidbox.workload.helmKey: is not a key of Helm values`},
		"helmKey without Helm":  {"aidbox: {workload: {helmKey: aidbox-admin}}\n", `aidbox.workload.helmKey: is only for managedBy: helm`},
		"no scopeFormat, Helm":  {"aidbox: {workload: {managedBy: helm}}\n", `aidbox.scopeFormat: is missing, and the image that tells it is not known; write object for Aidbox 2603 and later, or references for 2602`},
		"no scopeFormat":        {"aidbox: {workload: {managedBy: kustomize}}\n", `aidbox.scopeFormat: is missing, and the image that tells it is not known`},
		"image of a chart":      {"aidbox: {image: a:2602, workload: {managedBy: helm}}\n", `aidbox.image: is only for managedBy: secretctl; remove it: helm says what it is`},
		"replicas of another's": {"aidbox: {replicas: 2, scopeFormat: object, workload: {managedBy: kustomize}}\n", `aidbox.replicas: is only for managedBy: secretctl; remove it: kustomize says what it is`},
		"envFrom of another's":  {"aidbox: {envFrom: [{secretRef: {name: a}}], scopeFormat: object, workload: {managedBy: kustomize}}\n", `aidbox.envFrom: is only for managedBy: secretctl`},
		"limits of another's":   {"aidbox: {resources: {limits: {cpu: 1}}, scopeFormat: object, workload: {managedBy: kustomize}}\n", `aidbox.resources: is only for managedBy: secretctl`},
		"serviceAccount":        {"aidbox: {serviceAccount: A}\n", `aidbox.serviceAccount: is not a DNS name`},
		"image":                 {"aidbox: {image: a b}\n", `aidbox.image: is not the name of an image`},
		"replicas":              {"aidbox: {replicas: -1}\n", `aidbox.replicas: is below 0`},
		"port":                  {"aidbox: {port: 65536}\n", `aidbox.port: is not between 1 and 65535`},
		"probe":                 {"aidbox: {probe: fhir}\n", `aidbox.probe: is not the path of a request`},
		"admin":                 {"aidbox: {admin: {client: a/b}}\n", `aidbox.admin.client: is not an id`},
		"own variable":          {"aidbox: {env: [{name: BOX_VAULT_CONFIG}]}\n", `aidbox.env[0].name: is a variable that secretctl sets itself`},
		"own variable 2":        {"aidbox: {env: [{name: A}, {name: AIDBOX_VAULT_CONFIG}]}\n", `aidbox.env[1].name: is a variable that secretctl sets itself`},
		"nameless env":          {"aidbox: {env: [{value: A}]}\n", `aidbox.env[0].name: is missing`},

		// secrets
		"no secrets":            {"secrets: []\n", `secrets: is empty`},
		"null secrets":          {"secrets:\n", `secrets: is empty`},
		"no secret name":        {secrets("{scope: [Client]}"), `secrets[0].name: is missing`},
		"secret name":           {secrets("{name: a/b, scope: [Client]}"), `secrets[0].name: is not a file name`},
		"hidden name":           {secrets("{name: ..a, scope: [Client]}"), `secrets[0].name: is not a file name`},
		"file's name":           {secrets("{name: a, file: b/c, scope: [Client]}"), `secrets[0].file: is not a file name`},
		"file twice":            {secrets("{name: a, path: x, scope: [Client]}, {name: b, path: z, file: a, scope: [Client]}"), `secrets[1]: has the same file as secrets[0]; give each secret its own file`},
		"encoding":              {secrets("{name: a, encoding: base32, scope: [Client]}"), `secrets[0].encoding: must be one of: utf-8, hex, base64`},
		"generated and encoded": {secrets("{name: a, encoding: hex, scope: [Client], value: {generate: {}}}"), `secrets[0].value: generates text, and the file would have what that decodes to; remove encoding, or give the value another source`},
		"encoding in Azure":     {azure(secrets("{name: a, encoding: hex, scope: [Client]}")), `secrets[0].encoding: is not for this provider; remove it: only provider vault has it`},
		"objectType in Vault":   {secrets("{name: a, objectType: cert, scope: [Client]}"), `secrets[0].objectType: is not for this provider; remove it: only provider azure has it`},
		"objectType":            {azure(secrets("{name: a, objectType: certificate, scope: [Client]}")), `secrets[0].objectType: must be one of: secret, cert, key`},
		"objectEncoding":        {azure(secrets("{name: a, objectEncoding: base32, scope: [Client]}")), `secrets[0].objectEncoding: must be one of: utf-8, hex, base64; did you mean "base64"?`},
		"encoded certificate":   {azure(secrets("{name: a, objectType: cert, objectEncoding: hex, scope: [Client]}")), `secrets[0].objectEncoding: is only for objectType: secret; remove it: Key Vault itself makes certificates and keys`},
		"value of a key":        {azure(secrets("{name: a, objectType: key, scope: [Client], value: {env: A}}")), `secrets[0].value: is only for objectType: secret`},
		"expiry of a key":       {azure(secrets("{name: a, objectType: key, scope: [Client], expiresIn: 1d}")), `secrets[0].expiresIn: is only for objectType: secret`},
		"name twice":            {secrets("{name: a, scope: [Client]}, {name: a, path: x, scope: [Client]}"), `secrets[1]: has the same name as secrets[0]`},
		"path twice":            {secrets("{name: a, path: x, key: k, scope: [Client]}, {name: b, path: x, key: k, scope: [Client]}"), `secrets[1]: is in the same place of the store as secrets[0]`},
		"path with data":        {secrets("{name: a, path: data/aidbox, scope: [Client]}"), `secrets[0].path: has what secretctl adds itself; write what follows vault.kvMount, without the mount, data/`},
		"path with mount":       {"vault: {kvMount: kv}\n" + secrets("{name: a, path: kv/data/aidbox, scope: [Client]}"), `secrets[0].path: has what secretctl adds itself`},
		"path with slash":       {secrets("{name: a, path: /aidbox, scope: [Client]}"), `secrets[0].path: begins or ends with a slash`},
		"path with *":           {secrets("{name: a, path: \"aidbox/*\", scope: [Client]}"), `secrets[0].path: has a character that means something else in a Vault policy`},
		"path with +":           {secrets("{name: a, path: a/+/b, scope: [Client]}"), `secrets[0].path: has a character that means something else in a Vault policy`},
		"path with {{":          {secrets("{name: a, path: \"a/{{b}}\", scope: [Client]}"), `secrets[0].path: has a character that means something else in a Vault policy`},
		"path with quote":       {secrets("{name: a, path: 'a\"b', scope: [Client]}"), `secrets[0].path: has a character that means something else in a Vault policy`},
		"path with newline":     {secrets("{name: a, path: \"a\\nb\", scope: [Client]}"), `secrets[0].path: has a character that does not print`},
		"path with ?":           {secrets("{name: a, path: \"a?b\", scope: [Client]}"), `secrets[0].path: has a character that means something else in a URL`},
		"path in no folder":     {"vault: {policyScope: prefix}\n" + secrets("{name: a, path: top, scope: [Client]}"), `secrets[0].path: is in no folder, so that vault.policyScope prefix would grant the whole of vault.kvMount; put it into a folder`},
		"path with space":       {secrets("{name: a, path: \"a /b\", scope: [Client]}"), `secrets[0].path: has a part that begins or ends with a space`},
		"no scope":              {secrets("{name: a}"), `secrets[0].scope: is empty`},
		"empty scope":           {secrets("{name: a, scope: [\"\"]}"), `secrets[0].scope[0]: is missing`},
		"scope's type":          {secrets("{name: a, scope: [client/b]}"), `secrets[0].scope[0]: ` + types + `; did you mean "Client"?`},
		"scope's id":            {secrets("{name: a, scope: [Client/a+b]}"), `secrets[0].scope[0]: is not an id`},
		"scope without id":      {secrets("{name: a, scope: [Client/]}"), `secrets[0].scope[0]: is not an id`},
		"scope twice":           {secrets("{name: a, scope: [Client, Client]}"), `secrets[0].scope[1]: is already listed`},
		"scopes of object":      {"aidbox: {scopeFormat: object}\n" + secrets("{name: a, scope: [Client/a, Client/b]}"), `secrets[0].scope: has several entries, and scopeFormat object allows one`},
		"canary's name":         {"canary: true\n" + secrets("{name: secretctl-canary, path: x, scope: [Client]}"), `canary: has the same name as secrets[0]`},
		"canary's Client":       {"canary: true\n" + resource("type: Client, id: secretctl-canary, secrets: {secret: s}") + secrets("{name: s, scope: [Client]}"), `canary: has the same type and id as resources[0]`},

		// resources
		"no type":                          {resource("id: c, secrets: {secret: s}"), `resources[0].type: is missing`},
		"type":                             {resource("type: Clients, id: c, secrets: {secret: s}"), `resources[0].type: ` + types + `; did you mean "Client"?`},
		"no id":                            {resource("type: Client, secrets: {secret: s}"), `resources[0].id: is missing`},
		"id":                               {resource("type: Client, id: a/b, secrets: {secret: s}"), `resources[0].id: is not an id`},
		"resource twice":                   {"resources: [{type: Client, id: c, secrets: {secret: s}}, {type: Client, id: c, secrets: {secret: s}}]\n", `resources[1]: has the same type and id as resources[0]`},
		"no references":                    {resource("type: Client, id: c"), `resources[0].secrets: is empty`},
		"unknown secret":                   {secrets("{name: my-secret, scope: [Client]}") + resource("type: Client, id: c, secrets: {secret: my-secert}"), `resources[0].secrets.secret: names no secret of this delivery; did you mean "my-secret"?`},
		"literal":                          {resource("type: Client, id: c, secrets: {secret: hunter2}"), `resources[0].secrets.secret: names no secret of this delivery; the name of a secret stands here, never a value`},
		"out of scope":                     {resource("type: Client, id: basic, secrets: {secret: s}"), `resources[0].secrets.secret: names a secret whose scope lacks this resource; add "Client/basic" to secrets[0].scope`},
		"field":                            {resource("type: Client, id: c, secrets: {secert: s}"), `resources[0].secrets.secert: is no field of this type that takes a secret; did you mean "secret"?`},
		"parameter":                        {secrets("{name: s, scope: [AidboxTopicDestination]}") + resource("type: AidboxTopicDestination, id: c, secrets: {\"parameter.zzzzzzzzzzzzzzzzzzzzzz zzzzzzzzzzzzzzzzzz\": s}"), `is no field of this type that takes a secret; available: parameter.saslJaasConfig,`},
		"parameter of another type":        {secrets("{name: s, scope: [Client]}") + resource("type: Client, id: c, secrets: {parameter.header: s}"), `is no field of this type that takes a secret; available: secret`},
		"number at one parameter":          {secrets("{name: s, scope: [AidboxTopicDestination]}") + resource("type: AidboxTopicDestination, id: c, secrets: {\"parameter.saslJaasConfig[1]\": s}"), `is no field of this type that takes a secret`},
		"number left out":                  {secrets("{name: s, scope: [AidboxTopicDestination]}") + resource("type: AidboxTopicDestination, id: c, secrets: {parameter.header: s, \"parameter.header[2]\": s}"), `resources[0].secrets.parameter.header[2]: leaves out a number; number them in a row: parameter.header, parameter.header[1]`},
		"header twice":                     {secrets("{name: s, scope: [AidboxTopicDestination]}") + resource("type: AidboxTopicDestination, id: c, secrets: {parameter.header: s, \"parameter.header[0]\": s}"), `resources[0].secrets.parameter.header[0]: is the same field as parameter.header; remove one`},
		"key index":                        {secrets("{name: s, scope: [TokenIntrospector]}") + resource("type: TokenIntrospector, id: c, secrets: {\"jwt.keys[100].k\": s}"), `is no field of this type that takes a secret`},
		"field twice":                      {secrets("{name: s, scope: [TokenIntrospector]}") + resource("type: TokenIntrospector, id: c, secrets: {jwt.keys.k: s, \"jwt.keys[0].k\": s}"), `resources[0].secrets.jwt.keys[0].k: is the same field as jwt.keys.k`},
		"accessPolicy":                     {resource("type: Client, id: c, secrets: {secret: s}, accessPolicy: alow"), `resources[0].accessPolicy: must be one of: allow; did you mean "allow"?`},
		"whose policy":                     {secrets("{name: s, scope: [TokenIntrospector]}") + resource("type: TokenIntrospector, id: c, secrets: {jwt.secret: s}, accessPolicy: allow"), `resources[0].accessPolicy: is only for a Client`},
		"policy's id":                      {secrets("{name: s, scope: [Client]}") + resource("type: Client, id: "+strings.Repeat("a", 55)+", secrets: {secret: s}, accessPolicy: allow"), `resources[0].accessPolicy: makes an AccessPolicy with an id that is too long`},
		"another id":                       {resource("type: Client, id: c, secrets: {secret: s}, body: {id: d}"), `resources[0].body.id: is not that of the resource`},
		"another type":                     {resource("type: Client, id: c, secrets: {secret: s}, body: {resourceType: Patient}"), `resources[0].body.resourceType: is not that of the resource`},
		"literal in body":                  {resource("type: Client, id: c, secrets: {secret: s}, body: {secret: hunter2}"), `resources[0].body: has a value at secret; remove it`},
		"own extension":                    {resource("type: Client, id: c, secrets: {secret: s}, body: {_secret: {extension: []}}"), `resources[0].body: has a value at secret`},
		"literal in a list":                {secrets("{name: s, scope: [TokenIntrospector]}") + resource("type: TokenIntrospector, id: c, secrets: {jwt.secret: s}, body: {jwt: {keys: [{kty: oct}, {k: hunter2}]}}"), `resources[0].body: has a value at jwt.keys.k`},
		"literal parameter":                {secrets("{name: s, scope: [AidboxTopicDestination]}") + resource("type: AidboxTopicDestination, id: c, secrets: {parameter.saslJaasConfig: s}, body: {parameter: [{name: saslJaasConfig, valueString: hunter2}, {name: saslMechanism, valueString: PLAIN}]}"), `resources[0].body: has a value at parameter.saslJaasConfig`},
		"literal beside MSK's reference":   {secrets("{name: s, scope: [AidboxTopicDestination]}") + resource("type: AidboxTopicDestination, id: c, secrets: {parameter.saslJaasConfig: s}, body: {parameter: [{name: saslJaasConfig, valueString: hunter2}, {name: saslMechanism, valueString: AWS_MSK_IAM}]}"), `resources[0].body: has a value at parameter.saslJaasConfig`},
		"literal of an unlisted parameter": {secrets("{name: s, scope: [AidboxTopicDestination]}") + resource("type: AidboxTopicDestination, id: c, secrets: {parameter.apiKey: s}, body: {parameter: [{name: apiKey, valueString: hunter2}]}"), `resources[0].body: has a value at parameter.apiKey`},
		"literal certificate that is referred to": {secrets("{name: s, scope: [IdentityProvider]}") + resource("type: IdentityProvider, id: c, secrets: {client.certificate: s}, body: {client: {certificate: hunter2}}"), `resources[0].body: has a value at client.certificate`},
		"policy that is a list":                   {resource("type: Client, id: c, secrets: {secret: s}, accessPolicy: [allow]"), `resources[0].accessPolicy: must be allow, or the body of an AccessPolicy; such as {engine: allow}`},
		"policy without engine":                   {resource("type: Client, id: c, secrets: {secret: s}, accessPolicy: {matcho: {uri: /x}}"), `resources[0].accessPolicy.engine: is missing; such as matcho, or allow`},
		"policy of another type":                  {resource("type: Client, id: c, secrets: {secret: s}, accessPolicy: {engine: allow, resourceType: Role}"), `resources[0].accessPolicy.resourceType: must be AccessPolicy; remove it`},
		"policy's own id":                         {resource("type: Client, id: c, secrets: {secret: s}, accessPolicy: {engine: allow, id: a/b}"), `resources[0].accessPolicy.id: is not an id`},
		"policy's id is a number":                 {resource("type: Client, id: c, secrets: {secret: s}, accessPolicy: {engine: allow, id: 1}"), `resources[0].accessPolicy.id: is missing`},
		"body of another's policy":                {secrets("{name: s, scope: [TokenIntrospector]}") + resource("type: TokenIntrospector, id: c, secrets: {jwt.secret: s}, accessPolicy: {engine: allow}"), `resources[0].accessPolicy: is only for a Client`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			text := delivery(test.text)
			got := problems(t, text)
			if len(got) != 1 {
				t.Fatalf("%d problems, want 1:\n%s\n%s", len(got), &Error{got}, text)
			}
			shown := strings.TrimPrefix(got[0].String(), "x.yaml:") + "; " + got[0].Hint
			if got[0].Hint == "" || !strings.Contains(shown, test.want) {
				t.Errorf("got  %s\nwant %s", shown, test.want)
			}
			if strings.Contains(shown, "hunter2") {
				t.Errorf("a value is quoted: %s", shown)
			}
		})
	}
}

func TestWhatLooksOddButWorksIsAccepted(t *testing.T) {
	resource := func(item string) string { return "resources: [{" + item + "}]\n" }
	for name, text := range map[string]string{
		"null sections":         "vault:\nazure:\naidbox: {env: }\nresources: ~\n",
		"null sources":          "aidbox: {admin: {secret: }}\nsecrets: [{name: a, scope: [Client], value: }]\n",
		"alias":                 "secrets: [{name: a, scope: &s [Client]}, {name: b, scope: *s}]\n",
		"JSON":                  `{"apiVersion": "secretctl.dev/v1", "provider": "vault", "secrets": [{"name": "a", "scope": ["Client"]}]}`,
		"quoted on":             "name: \"on\"\n",
		"numbers as text":       "secrets: [{name: \"007\", scope: [Client]}]\n",
		"quantities":            "aidbox: {resources: {limits: {cpu: 1, memory: 1.5Gi}, requests: {cpu: 0.5}}}\n",
		"multi-line env":        "aidbox: {env: [{name: A, value: \"a\\nb\\tc\"}]}\n",
		"private CA":            "vault: {csiAddress: \"https://v\", csiCACertPath: /vault/tls/ca.pem, csiCADirectory: /vault/tls, csiTLSServerName: vault.example.com}\n",
		"agent":                 "vault: {csiAddress: agent, csiSkipTLSVerify: }\n",
		"file":                  "secrets: [{name: a, file: a.json, path: x, scope: [Client]}, {name: a.json, path: z, file: a, scope: [Client]}]\n",
		"encodings":             "secrets: [{name: a, encoding: hex, path: x, scope: [Client], value: {env: A}}, {name: b, encoding: utf-8, scope: [Client], value: {generate: {}}}]\n",
		"certificate of Azure":  azure("secrets: [{name: a, objectType: cert, scope: [Client]}, {name: b, objectType: key, scope: [Client]}, {name: c, objectType: secret, objectEncoding: base64, scope: [Client], value: {env: A}}]\n"),
		"mountPath beside":      "mountPath: /run/secrets-of-aidbox\n",
		"mountPath in a folder": "mountPath: /app/secrets\n",
		"mounts like others":    "vault: {kvMount: data, authMount: authority, address: \"https://example.com/v1beta\"}\n",
		"mount in a folder":     "vault: {kvMount: team/database, authMount: team/auth}\n",
		"path like its mount":   "secrets: [{name: a, path: secret, scope: [Client]}, {name: b, path: secrets/x, scope: [Client]}, {name: c, path: data, scope: [Client]}]\n",
		"underscore in ids":     "aidbox: {admin: {client: a_b}}\nsecrets: [{name: a, scope: [Client/chart_app]}]\n" + resource("type: Client, id: chart_app, secrets: {secret: a}, accessPolicy: allow"),
		"chart of a chart":      "aidbox: {scopeFormat: object, workload: {kind: StatefulSet, name: records, container: app, managedBy: helm, helmKey: payerbox.aidbox-admin}}\n",
		"kustomize":             "aidbox: {scopeFormat: references, port: 80, env: [{name: A}], workload: {managedBy: kustomize}}\n",
		"no replicas":           "aidbox: {replicas: 0}\n",
		"path of any text":      "secrets: [{name: a, path: \"größe/a+b/c d/$x\", scope: [Client]}]\n",
		"same path, two keys":   "secrets: [{name: a, path: x, scope: [Client]}, {name: b, path: x, scope: [Client]}]\n",
		"numbers in a body":     resource("type: Client, id: c, secrets: {secret: s}, body: {a: 0.1, b: 1e300, c: -9007199254740992, d: 9007199254740992, e: 2026-01-01}"),
		"own id in a body":      resource("type: Client, id: c, secrets: {secret: s}, body: {id: c, resourceType: Client}"),
		"named parameter":       "secrets: [{name: s, scope: [AidboxTopicDestination]}]\n" + resource("type: AidboxTopicDestination, id: c, secrets: {parameter.saslJaasConfig: s}, body: {parameter: [{name: saslJaasConfig}, {name: header, valueString: a}]}"),
		"several headers":       "secrets: [{name: s, scope: [AidboxTopicDestination]}]\n" + resource("type: AidboxTopicDestination, id: c, secrets: {\"parameter.header[0]\": s, \"parameter.header[1]\": s, \"parameter.header[2]\": s}, body: {parameter: [{name: header, valueString: a}, {name: header, valueString: b}]}"),
		"MSK":                   "secrets: [{name: s, scope: [AidboxTopicDestination]}]\n" + resource("type: AidboxTopicDestination, id: c, secrets: {parameter.header: s}, body: {parameter: [{name: saslMechanism, valueString: AWS_MSK_IAM}, {name: saslJaasConfig, valueString: line}]}"),
		"AWS":                   "secrets: [{name: s, scope: [AidboxTopicDestination]}]\n" + resource("type: AidboxTopicDestination, id: c, secrets: {parameter.awsAccessKeyId: s, parameter.awsSecretAccessKey: s}"),
		"parameter of any name": "secrets: [{name: s, scope: [AidboxTopicDestination]}]\n" + resource("type: AidboxTopicDestination, id: c, secrets: {parameter.databricksClientSecret: s}"),
		"no policy":             resource("type: Client, id: c, secrets: {secret: s}, accessPolicy: "),
		"empty policy":          resource("type: Client, id: c, secrets: {secret: s}, accessPolicy: \"\""),
		"body of a policy":      resource("type: Client, id: c, secrets: {secret: s}, accessPolicy: {engine: matcho, matcho: {uri: /fhir/Patient}, id: mine, resourceType: AccessPolicy}"),
		"certificate":           "secrets: [{name: s, scope: [IdentityProvider]}]\n" + resource("type: IdentityProvider, id: c, secrets: {client.secret: s}, body: {client: {certificate: x}}"),
		"azure without client":  azure("name: a\n"),
	} {
		t.Run(name, func(t *testing.T) {
			if strings.HasPrefix(text, "{") {
				text += "\n"
			} else {
				text = delivery(text)
			}
			if got := problems(t, text); len(got) > 0 {
				t.Errorf("%s\n%s", &Error{got}, text)
			}
		})
	}
}

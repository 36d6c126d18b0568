package config

import (
	"testing"
)

func TestPathsThatWouldBeDoubledAreRefused(t *testing.T) {
	wantProblems(t, problemCases{
		"CA of an agent":             {"vault: {csiAddress: agent, csiCACertPath: /ca}\n", `vault.csiCACertPath: has no effect with csiAddress: agent`},
		"CA folder over http":        {"vault: {csiAddress: \"http://v\", csiCADirectory: /ca}\n", `vault.csiCADirectory: has no effect on an http address; write vault.csiAddress as https://host:port, or remove it`},
		"server's name over http":    {"vault: {csiTLSServerName: v}\n", `vault.csiTLSServerName: has no effect on an http address`},
		"no verification over http":  {"vault: {csiSkipTLSVerify: true}\n", `vault.csiSkipTLSVerify: has no effect on an http address`},
		"relative CA":                {"vault: {csiAddress: \"https://v\", csiCACertPath: ca.crt}\n", `vault.csiCACertPath: must be an absolute path; write it as the CSI provider's pod has it`},
		"CA folder with a dot":       {"vault: {csiAddress: \"https://v\", csiCADirectory: /a/../b}\n", `vault.csiCADirectory: must be an absolute path`},
		"server's name":              {"vault: {csiAddress: \"https://v\", csiTLSServerName: a/b}\n", `vault.csiTLSServerName: must be the name of a server`},
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
		"path with kvMount":          {secretsOf("{name: a, path: secret/aidbox/client, scope: [Client]}"), `secrets[0].path: has what secretctl adds itself; write what follows vault.kvMount, without the mount, data/ or metadata/, such as aidbox/client`},
		"path with metadata":         {secretsOf("{name: a, path: metadata/aidbox, scope: [Client]}"), `secrets[0].path: has what secretctl adds itself`},
		"path with mount, metadata":  {secretsOf("{name: a, path: secret/metadata/aidbox, scope: [Client]}"), `secrets[0].path: has what secretctl adds itself`},
		"path with a deeper mount":   {"vault: {kvMount: team/kv}\n" + secretsOf("{name: a, path: team/kv/aidbox, scope: [Client]}"), `secrets[0].path: has what secretctl adds itself`},
	})
}

func TestSettingsOfVaultAreChecked(t *testing.T) {
	wantProblems(t, problemCases{
		"address, port":            {"vault: {address: \"https://vault:82000\"}\n", `vault.address: has an invalid port`},
		"address":                  {"vault: {address: vault:8200}\n", `vault.address: must be an http or https URL`},
		"address without host":     {"vault: {address: \"https://:8200\"}\n", `vault.address: must be an http or https URL`},
		"credentials":              {"vault: {csiAddress: \"https://a:b@c\"}\n", `vault.csiAddress: has credentials in the address`},
		"query":                    {"vault: {kubernetesHost: \"https://c?x=y\"}\n", `vault.kubernetesHost: has a query or fragment`},
		"kvMount":                  {"vault: {kvMount: secret/}\n", `vault.kvMount: has a part that is empty`},
		"authMount":                {"vault: {authMount: a/../b}\n", `vault.authMount: has a part that is empty, "." or ".."`},
		"vault namespace":          {"vault: {namespace: a//b}\n", `vault.namespace: has a part that is empty, "." or ".."`},
		"role":                     {"vault: {role: Aidbox}\n", `vault.role: must be the name of a Vault role or policy`},
		"policy":                   {"vault: {policy: root}\n", `vault.policy: is a policy of Vault's own`},
		"policy by default":        {"vault: {role: default}\n", `vault.policy: is a policy of Vault's own`},
		"policy by ServiceAccount": {"aidbox: {serviceAccount: default}\n", `vault.policy: is a policy of Vault's own`},
		"policyScope":              {"vault: {policyScope: Exact}\n", `vault.policyScope: must be one of: exact, prefix; did you mean "exact"?`},
		"tokenTTL":                 {"vault: {tokenTTL: 1d}\n", `vault.tokenTTL: must be a duration of at least a minute; write it with its unit, such as 1h or 30m`},
		"short tokenTTL":           {"vault: {tokenTTL: 59s}\n", `vault.tokenTTL: must be a duration of at least a minute`},
	})
}

func TestSettingsOfAzureAreChecked(t *testing.T) {
	wantProblems(t, problemCases{
		"no keyVault":           {azure("azure: {tenantID: 00000000-0000-0000-0000-000000000000}\n"), `azure.keyVault: is missing`},
		"keyVault's address":    {azure("azure: {keyVault: \"https://a.b\", tenantID: 00000000-0000-0000-0000-000000000000}\n"), `azure.keyVault: must be the name of a Key Vault`},
		"keyVault's end":        {azure("azure: {keyVault: abc-}\n"), `azure.keyVault: must be the name of a Key Vault`},
		"tenantID":              {azure("azure: {keyVault: abc, tenantID: contoso}\n"), `azure.tenantID: must be a UUID`},
		"cloud":                 {azure("azure: {keyVault: abc, tenantID: 00000000-0000-0000-0000-000000000000, cloud: AzurePublic}\n"), `azure.cloud: must be one of: AzurePublicCloud, AzureUSGovernmentCloud, AzureChinaCloud, AzureGermanCloud`},
		"resourceGroup":         {azure("azure: {keyVault: abc, tenantID: 00000000-0000-0000-0000-000000000000, resourceGroup: a/b}\n"), `azure.resourceGroup: must be the name of a resource group`},
		"identity binding":      {azure("azure: {keyVault: abc, identity: {useAzureTokenProxy: true}}\n"), `azure.identity.useAzureTokenProxy: unknown key; identity binding is not supported: use identity.type workload`},
		"identity":              {azure("azure: {keyVault: abc, tenantID: 00000000-0000-0000-0000-000000000000, identity: {type: pod}}\n"), `azure.identity.type: must be one of: kubelet, workload, system, addon, node`},
		"workload identity":     {azure("azure: {keyVault: abc, tenantID: 00000000-0000-0000-0000-000000000000, identity: {type: workload}}\n"), `azure.identity.clientID: is missing; write it, or azure.subscriptionID and azure.resourceGroup`},
		"system identity":       {azure("azure: {keyVault: abc, tenantID: 00000000-0000-0000-0000-000000000000, identity: {type: system, clientID: x}}\n"), `azure.identity.clientID: is not for a system-assigned identity`},
		"node without its id":   {azure("azure: {keyVault: abc, identity: {type: node}}\n"), `azure.identity.clientID: is missing; write it: nodes may have several identities`},
		"kubelet identity":      {azure("azure: {keyVault: abc, tenantID: 00000000-0000-0000-0000-000000000000, identity: {clientID: x}}\n"), `azure.identity.clientID: must be a UUID`},
		"objectName":            {azure(secretsOf("{name: s, scope: [Client], objectName: a_b}")), `secrets[0].objectName: must be the name of a Key Vault secret`},
		"objectName by default": {azure(secretsOf("{name: a.b, scope: [Client]}")), `secrets[0].objectName: must be the name of a Key Vault secret`},
		"secret's keyVault":     {azure(secretsOf("{name: s, scope: [Client], keyVault: a_b}")), `secrets[0].keyVault: must be the name of a Key Vault`},
		"keyVault in Vault":     {secretsOf("{name: s, scope: [Client], keyVault: abc}"), `secrets[0].keyVault: is not for this provider`},
		"expiresIn":             {azure(secretsOf("{name: s, scope: [Client], expiresIn: 90}")), `secrets[0].expiresIn: expected text, found a number`},
		"expiresIn's unit":      {azure(secretsOf("{name: s, scope: [Client], expiresIn: 3w}")), `secrets[0].expiresIn: must be a number of days or hours; write it with its unit, such as 90d or 12h`},
		"expiresIn of nothing":  {azure(secretsOf("{name: s, scope: [Client], expiresIn: 0d}")), `secrets[0].expiresIn: must be a number of days or hours`},
		"maxAge's unit":         {secretsOf("{name: s, scope: [Client], maxAge: 3w}"), `secrets[0].maxAge: must be a number of days or hours; write it with its unit, such as 90d or 12h`},
		"maxAge of a key":       {azure(secretsOf("{name: s, scope: [Client], objectType: key, maxAge: 3d}")), `secrets[0].maxAge: is only for objectType: secret`},
		"expiresIn in Vault":    {secretsOf("{name: s, scope: [Client], expiresIn: 90d}"), `secrets[0].expiresIn: is not for this provider`},
		"objectName twice":      {azure(secretsOf("{name: a, scope: [Client]}, {name: b, objectName: A, scope: [Client]}")), `secrets[1]: has the same place in the store as secrets[0]`},
	})
}

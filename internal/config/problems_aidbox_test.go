package config

import (
	"strings"
	"testing"
)

func TestSettingsOfAidboxAreChecked(t *testing.T) {
	wantProblems(t, problemCases{
		"url":                   {"aidbox: {url: localhost}\n", `aidbox.url: must be an http or https URL`},
		"service's name":        {"aidbox: {url: service/}\n", `aidbox.url: does not name a Service`},
		"service's form":        {"aidbox: {url: service/a/b}\n", `aidbox.url: does not name a Service`},
		"service's port":        {"aidbox: {url: \"service/aidbox:\"}\n", `aidbox.url: has an invalid port`},
		"port too high":         {"aidbox: {url: \"service/aidbox:65536\"}\n", `aidbox.url: has an invalid port`},
		"scopeFormat":           {"aidbox: {scopeFormat: reference}\n", `aidbox.scopeFormat: must be one of: references, object; did you mean "references"?`},
		"workload's kind":       {"aidbox: {workload: {kind: DaemonSet}}\n", `aidbox.workload.kind: must be one of: Deployment, StatefulSet`},
		"workload's name":       {"aidbox: {workload: {name: " + strings.Repeat("a", 64) + "}}\n", `aidbox.workload.name: must be the name of a Deployment; use up to 63`},
		"StatefulSet's name":    {"aidbox: {workload: {kind: StatefulSet, name: " + strings.Repeat("a", 53) + "}}\n", `aidbox.workload.name: must be the name of a StatefulSet; use up to 52`},
		"StatefulSet with dots": {"aidbox: {workload: {kind: StatefulSet, name: a.b}}\n", `aidbox.workload.name: must be the name of a StatefulSet; use up to 52 of a-z, 0-9 and -`},
		"workload's container":  {"aidbox: {workload: {container: Aidbox}}\n", `aidbox.workload.container: must be a DNS label`},
		"workload's writer":     {"aidbox: {workload: {managedBy: argo}}\n", `aidbox.workload.managedBy: must be one of: secretctl, kustomize, helm`},
		"workload's helmKey":    {"aidbox: {scopeFormat: object, workload: {managedBy: helm, helmKey: a/b}}\n", `aidbox.workload.helmKey: must be a key of Helm values`},
		"helmKey without Helm":  {"aidbox: {workload: {helmKey: aidbox-admin}}\n", `aidbox.workload.helmKey: is only for managedBy: helm`},
		"no scopeFormat, Helm":  {"aidbox: {workload: {managedBy: helm}}\n", `aidbox.scopeFormat: is missing, and cannot follow from an unknown image; write object for Aidbox 2603 and later, or references for 2602`},
		"no scopeFormat":        {"aidbox: {workload: {managedBy: kustomize}}\n", `aidbox.scopeFormat: is missing, and cannot follow from an unknown image`},
		"image of a chart":      {"aidbox: {image: a:2602, workload: {managedBy: helm}}\n", `aidbox.image: is only for managedBy: secretctl; remove it: set it with helm`},
		"replicas of another's": {"aidbox: {replicas: 2, scopeFormat: object, workload: {managedBy: kustomize}}\n", `aidbox.replicas: is only for managedBy: secretctl; remove it: set it with kustomize`},
		"envFrom of another's":  {"aidbox: {envFrom: [{secretRef: {name: a}}], scopeFormat: object, workload: {managedBy: kustomize}}\n", `aidbox.envFrom: is only for managedBy: secretctl`},
		"limits of another's":   {"aidbox: {resources: {limits: {cpu: 1}}, scopeFormat: object, workload: {managedBy: kustomize}}\n", `aidbox.resources: is only for managedBy: secretctl`},
		"serviceAccount":        {"aidbox: {serviceAccount: A}\n", `aidbox.serviceAccount: must be a DNS name`},
		"image":                 {"aidbox: {image: a b}\n", `aidbox.image: must be the name of an image`},
		"user":                  {"aidbox: {runAs: root}\n", `aidbox.runAs: must be one of: image, cluster`},
		"replicas":              {"aidbox: {replicas: -1}\n", `aidbox.replicas: must be between 0 and 10000`},
		"port":                  {"aidbox: {port: 65536}\n", `aidbox.port: must be between 1 and 65535`},
		"probe":                 {"aidbox: {probe: fhir}\n", `aidbox.probe: must be the path of a request`},
		"admin":                 {"aidbox: {admin: {client: a/b}}\n", `aidbox.admin.client: must be an id`},
		"own variable":          {"aidbox: {env: [{name: BOX_VAULT_CONFIG}]}\n", `aidbox.env[0].name: is a variable that secretctl sets itself`},
		"own variable 2":        {"aidbox: {env: [{name: A}, {name: AIDBOX_VAULT_CONFIG}]}\n", `aidbox.env[1].name: is a variable that secretctl sets itself`},
		"nameless env":          {"aidbox: {env: [{value: A}]}\n", `aidbox.env[0].name: is missing`},
	})
}

func TestSecretsAreChecked(t *testing.T) {
	wantProblems(t, problemCases{
		"no secrets":            {"secrets: []\n", `secrets: is empty`},
		"null secrets":          {"secrets:\n", `secrets: is empty`},
		"no secret name":        {secretsOf("{scope: [Client]}"), `secrets[0].name: is missing`},
		"secret name":           {secretsOf("{name: a/b, scope: [Client]}"), `secrets[0].name: must be a file name`},
		"hidden name":           {secretsOf("{name: ..a, scope: [Client]}"), `secrets[0].name: must be a file name`},
		"file's name":           {secretsOf("{name: a, file: b/c, scope: [Client]}"), `secrets[0].file: must be a file name`},
		"file twice":            {secretsOf("{name: a, path: x, scope: [Client]}, {name: b, path: z, file: a, scope: [Client]}"), `secrets[1]: has the same file as secrets[0]; give each secret its own file`},
		"encoding":              {secretsOf("{name: a, encoding: base32, scope: [Client]}"), `secrets[0].encoding: must be one of: utf-8, hex, base64`},
		"generated and encoded": {secretsOf("{name: a, encoding: hex, scope: [Client], value: {generate: {}}}"), `secrets[0].value: generates text, which the CSI provider would decode; remove encoding, or give the value another source`},
		"encoding in Azure":     {azure(secretsOf("{name: a, encoding: hex, scope: [Client]}")), `secrets[0].encoding: is not for this provider; remove it: it is only for provider vault`},
		"objectType in Vault":   {secretsOf("{name: a, objectType: cert, scope: [Client]}"), `secrets[0].objectType: is not for this provider; remove it: it is only for provider azure`},
		"objectType":            {azure(secretsOf("{name: a, objectType: certificate, scope: [Client]}")), `secrets[0].objectType: must be one of: secret, cert, key`},
		"objectEncoding":        {azure(secretsOf("{name: a, objectEncoding: base32, scope: [Client]}")), `secrets[0].objectEncoding: must be one of: utf-8, hex, base64; did you mean "base64"?`},
		"encoded certificate":   {azure(secretsOf("{name: a, objectType: cert, objectEncoding: hex, scope: [Client]}")), `secrets[0].objectEncoding: is only for objectType: secret; remove it: Key Vault itself makes certificates and keys`},
		"value of a key":        {azure(secretsOf("{name: a, objectType: key, scope: [Client], value: {env: A}}")), `secrets[0].value: is only for objectType: secret`},
		"expiry of a key":       {azure(secretsOf("{name: a, objectType: key, scope: [Client], expiresIn: 1d}")), `secrets[0].expiresIn: is only for objectType: secret`},
		"name twice":            {secretsOf("{name: a, scope: [Client]}, {name: a, path: x, scope: [Client]}"), `secrets[1]: has the same name as secrets[0]`},
		"path twice":            {secretsOf("{name: a, path: x, key: k, scope: [Client]}, {name: b, path: x, key: k, scope: [Client]}"), `secrets[1]: has the same place in the store as secrets[0]`},
		"path with data":        {secretsOf("{name: a, path: data/aidbox, scope: [Client]}"), `secrets[0].path: has what secretctl adds itself; write what follows vault.kvMount, without the mount, data/`},
		"path with mount":       {"vault: {kvMount: kv}\n" + secretsOf("{name: a, path: kv/data/aidbox, scope: [Client]}"), `secrets[0].path: has what secretctl adds itself`},
		"path with slash":       {secretsOf("{name: a, path: /aidbox, scope: [Client]}"), `secrets[0].path: has a part that is empty`},
		"path with *":           {secretsOf("{name: a, path: \"aidbox/*\", scope: [Client]}"), `secrets[0].path: has a character with a meaning of its own in a Vault policy`},
		"path with +":           {secretsOf("{name: a, path: a/+/b, scope: [Client]}"), `secrets[0].path: has a character with a meaning of its own in a Vault policy`},
		"path with {{":          {secretsOf("{name: a, path: \"a/{{b}}\", scope: [Client]}"), `secrets[0].path: has a character with a meaning of its own in a Vault policy`},
		"path with quote":       {secretsOf("{name: a, path: 'a\"b', scope: [Client]}"), `secrets[0].path: has a character with a meaning of its own in a Vault policy`},
		"path with newline":     {secretsOf("{name: a, path: \"a\\nb\", scope: [Client]}"), `secrets[0].path: has a character that does not print`},
		"path with ?":           {secretsOf("{name: a, path: \"a?b\", scope: [Client]}"), `secrets[0].path: has a character with a meaning of its own in a Vault policy or URL`},
		"path in no folder":     {"vault: {policyScope: prefix}\n" + secretsOf("{name: a, path: top, scope: [Client]}"), `secrets[0].path: has no folder, so that vault.policyScope prefix would grant all of vault.kvMount; put it into a folder`},
		"path with space":       {secretsOf("{name: a, path: \"a /b\", scope: [Client]}"), `secrets[0].path: has a part that is empty, "." or "..", or begins or ends with a space`},
		"no scope":              {secretsOf("{name: a}"), `secrets[0].scope: is empty`},
		"empty scope":           {secretsOf("{name: a, scope: [\"\"]}"), `secrets[0].scope[0]: is missing`},
		"scope's type":          {secretsOf("{name: a, scope: [client/b]}"), `secrets[0].scope[0]: ` + resourceTypeProblem + `; did you mean "Client"?`},
		"scope's id":            {secretsOf("{name: a, scope: [Client/a+b]}"), `secrets[0].scope[0]: must be an id`},
		"scope without id":      {secretsOf("{name: a, scope: [Client/]}"), `secrets[0].scope[0]: must be an id`},
		"scope twice":           {secretsOf("{name: a, scope: [Client, Client]}"), `secrets[0].scope[1]: is already listed`},
		"scopes of object":      {"aidbox: {scopeFormat: object}\n" + secretsOf("{name: a, scope: [Client/a, Client/b]}"), `secrets[0].scope: has several entries, and scopeFormat object allows one`},
		"canary's name":         {"canary: true\n" + secretsOf("{name: secretctl-canary, path: x, scope: [Client]}"), `canary: has the same name as secrets[0]`},
		"canary's Client":       {"canary: true\n" + resourceOf("type: Client, id: secretctl-canary, secrets: {secret: s}") + secretsOf("{name: s, scope: [Client]}"), `canary: has the same type and id as resources[0]`},
	})
}

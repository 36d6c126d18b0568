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
	_, err := Parse("x.yaml", []byte(text))
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

// resourceTypeProblem is what is said of a type that takes no secret.
const resourceTypeProblem = "must be one of: Client, IdentityProvider, TokenIntrospector, AidboxTopicDestination"

func secretsOf(items string) string { return "secrets: [" + items + "]\n" }

func resourceOf(item string) string { return "resources: [{" + item + "}]\n" }

// problemCases are fragments of a document that have one problem each.
type problemCases map[string]struct{ text, want string }

// wantProblems checks that each problem names its path, has a hint, and quotes no value.
func wantProblems(t *testing.T, cases problemCases) {
	t.Helper()
	for name, test := range cases {
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
		"underscore in ids":     "aidbox: {admin: {client: a_b}}\nsecrets: [{name: a, scope: [Client/chart_app]}]\n" + resourceOf("type: Client, id: chart_app, secrets: {secret: a}, accessPolicy: allow"),
		"chart of a chart":      "aidbox: {scopeFormat: object, workload: {kind: StatefulSet, name: records, container: app, managedBy: helm, helmKey: payerbox.aidbox-admin}}\n",
		"kustomize":             "aidbox: {scopeFormat: references, port: 80, env: [{name: A}], workload: {managedBy: kustomize}}\n",
		"no replicas":           "aidbox: {replicas: 0}\n",
		"path of any text":      "secrets: [{name: a, path: \"größe/a+b/c d/$x\", scope: [Client]}]\n",
		"same path, two keys":   "secrets: [{name: a, path: x, scope: [Client]}, {name: b, path: x, scope: [Client]}]\n",
		"numbers in a body":     resourceOf("type: Client, id: c, secrets: {secret: s}, body: {a: 0.1, b: 1e300, c: -9007199254740992, d: 9007199254740992, e: 2026-01-01}"),
		"own id in a body":      resourceOf("type: Client, id: c, secrets: {secret: s}, body: {id: c, resourceType: Client}"),
		"named parameter":       "secrets: [{name: s, scope: [AidboxTopicDestination]}]\n" + resourceOf("type: AidboxTopicDestination, id: c, secrets: {parameter.saslJaasConfig: s}, body: {parameter: [{name: saslJaasConfig}, {name: header, valueString: a}]}"),
		"several headers":       "secrets: [{name: s, scope: [AidboxTopicDestination]}]\n" + resourceOf("type: AidboxTopicDestination, id: c, secrets: {\"parameter.header[0]\": s, \"parameter.header[1]\": s, \"parameter.header[2]\": s}, body: {parameter: [{name: header, valueString: a}, {name: header, valueString: b}]}"),
		"MSK":                   "secrets: [{name: s, scope: [AidboxTopicDestination]}]\n" + resourceOf("type: AidboxTopicDestination, id: c, secrets: {parameter.header: s}, body: {parameter: [{name: saslMechanism, valueString: AWS_MSK_IAM}, {name: saslJaasConfig, valueString: line}]}"),
		"AWS":                   "secrets: [{name: s, scope: [AidboxTopicDestination]}]\n" + resourceOf("type: AidboxTopicDestination, id: c, secrets: {parameter.awsAccessKeyId: s, parameter.awsSecretAccessKey: s}"),
		"parameter of any name": "secrets: [{name: s, scope: [AidboxTopicDestination]}]\n" + resourceOf("type: AidboxTopicDestination, id: c, secrets: {parameter.databricksClientSecret: s}"),
		"no policy":             resourceOf("type: Client, id: c, secrets: {secret: s}, accessPolicy: "),
		"empty policy":          resourceOf("type: Client, id: c, secrets: {secret: s}, accessPolicy: \"\""),
		"body of a policy":      resourceOf("type: Client, id: c, secrets: {secret: s}, accessPolicy: {engine: matcho, matcho: {uri: /fhir/Patient}, id: mine, resourceType: AccessPolicy}"),
		"certificate":           "secrets: [{name: s, scope: [IdentityProvider]}]\n" + resourceOf("type: IdentityProvider, id: c, secrets: {client.secret: s}, body: {client: {certificate: x}}"),
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

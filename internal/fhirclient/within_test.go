package fhirclient

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
)

const withPlainFields = `apiVersion: secretctl.dev/v1
provider: vault
vault: {address: "https://vault.default:8200"}
secrets:
  - {name: a, scope: [AidboxTopicDestination]}
  - {name: b, scope: [TokenIntrospector]}
  - {name: c, scope: [IdentityProvider]}
  - {name: d, scope: [Client]}
resources:
  - type: AidboxTopicDestination
    id: webhook
    secrets: {parameter.header: a}
    body: {parameter: [{name: endpoint, valueUrl: "https://hunter2"}, {name: header, valueString: "X-Tenant: hunter2"}, {name: header, valueString: "X-B: hunter2"}]}
  - type: AidboxTopicDestination
    id: msk
    secrets: {parameter.sslKeystoreKey: a}
    body: {parameter: [{name: saslMechanism, valueString: AWS_MSK_IAM}, {name: saslJaasConfig, valueString: hunter2}]}
  - {type: TokenIntrospector, id: ti, secrets: {"jwt.keys[1].k": b}, body: {jwt: {keys: [{kty: RSA, "n": hunter2, kid: hunter2}, {kty: oct}]}}}
  - {type: IdentityProvider, id: idp, secrets: {client.secret: c}, body: {title: hunter2, client: {id: app, certificate: hunter2}}}
  - {type: Client, id: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, secrets: {secret: d}, accessPolicy: {id: x, engine: matcho, matcho: {uri: hunter2}}}
`

// What is plain in the config must not look like a secret to the job in the cluster, whose
// config has no value.
func TestJobTellsPlainFieldsFromLiteralSecrets(t *testing.T) {
	parse := func(text string) *config.Delivery {
		all, err := config.Parse("x.yaml", []byte(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return all[0]
	}
	d := parse(withPlainFields)
	text, err := d.WithinCluster()
	if err != nil || strings.Contains(string(text), "hunter2") {
		t.Errorf("%v\n%s", err, text)
	}
	server, c := newAidbox(t)
	for i, r := range parse(string(text)).Resources {
		if _, err := c.Apply(t.Context(), d.Resources[i]); err != nil {
			t.Fatal(err)
		}
		refs, literals, err := c.References(t.Context(), r)
		if diff := cmp.Diff(r.Secrets, refs); diff != "" || len(literals) != 0 || err != nil {
			t.Error(r.Ref(), err, literals, diff)
		}
	}
	parameters := server.resources["AidboxTopicDestination/webhook"]["parameter"].([]any)
	server.resources["AidboxTopicDestination/webhook"]["parameter"] = append(parameters, map[string]any{"name": "header", "valueString": "X-Key: canary"})
	if _, literals, err := c.References(t.Context(), parse(string(text)).Resources[0]); len(literals) != 1 || err != nil {
		t.Error("another literal is not seen:", err, literals)
	}
}

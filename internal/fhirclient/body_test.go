package fhirclient

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
)

func TestBodyPutsAMaskedReferenceAtEachField(t *testing.T) {
	for name, tt := range map[string]struct {
		resource config.Resource
		want     map[string]any
	}{
		"Client": {
			aClient(),
			map[string]any{
				"resourceType": "Client", "id": "basic", "_secret": masked("client-secret"),
				"grant_types": []any{"client_credentials", "basic"},
			},
		},
		"a body without anything": {
			config.Resource{Type: "Client", ID: "x", Secrets: map[string]string{"secret": "s"}},
			map[string]any{"resourceType": "Client", "id": "x", "_secret": masked("s")},
		},
		"a value is replaced, with null and what stood there for it": {
			config.Resource{
				Type: "IdentityProvider", ID: "x",
				Secrets: map[string]string{"client.secret": "s", "client.private-key": "k"},
				Body: map[string]any{"client": map[string]any{
					"secret": "literal", "_secret": map[string]any{"id": "old"}, "private-key": nil,
				}},
			},
			map[string]any{
				"resourceType": "IdentityProvider", "id": "x",
				"client": map[string]any{"_secret": masked("s"), "_private-key": masked("k")},
			},
		},
		"IdentityProvider": {
			config.Resource{
				Type: "IdentityProvider", ID: "idp",
				Secrets: map[string]string{"client.secret": "a", "client.private-key": "b", "client.certificate": "c"},
				Body:    map[string]any{"active": true, "client": map[string]any{"id": "app", "auth-method": "asymmetric"}},
			},
			map[string]any{
				"resourceType": "IdentityProvider", "id": "idp", "active": true,
				"client": map[string]any{
					"id": "app", "auth-method": "asymmetric",
					"_secret": masked("a"), "_private-key": masked("b"), "_certificate": masked("c"),
				},
			},
		},
		"IdentityProvider with a certificate for all to see": {
			config.Resource{
				Type: "IdentityProvider", ID: "idp", Secrets: map[string]string{"client.private-key": "b"},
				Body: map[string]any{"client": map[string]any{"certificate": "public"}},
			},
			map[string]any{
				"resourceType": "IdentityProvider", "id": "idp",
				"client": map[string]any{"certificate": "public", "_private-key": masked("b")},
			},
		},
		"TokenIntrospector": {
			config.Resource{
				Type: "TokenIntrospector", ID: "ti",
				Secrets: map[string]string{"jwt.secret": "a", "introspection_endpoint.authorization": "b"},
				Body:    map[string]any{"introspection_endpoint": map[string]any{"url": "https://idp"}},
			},
			map[string]any{
				"resourceType": "TokenIntrospector", "id": "ti",
				"jwt":                    map[string]any{"_secret": masked("a")},
				"introspection_endpoint": map[string]any{"url": "https://idp", "_authorization": masked("b")},
			},
		},
		"TokenIntrospector's first key by its short name": {
			config.Resource{Type: "TokenIntrospector", ID: "ti", Secrets: map[string]string{"jwt.keys.k": "a"}},
			map[string]any{
				"resourceType": "TokenIntrospector", "id": "ti",
				"jwt": map[string]any{"keys": []any{map[string]any{"_k": masked("a")}}},
			},
		},
		"TokenIntrospector's keys beside and after the body's": {
			config.Resource{
				Type: "TokenIntrospector", ID: "ti", Secrets: map[string]string{"jwt.keys[1].k": "b", "jwt.keys[2].k": "c"},
				Body: map[string]any{"jwt": map[string]any{"iss": "https://idp", "keys": []any{
					map[string]any{"pub": "PEM", "kty": "RSA"}, map[string]any{"kty": "OCT", "alg": "HS256"},
				}}},
			},
			map[string]any{
				"resourceType": "TokenIntrospector", "id": "ti",
				"jwt": map[string]any{"iss": "https://idp", "keys": []any{
					map[string]any{"pub": "PEM", "kty": "RSA"},
					map[string]any{"kty": "OCT", "alg": "HS256", "_k": masked("b")},
					map[string]any{"_k": masked("c")},
				}},
			},
		},
		"AidboxTopicDestination": {
			config.Resource{
				Type: "AidboxTopicDestination", ID: "kafka",
				Secrets: map[string]string{"parameter.saslJaasConfig": "jaas", "parameter.sslKeystoreKey": "key"},
				Body: map[string]any{"parameter": []any{
					map[string]any{"name": "kafkaTopic", "valueString": "t"},
					map[string]any{"name": "saslJaasConfig", "valueString": "literal"},
					map[string]any{"name": "batchSize", "valueUnsignedInt": 50},
				}},
			},
			map[string]any{
				"resourceType": "AidboxTopicDestination", "id": "kafka",
				"parameter": []any{
					map[string]any{"name": "kafkaTopic", "valueString": "t"},
					map[string]any{"name": "saslJaasConfig", "_valueString": masked("jaas")},
					map[string]any{"name": "batchSize", "valueUnsignedInt": 50.0},
					map[string]any{"name": "sslKeystoreKey", "_valueString": masked("key")},
				},
			},
		},
		"AidboxTopicDestination keeps its other headers": {
			config.Resource{
				Type: "AidboxTopicDestination", ID: "hook",
				Secrets: map[string]string{"parameter.header": "h", "parameter.serviceAccountKey": "sa"},
				Body: map[string]any{"parameter": []any{
					map[string]any{"name": "header", "valueString": "X-Tenant: a"},
					map[string]any{"name": "header"},
				}},
			},
			map[string]any{
				"resourceType": "AidboxTopicDestination", "id": "hook",
				"parameter": []any{
					map[string]any{"name": "header", "valueString": "X-Tenant: a"},
					map[string]any{"name": "header", "_valueString": masked("h")},
					map[string]any{"name": "serviceAccountKey", "_valueString": masked("sa")},
				},
			},
		},
		"AidboxTopicDestination with two secret headers beside plain ones": {
			config.Resource{
				Type: "AidboxTopicDestination", ID: "hook",
				Secrets: map[string]string{"parameter.header": "a", "parameter.header[1]": "b"},
				Body: map[string]any{"parameter": []any{
					map[string]any{"name": "header", "valueString": "User-Agent: fhir-server"},
					map[string]any{"name": "endpoint", "valueUrl": "https://hook"},
					map[string]any{"name": "header", "valueString": "X-Tenant: a"},
				}},
			},
			map[string]any{
				"resourceType": "AidboxTopicDestination", "id": "hook",
				"parameter": []any{
					map[string]any{"name": "header", "valueString": "User-Agent: fhir-server"},
					map[string]any{"name": "endpoint", "valueUrl": "https://hook"},
					map[string]any{"name": "header", "valueString": "X-Tenant: a"},
					map[string]any{"name": "header", "_valueString": masked("a")},
					map[string]any{"name": "header", "_valueString": masked("b")},
				},
			},
		},
		"AidboxTopicDestination with parameters by any name": {
			config.Resource{
				Type: "AidboxTopicDestination", ID: "lake",
				Secrets: map[string]string{"parameter.awsAccessKeyId": "a", "parameter.databricksClientSecret": "b"},
			},
			map[string]any{
				"resourceType": "AidboxTopicDestination", "id": "lake",
				"parameter": []any{
					map[string]any{"name": "awsAccessKeyId", "_valueString": masked("a")},
					map[string]any{"name": "databricksClientSecret", "_valueString": masked("b")},
				},
			},
		},
		"AidboxTopicDestination with the line for Amazon's MSK, which has no secret": {
			config.Resource{
				Type: "AidboxTopicDestination", ID: "msk",
				Body: map[string]any{"parameter": []any{
					map[string]any{"name": "saslMechanism", "valueString": "AWS_MSK_IAM"},
					map[string]any{"name": "saslJaasConfig", "valueString": "software.amazon.msk.auth.iam.IAMLoginModule required;"},
				}},
			},
			map[string]any{
				"resourceType": "AidboxTopicDestination", "id": "msk",
				"parameter": []any{
					map[string]any{"name": "saslMechanism", "valueString": "AWS_MSK_IAM"},
					map[string]any{"name": "saslJaasConfig", "valueString": "software.amazon.msk.auth.iam.IAMLoginModule required;"},
				},
			},
		},
		"another type, without secrets": {
			config.Resource{Type: "Patient", ID: "p", Body: map[string]any{"id": "ours wins", "secret": "is no secret here"}},
			map[string]any{"resourceType": "Patient", "id": "p", "secret": "is no secret here"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Body(tt.resource)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBodyLeavesTheConfigAlone(t *testing.T) {
	r := config.Resource{
		Type: "IdentityProvider", ID: "x", Secrets: map[string]string{"client.secret": "s"},
		Body: map[string]any{"client": map[string]any{"id": "app", "secret": "literal"}},
	}
	body, err := Body(r)
	if err != nil {
		t.Fatal(err)
	}
	body["client"].(map[string]any)["id"] = "changed"
	want := map[string]any{"client": map[string]any{"id": "app", "secret": "literal"}}
	if diff := cmp.Diff(want, r.Body); diff != "" {
		t.Error(diff)
	}
}

func TestJSONIsReadableAndAlwaysTheSame(t *testing.T) {
	r := aClient()
	r.Body["note"] = "a<b>&c"
	want := `{
  "_secret": {
    "extension": [
      {
        "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
        "valueCode": "masked"
      },
      {
        "url": "http://health-samurai.io/fhir/secret-reference",
        "valueString": "client-secret"
      }
    ]
  },
  "grant_types": [
    "client_credentials",
    "basic"
  ],
  "id": "basic",
  "note": "a<b>&c",
  "resourceType": "Client"
}
`
	for range 20 {
		body, err := Body(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := encode(body, "  ")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Fatal(diff)
		}
	}
	if _, err := Body(config.Resource{Type: "Client", ID: "x", Secrets: map[string]string{"y": "z"}}); err == nil {
		t.Error("an unknown path gave a body")
	}
}

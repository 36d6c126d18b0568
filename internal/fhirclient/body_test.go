package fhirclient

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
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

func TestBodyRefusesWhatItCannotMask(t *testing.T) {
	in := func(resourceType, path string, body map[string]any) config.Resource {
		if !regexp.MustCompile("^[A-Za-z]+$").MatchString(resourceType) {
			t.Skip("the config has no such type")
		}
		r := config.Resource{Type: resourceType, ID: "x", Body: body, Secrets: map[string]string{}}
		if path != "" {
			r.Secrets[path] = "s"
		}
		return r
	}
	text := map[string]any{"client": "text", "jwt": "text", "parameter": "text"}
	for name, tt := range map[string]struct {
		resource   config.Resource
		want, hint string
	}{
		"unknown field":      {in("Client", "token", nil), `Client takes no secret at "token"`, "available: secret"},
		"unknown type":       {in("Patient", "secret", nil), `Patient takes no secret at "secret"`, ""},
		"another type's":     {in("Client", "client.secret", nil), `Client takes no secret at "client.secret"`, "available: secret"},
		"unknown parameter":  {in("AidboxTopicDestination", "parameter.ot her", nil), `AidboxTopicDestination takes no secret at "parameter.ot her"`, "available: parameter.saslJaasConfig, parameter.sslKeystoreKey, parameter.header, parameter.serviceAccountKey, parameter.awsAccessKeyId, parameter.awsSecretAccessKey"},
		"no path":            {config.Resource{Type: "Client", ID: "x", Secrets: map[string]string{"": "s"}}, `Client takes no secret at ""`, "available: secret"},
		"no object":          {in("IdentityProvider", "client.secret", text), "client in the body is no object", ""},
		"no jwt object":      {in("TokenIntrospector", "jwt.keys.k", text), "jwt in the body is no object", ""},
		"no array of keys":   {in("TokenIntrospector", "jwt.keys.k", map[string]any{"jwt": map[string]any{"keys": "text"}}), "keys in the body is no array", ""},
		"key is no object":   {in("TokenIntrospector", "jwt.keys.k", map[string]any{"jwt": map[string]any{"keys": []any{"text"}}}), "jwt.keys[0] is no object", ""},
		"key beyond the end": {in("TokenIntrospector", "jwt.keys[1].k", nil), "jwt.keys[1]: the body has 0 keys", ""},
		"negative key":       {in("TokenIntrospector", "jwt.keys[-1].k", nil), `TokenIntrospector takes no secret at "jwt.keys[-1].k"`, "available: jwt.secret, jwt.keys.k, introspection_endpoint.authorization"},
		"no number": {
			in("TokenIntrospector", "jwt.keys[01].k", nil), `TokenIntrospector takes no secret at "jwt.keys[01].k"`,
			"available: jwt.secret, jwt.keys.k, introspection_endpoint.authorization",
		},
		"one key by two names": {
			config.Resource{Type: "TokenIntrospector", ID: "x", Secrets: map[string]string{"jwt.keys.k": "a", "jwt.keys[0].k": "b"}},
			"jwt.keys[0].k is there under another name", "",
		},
		"a header alone that is the second": {in("AidboxTopicDestination", "parameter.header[1]", nil), "parameter.header[1]: the one before it is missing", ""},
		"a number at what is there once":    {in("AidboxTopicDestination", "parameter.sslKeystoreKey[1]", nil), `AidboxTopicDestination takes no secret at "parameter.sslKeystoreKey[1]"`, "available: parameter.saslJaasConfig, parameter.sslKeystoreKey, parameter.header, parameter.serviceAccountKey, parameter.awsAccessKeyId, parameter.awsSecretAccessKey"},
		"parameter is no array":             {in("AidboxTopicDestination", "parameter.header", text), "parameter in the body is no array", ""},
		"no JSON":                           {in("Client", "secret", map[string]any{"f": func() {}}), "body: is no JSON", ""},
		"a value elsewhere": {
			in("IdentityProvider", "client.secret", map[string]any{"client": map[string]any{"private-key": "canary"}}),
			"the body has a literal value at client.private-key",
			"remove it from the config, and name a secret for client.private-key under secrets",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Body(tt.resource)
			wantError(t, err, "aidbox: "+tt.resource.Ref()+": "+tt.want)
			if got := hint.Of(err); got != tt.hint {
				t.Errorf("hint %q, want %q", got, tt.hint)
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
		got, err := JSON(r)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Fatal(diff)
		}
	}
	if _, err := JSON(config.Resource{Type: "Client", ID: "x", Secrets: map[string]string{"y": "z"}}); err == nil {
		t.Error("an unknown path gave JSON")
	}
}

func TestAccessPolicyAllowsTheClient(t *testing.T) {
	got, err := json.Marshal(AccessPolicy("p", aClient()))
	want := `{"engine":"allow","id":"p","link":[{"reference":"Client/basic"}],"resourceType":"AccessPolicy"}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

func TestAccessPolicyHasTheBodyOfTheConfig(t *testing.T) {
	for name, tt := range map[string]struct {
		body map[string]any
		want string
	}{
		"linked to the Client":  {map[string]any{"engine": "matcho", "matcho": map[string]any{"uri": "/fhir/Patient"}}, `{"engine":"matcho","id":"p","link":[{"reference":"Client/basic"}],"matcho":{"uri":"/fhir/Patient"},"resourceType":"AccessPolicy"}`},
		"with links of its own": {map[string]any{"engine": "allow", "link": []any{}}, `{"engine":"allow","id":"p","link":[],"resourceType":"AccessPolicy"}`},
	} {
		r := aClient()
		r.AccessPolicy = tt.body
		got, err := json.Marshal(AccessPolicy("p", r))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		if _, added := tt.body["id"]; added {
			t.Errorf("%s: the config was changed", name)
		}
	}
}

// Whatever the path and the body: no panic, and either an error, or a body in
// which the reference is found again and no value is.
func FuzzBody(f *testing.F) {
	for _, resourceType := range []string{"Client", "IdentityProvider", "TokenIntrospector", "AidboxTopicDestination"} {
		for _, field := range (config.Resource{Type: resourceType}).SecretFields() {
			f.Add(resourceType, field.Path, `{}`)
		}
	}
	f.Add("TokenIntrospector", "jwt.keys[1].k", `{"jwt":{"keys":[{"k":"x"},null,3]}}`)
	f.Add("TokenIntrospector", "jwt.keys[99999999999999999999].k", `{"jwt":[]}`)
	f.Add("AidboxTopicDestination", "parameter.header", `{"parameter":[{"name":"header","valueCode":"x","_valueCode":{}},null]}`)
	f.Add("IdentityProvider", "client.secret", `{"client":{"secret":{"a":1}},"x":null}`)
	f.Fuzz(func(t *testing.T, resourceType, path, text string) {
		if !regexp.MustCompile("^[A-Za-z]+$").MatchString(resourceType) {
			t.Skip("the config has no such type")
		}
		r := config.Resource{Type: resourceType, ID: "x", Secrets: map[string]string{path: "s"}}
		_ = json.Unmarshal([]byte(text), &r.Body)
		body, err := Body(r)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		if got := referencePaths(r, body); !reflect.DeepEqual(got, r.Secrets) {
			t.Errorf("references are %v", got)
		}
		visit(r, body, func(path string, field config.SecretField, p place) {
			if len(p.literals()) > 0 && !r.MayHold(field) {
				t.Errorf("a value is left at %s", path)
			}
		})
		again, err := Body(r)
		if err != nil || !reflect.DeepEqual(body, again) {
			t.Errorf("a second time: %v, %v", again, err)
		}
	})
}

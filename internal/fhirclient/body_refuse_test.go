package fhirclient

import (
	"regexp"
	"testing"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
)

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

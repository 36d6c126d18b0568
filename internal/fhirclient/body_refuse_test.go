package fhirclient

import (
	"regexp"
	"testing"

	"github.com/secretctl/secretctl/internal/config"
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
		resource config.Resource
		want     string
	}{
		"unknown field":      {in("Client", "token", nil), `Client takes no secret at "token"`},
		"unknown type":       {in("Patient", "secret", nil), `Patient takes no secret at "secret"`},
		"no path":            {config.Resource{Type: "Client", ID: "x", Secrets: map[string]string{"": "s"}}, `Client takes no secret at ""`},
		"no object":          {in("IdentityProvider", "client.secret", text), "client in the body must be an object"},
		"no jwt object":      {in("TokenIntrospector", "jwt.keys.k", text), "jwt in the body must be an object"},
		"no array of keys":   {in("TokenIntrospector", "jwt.keys.k", map[string]any{"jwt": map[string]any{"keys": "text"}}), "keys in the body must be an array"},
		"key is no object":   {in("TokenIntrospector", "jwt.keys.k", map[string]any{"jwt": map[string]any{"keys": []any{"text"}}}), "jwt.keys[0] must be an object"},
		"key beyond the end": {in("TokenIntrospector", "jwt.keys[1].k", nil), "jwt.keys[1]: the body has 0 keys"},
		"negative key":       {in("TokenIntrospector", "jwt.keys[-1].k", nil), `TokenIntrospector takes no secret at "jwt.keys[-1].k"`},
		"number of one field": {
			in("AidboxTopicDestination", "parameter.sslKeystoreKey[1]", nil), `AidboxTopicDestination takes no secret at "parameter.sslKeystoreKey[1]"`,
		},
		"parameter is no array": {in("AidboxTopicDestination", "parameter.header", text), "parameter in the body must be an array"},
		"a value elsewhere": {
			in("IdentityProvider", "client.secret", map[string]any{"client": map[string]any{"private-key": "canary"}}),
			"the body has a literal value at client.private-key",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Body(tt.resource)
			wantError(t, err, "aidbox: "+tt.resource.Ref()+": "+tt.want)
		})
	}
}

package fhirclient

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/config"
)

// Any path and body give an error, or a body with the reference and without a value.
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

package fhirclient

import (
	"encoding/json"
	"testing"
)

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

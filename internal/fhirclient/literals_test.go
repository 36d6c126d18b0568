package fhirclient

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
)

func TestApplyRefusesWhatComesBackUnmasked(t *testing.T) {
	put := func(key string, v any) func(map[string]any) {
		return func(res map[string]any) { res[key] = v }
	}
	extensions := func(list ...any) func(map[string]any) {
		return put("_secret", map[string]any{"extension": list})
	}
	reason := map[string]any{"url": absentReasonURL, "valueCode": "masked"}
	reference := map[string]any{"url": secretReferenceURL, "valueString": "client-secret"}
	unmasked := `aidbox: Client/basic: secret came back without the reference to its secret "client-secret"`
	for name, tt := range map[string]struct {
		stored func(map[string]any)
		want   string
		is     error
	}{
		"a literal beside it":     {put("secret", "canary"), "aidbox: Client/basic: secret came back with a literal value", ErrLiteral},
		"a literal of other type": {put("secret", []any{"canary"}), "aidbox: Client/basic: secret came back with a literal value", ErrLiteral},
		"nothing":                 {func(res map[string]any) { delete(res, "_secret") }, unmasked, ErrReference},
		"another secret":          {put("_secret", masked("other")), unmasked, ErrReference},
		"no reason":               {extensions(reference), unmasked, ErrReference},
		"another reason":          {extensions(map[string]any{"url": absentReasonURL, "valueCode": "unknown"}, reference), unmasked, ErrReference},
		"no name":                 {extensions(reason), unmasked, ErrReference},
		"two names":               {extensions(reason, map[string]any{"url": secretReferenceURL, "valueString": "x"}, reference), unmasked, ErrReference},
		"no extension":            {put("_secret", "canary"), unmasked, ErrReference},
		"extensions of no kind":   {extensions("canary", nil, 7), unmasked, ErrReference},
	} {
		t.Run(name, func(t *testing.T) {
			server, c := newAidbox(t)
			server.stored = tt.stored
			change, err := c.Apply(t.Context(), aClient())
			wantError(t, err, tt.want)
			if !errors.Is(err, tt.is) || change != (Change{}) {
				t.Errorf("change %v, error %#v", change, err)
			}
		})
	}
}

func TestApplyRefusesLiteralsInNestedFields(t *testing.T) {
	for path, stored := range map[string]func(res map[string]any){
		"client.private-key": func(res map[string]any) { res["client"].(map[string]any)["private-key"] = "canary" },
		"jwt.keys[1].k": func(res map[string]any) {
			res["jwt"].(map[string]any)["keys"].([]any)[1].(map[string]any)["k"] = "canary"
		},
		"jwt.keys.k": func(res map[string]any) {
			res["jwt"].(map[string]any)["keys"].([]any)[0].(map[string]any)["k"] = "canary"
		},
		"parameter.sslKeystoreKey": func(res map[string]any) {
			list := res["parameter"].([]any)
			res["parameter"] = append(list, map[string]any{"name": "sslKeystoreKey", "valueCode": "canary"})
		},
	} {
		t.Run(path, func(t *testing.T) {
			for _, r := range allTypes() {
				if _, has := r.Secrets[path]; !has {
					continue
				}
				server, c := newAidbox(t)
				server.stored = stored
				_, err := c.Apply(t.Context(), r)
				wantError(t, err, "aidbox: "+r.Ref()+": "+path+" came back with a literal value")
				_, literals, err := c.References(t.Context(), r)
				if diff := cmp.Diff([]string{path}, literals); diff != "" || err != nil {
					t.Error(err, diff)
				}
			}
		})
	}
}

// A literal in a field that the config does not name is reported with its own path.
func TestReferencesSeesLiteralsThatTheConfigDoesNotName(t *testing.T) {
	server, c := newAidbox(t)
	server.resources["TokenIntrospector/ti"] = map[string]any{
		"resourceType": "TokenIntrospector", "id": "ti",
		"jwt": map[string]any{"secret": "canary", "keys": []any{map[string]any{"k": "canary"}, "text", map[string]any{"_k": masked("b")}}},
	}
	r := config.Resource{
		Type: "TokenIntrospector", ID: "ti", Secrets: map[string]string{"introspection_endpoint.authorization": "a"},
	}
	refs, literals, err := c.References(t.Context(), r)
	if diff := cmp.Diff([]string{"jwt.secret", "jwt.keys[0].k"}, literals); diff != "" || len(refs) != 0 || err != nil {
		t.Error(err, refs, diff)
	}
}

func TestGetWithholdsLiterals(t *testing.T) {
	server, c := newAidbox(t)
	server.resources["IdentityProvider/idp"] = map[string]any{
		"resourceType": "IdentityProvider", "id": "idp", "title": "<IdP>",
		"client": map[string]any{"id": "app", "secret": "canary", "private-key": map[string]any{"x": "canary"}, "_certificate": masked("c")},
	}
	body, literals, err := c.Get(t.Context(), config.Resource{Type: "IdentityProvider", ID: "idp"})
	if diff := cmp.Diff([]string{"client.secret", "client.private-key"}, literals); diff != "" || err != nil {
		t.Fatal(err, diff)
	}
	noCanary(t, string(body))
	for _, want := range []string{`"secret": "[literal value withheld]"`, `"title": "<IdP>"`, `"valueString": "c"`, "{\n  \"client\""} {
		if !strings.Contains(string(body), want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}

	server.resources["AidboxTopicDestination/d"] = map[string]any{
		"resourceType": "AidboxTopicDestination", "id": "d",
		"parameter": []any{map[string]any{"name": "header", "valueString": "canary"}, map[string]any{"name": "header", "valueCode": "canary"}},
	}
	body, literals, err = c.Get(t.Context(), config.Resource{Type: "AidboxTopicDestination", ID: "d"})
	if diff := cmp.Diff([]string{"parameter.header"}, literals); diff != "" || err != nil {
		t.Fatal(err, diff)
	}
	noCanary(t, string(body))
}

func TestALiteralBesideAPlainHeaderIsFound(t *testing.T) {
	server, c := newAidbox(t)
	r := config.Resource{
		Type: "AidboxTopicDestination", ID: "hook",
		Secrets: map[string]string{"parameter.header": "a", "parameter.header[1]": "b"},
		Body:    map[string]any{"parameter": []any{map[string]any{"name": "header", "valueString": "User-Agent: a"}}},
	}
	if _, err := c.Apply(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	refs, literals, err := c.References(t.Context(), r)
	if diff := cmp.Diff(r.Secrets, refs); diff != "" || len(literals) > 0 || err != nil {
		t.Fatal(literals, err, diff)
	}
	parameters := server.resources[r.Ref()]["parameter"].([]any)
	parameters[1] = map[string]any{"name": "header", "valueString": "Authorization: canary"}
	_, literals, err = c.References(t.Context(), r)
	if diff := cmp.Diff([]string{"parameter.header"}, literals); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestGetHidesWhatAKeySaysIsSecret(t *testing.T) {
	server, c := newAidbox(t)
	server.resources["Client/basic"] = map[string]any{
		"resourceType": "Client", "id": "basic", "token_format": "jwt", "description": "is shown",
		"details":   map[string]any{"client_secret": "hunter2", "list": []any{map[string]any{"Password": "hunter2", "apiKey": "hunter2", "access_token": "hunter2"}}},
		"pin_token": 5550123, "tokens": []any{"is shown"}, "old_password": []any{"hunter2", 5550123}, "refresh_token": true,
	}
	body, literals, err := c.Get(t.Context(), aClient())
	if got := string(body); err != nil || len(literals) > 0 || strings.Contains(got, "hunter2") || strings.Contains(got, "5550123") || strings.Count(got, withheld) != 6 || !strings.Contains(got, `"refresh_token": true`) || !strings.Contains(got, "is shown") || !strings.Contains(got, `"jwt"`) {
		t.Errorf("%s, %v, %v", body, literals, err)
	}
}

func TestGetHidesSecretParametersAndPasswordsInAddresses(t *testing.T) {
	server, c := newAidbox(t)
	server.resources["AidboxTopicDestination/d"] = map[string]any{
		"resourceType": "AidboxTopicDestination", "id": "d", "topic": "http://example.org/topic", "redirects": []any{"https://hook:hunter2@example.org/back"},
		"parameter": []any{
			map[string]any{"name": "databricksClientSecret", "valueString": "hunter2"},
			map[string]any{"name": "endpoint", "valueUrl": "https://hook:hunter2@example.org/in"},
			map[string]any{"name": "documentation", "valueUrl": "https://example.org/@a:b"},
			map[string]any{"name": "note", "valueString": "write to ops:team@example.org"},
		},
	}
	body, literals, err := c.Get(t.Context(), config.Resource{Type: "AidboxTopicDestination", ID: "d"})
	got := string(body)
	if err != nil || len(literals) > 0 || strings.Contains(got, "hunter2") || strings.Count(got, withheld) != 3 {
		t.Errorf("%s, %v, %v", body, literals, err)
	}
	for _, want := range []string{"databricksClientSecret", "http://example.org/topic", "https://example.org/@a:b", "ops:team@example.org"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not shown in\n%s", want, body)
		}
	}
}

func TestGetWithholdsAResourceThatASecretIsSpreadOver(t *testing.T) {
	server, c := newAidbox(t)
	server.resources["Client/basic"] = map[string]any{"resourceType": "Client", "id": "basic", "a": adminSecret[:7], "b": map[string]any{"c": adminSecret[7:13]}, "d": []any{adminSecret[13:]}}
	body, literals, err := c.Get(t.Context(), aClient())
	if diff := cmp.Diff([]string{"(spread over several fields)"}, literals); diff != "" || err != nil || string(body) != "\"(message withheld: it repeats a secret value)\"\n" {
		t.Errorf("%s, %v, %s", body, err, diff)
	}
}

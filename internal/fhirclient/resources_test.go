package fhirclient

import (
	"errors"
	"io/fs"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
)

// allTypes has a resource of each type, with fields at every depth.
func allTypes() []config.Resource {
	return []config.Resource{
		aClient(),
		{
			Type: "IdentityProvider", ID: "idp",
			Secrets: map[string]string{"client.secret": "a", "client.private-key": "b", "client.certificate": "c"},
			Body:    map[string]any{"title": "IdP", "client": map[string]any{"id": "app"}},
		},
		{
			Type: "TokenIntrospector", ID: "ti",
			Secrets: map[string]string{"jwt.keys.k": "a", "jwt.keys[1].k": "b", "jwt.secret": "c", "introspection_endpoint.authorization": "d"},
			Body:    map[string]any{"type": "jwt", "cache_ttl": 300},
		},
		{
			Type: "AidboxTopicDestination", ID: "kafka",
			Secrets: map[string]string{
				"parameter.saslJaasConfig": "a", "parameter.sslKeystoreKey": "b", "parameter.header": "c", "parameter.serviceAccountKey": "d",
			},
			Body: map[string]any{"parameter": []any{
				map[string]any{"name": "batchSize", "valueUnsignedInt": 50},
				map[string]any{"name": "header", "valueString": "X-Tenant: a"},
				map[string]any{"name": "header"},
			}},
		},
	}
}

func TestApplyCreatesAndLeavesEqualResourceAlone(t *testing.T) {
	for _, r := range allTypes() {
		t.Run(r.Type, func(t *testing.T) {
			server, c := newAidbox(t)
			for _, want := range []string{Created, Unchanged, Unchanged} {
				change, err := c.Apply(t.Context(), r)
				if diff := cmp.Diff(Change{r.Ref(), want}, change); diff != "" || err != nil {
					t.Fatal(err, diff)
				}
			}
			if server.count["PUT"] != 1 {
				t.Errorf("%d PUTs", server.count["PUT"])
			}
			refs, literals, err := c.References(t.Context(), r)
			if diff := cmp.Diff(r.Secrets, refs); diff != "" || len(literals) != 0 || err != nil {
				t.Error(err, literals, diff)
			}
		})
	}
}

func TestApplyUpdatesWhatDiffers(t *testing.T) {
	server, c := newAidbox(t)
	r := aClient()
	if _, err := c.Apply(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(){
		"a literal":        func() { server.resources["Client/basic"]["secret"] = "canary" },
		"another secret":   func() { server.resources["Client/basic"]["_secret"] = masked("other") },
		"a field too many": func() { server.resources["Client/basic"]["active"] = false },
		"a field of ours":  func() { delete(server.resources["Client/basic"], "grant_types") },
	} {
		change()
		got, err := c.Apply(t.Context(), r)
		if err != nil || got.Action != Updated {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if got, err := c.Apply(t.Context(), r); err != nil || got.Action != Unchanged {
			t.Errorf("%s, again: %v, %v", name, got, err)
		}
	}
}

func TestReferencesNamesTheSecretThatIsThere(t *testing.T) {
	server, c := newAidbox(t)
	server.resources["Client/basic"] = map[string]any{"resourceType": "Client", "id": "basic", "_secret": masked("other")}
	refs, literals, err := c.References(t.Context(), aClient())
	if diff := cmp.Diff(map[string]string{"secret": "other"}, refs); diff != "" || len(literals) != 0 || err != nil {
		t.Error(err, literals, diff)
	}
}

func TestAbsentResourceIsErrNotExist(t *testing.T) {
	for status, body := range map[int]string{
		404: `{"resourceType":"OperationOutcome","issue":[]}`,
		410: `{"resourceType":"OperationOutcome"}`,
	} {
		c := newClient(t, answering(status, "application/json", body))
		_, _, err := c.Get(t.Context(), aClient())
		_, _, err2 := c.References(t.Context(), aClient())
		for _, err := range []error{err, err2} {
			if wantError(t, err, "aidbox: Client/basic does not exist"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%d: %#v", status, err)
			}
		}
	}
}

// A 404 that Aidbox did not send does not mean that the resource is absent.
func TestNotFoundByAnotherServerIsAnError(t *testing.T) {
	for body, want := range map[string]string{
		"<html>nginx</html>": "answered HTML, not FHIR JSON",
		"404 page not found": "answered something that is not a JSON object",
		"":                   "not found",
		`{"message":"no"}`:   "no",
	} {
		c := newClient(t, answering(404, "text/plain", body))
		_, _, err := c.Get(t.Context(), aClient())
		wantError(t, err, "aidbox: GET /fhir/Client/basic: 404: "+want)
		if errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q counts as absent", body)
		}
		if change, err := c.Delete(t.Context(), "Client", "basic"); err == nil {
			t.Errorf("%q: deleted: %v", body, change)
		}
	}
}

func TestDeleteOfNothingIsNoError(t *testing.T) {
	server, c := newAidbox(t)
	server.resources["Client/basic"] = map[string]any{"resourceType": "Client", "id": "basic", "meta": tags(ownerSystem, "prod/records")}
	for _, want := range []string{Deleted, Absent} {
		got, err := c.Delete(t.Context(), "Client", "basic")
		if diff := cmp.Diff(Change{"Client/basic", want}, got); diff != "" || err != nil {
			t.Error(err, diff)
		}
	}
	if server.count["DELETE"] != 1 {
		t.Errorf("%d DELETEs", server.count["DELETE"])
	}
}

func TestDeleteSaysWhatTheServerSaid(t *testing.T) {
	for status, want := range map[int]string{204: Deleted, 410: Absent, 403: ""} {
		server, c := newAidbox(t)
		server.resources["Client/basic"] = map[string]any{"resourceType": "Client", "id": "basic", "meta": tags(ownerSystem, "prod/records")}
		server.wrote = func(w http.ResponseWriter) bool { w.WriteHeader(status); return true }
		got, err := c.Delete(t.Context(), "Client", "basic")
		if got.Action != want || (err != nil) != (want == "") {
			t.Errorf("%d: %v, %v", status, got, err)
		}
	}
}

// An empty id would delete, or overwrite, something else.
func TestIncompleteReferenceIsNeverRequested(t *testing.T) {
	server, c := newAidbox(t)
	for _, ref := range [][2]string{{"Client", ""}, {"", "x"}, {"Client", "."}, {"Client", ".."}} {
		if _, err := c.Delete(t.Context(), ref[0], ref[1]); err == nil {
			t.Errorf("%q was deleted", ref)
		}
		if _, err := c.Apply(t.Context(), config.Resource{Type: ref[0], ID: ref[1]}); err == nil {
			t.Errorf("%q was applied", ref)
		}
	}
	if len(server.count) != 0 {
		t.Errorf("requests: %v", server.count)
	}
}

func TestApplyPolicyLeavesEqualPolicyAlone(t *testing.T) {
	server, c := newAidbox(t)
	// As Aidbox's FHIR API returns it.
	server.stored = func(res map[string]any) { res["link"] = []any{map[string]any{"reference": "Client/basic"}} }
	for _, want := range []string{Created, Unchanged} {
		got, err := c.ApplyPolicy(t.Context(), "secretctl-basic", aClient())
		if diff := cmp.Diff(Change{"AccessPolicy/secretctl-basic", want}, got); diff != "" || err != nil {
			t.Error(err, diff)
		}
	}
	server.resources["AccessPolicy/secretctl-basic"]["link"] = []any{map[string]any{"reference": "Client/other"}}
	if got, err := c.ApplyPolicy(t.Context(), "secretctl-basic", aClient()); err != nil || got.Action != Updated {
		t.Error(got, err)
	}
}

func TestApplySendsNothingForABadConfig(t *testing.T) {
	server, c := newAidbox(t)
	r := aClient()
	r.Secrets["token"] = "x"
	if _, err := c.Apply(t.Context(), r); err == nil {
		t.Error("was applied")
	}
	if _, _, err := c.References(t.Context(), r); err == nil {
		t.Error("has references")
	}
	if len(server.count) != 0 {
		t.Errorf("requests: %v", server.count)
	}
}

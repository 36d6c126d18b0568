package fhirclient

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
)

// tags returns the meta of a resource with tags of a system and a code each.
func tags(of ...string) map[string]any {
	var list []any
	for i := 0; i < len(of); i += 2 {
		list = append(list, map[string]any{"system": of[i], "code": of[i+1]})
	}
	return map[string]any{"tag": list}
}

func TestOnlyAdoptChangesAResourceOfAnotherOwner(t *testing.T) {
	for name, tt := range map[string]struct {
		meta map[string]any
		why  string
	}{
		"made by hand":      {nil, "something other than secretctl made it"},
		"tagged by another": {tags("https://example.com/team", "intake"), "something other than secretctl made it"},
		"another delivery":  {tags(ownerSystem, "dev/records"), `it belongs to delivery "dev/records"`},
	} {
		t.Run(name, func(t *testing.T) {
			server, c := newAidbox(t)
			policy := map[string]any{"resourceType": "AccessPolicy", "id": "p", "engine": "sql", "meta": tt.meta}
			client := map[string]any{"resourceType": "Client", "id": "basic", "secret": "c4nary", "meta": tt.meta}
			server.resources["AccessPolicy/p"], server.resources["Client/basic"] = policy, client
			_, applied := c.Apply(t.Context(), aClient())
			_, deleted := c.Delete(t.Context(), "Client", "basic")
			_, allowed := c.ApplyPolicy(t.Context(), "p", aClient())
			for err, ref := range map[error]string{applied: "Client/basic", deleted: "Client/basic", allowed: "AccessPolicy/p"} {
				wantError(t, err, "aidbox: "+ref+": "+tt.why+"; not changed")
				if hint.Of(err) != "give it another id in the config, or take it over with --adopt" {
					t.Errorf("hint %q", hint.Of(err))
				}
			}
			if server.count["PUT"]+server.count["DELETE"] > 0 {
				t.Error("it wrote")
			}
			if got, err := c.Compare(t.Context(), aClient()); err != nil || got.OtherOwner == nil {
				t.Errorf("%+v, %v", got, err)
			}
			c.Adopt = true
			for _, want := range []string{Updated, Unchanged} {
				if got, err := c.Apply(t.Context(), aClient()); err != nil || got.Action != want {
					t.Errorf("%v, %v, want %s", got, err, want)
				}
			}
			c.Adopt = false
			if got, err := c.Compare(t.Context(), aClient()); err != nil || got.OtherOwner != nil {
				t.Errorf("adopted: %+v, %v", got, err)
			}
			if got, err := c.Delete(t.Context(), "Client", "basic"); err != nil || got.Action != Deleted {
				t.Errorf("adopted: %v, %v", got, err)
			}
		})
	}
}

// An equal resource needs no permission, and --adopt tags it.
func TestAnEqualResourceOfAnyOwnerIsLeftAlone(t *testing.T) {
	server, c := newAidbox(t)
	if _, err := c.Apply(t.Context(), aClient()); err != nil {
		t.Fatal(err)
	}
	server.resources["Client/basic"]["meta"] = tags("https://example.com/team", "intake")
	for _, want := range []string{Unchanged, Updated, Unchanged} {
		got, err := c.Apply(t.Context(), aClient())
		if err != nil || got.Action != want {
			t.Errorf("%v, %v, want %s", got, err, want)
		}
		c.Adopt = true
	}
	want := tags("https://example.com/team", "intake", ownerSystem, "prod/records")["tag"]
	if diff := cmp.Diff(want, server.resources["Client/basic"]["meta"].(map[string]any)["tag"]); diff != "" {
		t.Error(diff)
	}
}

// An AidboxTopicDestination needs a profile, and others may label what they search by.
func TestProfilesOfTheConfigAreAppliedAndOthersAreKept(t *testing.T) {
	server, c := newAidbox(t)
	r := aClient()
	profile := func(of string) map[string]any { return map[string]any{"profile": []any{"http://example.com/" + of}} }
	r.Body["meta"] = profile("best-effort")
	for _, want := range []string{Created, Unchanged, Updated, Unchanged} {
		if want == Updated {
			r.Body["meta"] = profile("at-least-once")
			if got, err := c.Compare(t.Context(), r); err != nil || len(got.Paths) != 1 || got.Paths[0] != "meta.profile[0]" {
				t.Errorf("%+v, %v", got, err)
			}
		}
		if got, err := c.Apply(t.Context(), r); err != nil || got.Action != want {
			t.Errorf("%v, %v, want %s", got, err, want)
		}
	}
	meta := server.resources["Client/basic"]["meta"].(map[string]any)
	meta["security"] = []any{map[string]any{"code": "R"}}
	delete(r.Body, "meta")
	r.Body["grant_types"] = []any{"basic"}
	for _, want := range []string{Updated, Unchanged} {
		if got, err := c.Apply(t.Context(), r); err != nil || got.Action != want {
			t.Errorf("%v, %v, want %s", got, err, want)
		}
	}
	now := server.resources["Client/basic"]["meta"].(map[string]any)
	if diff := cmp.Diff([]any{meta["profile"], meta["security"]}, []any{now["profile"], now["security"]}); diff != "" {
		t.Error(diff)
	}
}

func TestTagsOfTheConfigAreKept(t *testing.T) {
	r := aClient()
	r.AccessPolicy = config.AccessAllow
	r.Body["meta"] = tags("https://example.com/team", "records", ownerSystem, "somebody/else")
	bodies, err := Bodies(&config.Delivery{Name: "records", Namespace: "prod"}, r)
	if err != nil || len(bodies) != 2 {
		t.Fatal(bodies, err)
	}
	if diff := cmp.Diff(tags("https://example.com/team", "records", ownerSystem, "prod/records"), bodies[0]["meta"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(tags(ownerSystem, "prod/records"), bodies[1]["meta"]); diff != "" {
		t.Error(diff)
	}
}

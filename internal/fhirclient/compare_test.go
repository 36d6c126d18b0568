package fhirclient

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompareNamesWhatApplyWouldChange(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(have map[string]any)
		want []string
	}{
		{"equal", func(map[string]any) {}, nil},
		{"meta", func(have map[string]any) { have["meta"].(map[string]any)["versionId"] = "9" }, nil},
		{"literal", func(have map[string]any) { have["secret"] = "canary-of-the-client:ß" }, []string{"secret"}},
		{"literal alone", func(have map[string]any) {
			delete(have, "_secret")
			have["secret"] = "canary-of-the-client:ß"
		}, []string{"_secret.extension[0].url", "_secret.extension[0].valueCode", "_secret.extension[1].url", "_secret.extension[1].valueString", "secret"}},
		{"other reference", func(have map[string]any) { have["_secret"] = masked("other") }, []string{"_secret.extension[1].valueString"}},
		{"other field", func(have map[string]any) { have["grant_types"] = []any{"basic"} }, []string{"grant_types[0]", "grant_types[1]"}},
		{"more", func(have map[string]any) { have["auth"] = map[string]any{"x": map[string]any{"y": 1}} }, []string{"auth.x.y"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server, c := newAidbox(t)
			if _, err := c.Apply(t.Context(), aClient()); err != nil {
				t.Fatal(err)
			}
			tt.edit(server.resources["Client/basic"])
			writes := server.count["PUT"]
			got, err := c.Compare(t.Context(), aClient())
			if diff := cmp.Diff(Comparison{Object: "Client/basic", Paths: tt.want}, got); diff != "" || err != nil {
				t.Error(err, diff)
			}
			if server.count["PUT"] != writes {
				t.Error("it wrote")
			}
			change, err := c.Apply(t.Context(), aClient())
			if (change.Action == Unchanged) != (tt.want == nil) || err != nil {
				t.Errorf("apply says %s, %v", change.Action, err)
			}
		})
	}
}

func TestCompareTellsAbsentFromUnknown(t *testing.T) {
	_, c := newAidbox(t)
	got, err := c.Compare(t.Context(), aClient())
	if diff := cmp.Diff(Comparison{Object: "Client/basic", Absent: true}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	got, err = c.ComparePolicy(t.Context(), "secretctl-basic", aClient())
	if diff := cmp.Diff(Comparison{Object: "AccessPolicy/secretctl-basic", Absent: true}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if _, err := c.ApplyPolicy(t.Context(), "secretctl-basic", aClient()); err != nil {
		t.Fatal(err)
	}
	got, err = c.ComparePolicy(t.Context(), "secretctl-basic", aClient())
	if diff := cmp.Diff(Comparison{Object: "AccessPolicy/secretctl-basic"}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	got, err = newClient(t, answering(403, "application/json", `{}`)).Compare(t.Context(), aClient())
	if err == nil || got.Absent || got.Object != "Client/basic" {
		t.Errorf("got %+v, %v", got, err)
	}
}

package diff

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func decode(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func lines(fields []Field) []string {
	var out []string
	for _, f := range fields {
		out = append(out, f.String())
	}
	return out
}

func TestFieldsNamesEachPlaceThatDiffers(t *testing.T) {
	for _, tt := range []struct {
		name, before, after string
		want                []string
	}{
		{"equal", `{"a": [1, {"b": null}]}`, `{"a": [1, {"b": null}]}`, nil},
		{"changed", `{"a": {"b": 1, "c": 2}}`, `{"a": {"b": 1, "c": "2"}}`, []string{`a.c: 2 -> "2"`}},
		{"added and removed", `{"a": 1}`, `{"b": false}`, []string{`a: 1 -> (none)`, `b: (none) -> false`}},
		{"null is not absent", `{"a": null}`, `{}`, []string{`a: null -> (none)`}},
		{"a whole branch", `{}`, `{"a": {"b": [{"c": 1}]}}`, []string{`a.b[0].c: (none) -> 1`}},
		{"an empty branch", `{"a": {}}`, `{}`, []string{`a: {} -> (none)`}},
		{"an empty list", `{}`, `{"a": []}`, []string{`a: (none) -> []`}},
		{"another type", `{"a": [1]}`, `{"a": {"b": 1}}`, []string{`a: [1] -> {"b":1}`}},
		{"the document", `1`, `{"b": 1}`, []string{`: 1 -> {"b":1}`}},
		{"elements by name", `[{"name": "a", "v": 1}, {"name": "b", "v": 1}]`, `[{"name": "b", "v": 2}]`, []string{
			`[a].name: "a" -> (none)`, `[a].v: 1 -> (none)`, `[b].v: 1 -> 2`,
		}},
		{"elements in another order", `[{"name": "a"}, {"name": "b"}]`, `[{"name": "b"}, {"name": "a"}]`, []string{` (order): ["a","b"] -> ["b","a"]`}},
		{"names that are not unique", `[{"name": "a", "v": 1}, {"name": "a", "v": 1}]`, `[{"name": "a", "v": 1}, {"name": "a", "v": 2}]`, []string{`[1].v: 1 -> 2`}},
		{"names in only one list", `[{"name": "a"}]`, `[1]`, []string{`[0]: {"name":"a"} -> 1`}},
		{"mounts of one volume", `[{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}]`, `[{"name": "v", "mountPath": "/b"}, {"name": "v", "mountPath": "/c"}]`, []string{
			`[/a].mountPath: "/a" -> (none)`, `[/a].name: "v" -> (none)`, `[/c].mountPath: (none) -> "/c"`, `[/c].name: (none) -> "v"`,
		}},
		{"a document in a text", `{"o": "- objectName: x\n  secretKey: a\n"}`, `{"o": "- objectName: x\n  secretKey: b\n"}`, []string{`o[x].secretKey: "a" -> "b"`}},
		{"JSON in a text", `{"o": "{\"a\": 1}"}`, `{"o": "{\"a\": 2}"}`, []string{`o.a: 1 -> 2`}},
		{"another layout of a text", `{"o": "{\"a\": 1}"}`, `{"o": "{\"a\":1}"}`, []string{`o: "{\"a\": 1}" -> "{\"a\":1}"`}},
		{"a text that is not a document", `{"o": "a\nb"}`, `{"o": "a\nc"}`, []string{`o: "a\nb" -> "a\nc"`}},
		{"odd names", `{"a.b/c": 1}`, `{"a.b/c": 2}`, []string{`["a.b/c"]: 1 -> 2`}},
		{"no HTML", `{"a": "<&>"}`, `{}`, []string{`a: "<&>" -> (none)`}},
		{"a long value", `{"a": "` + strings.Repeat("é", 200) + `"}`, `{}`, []string{`a: "` + strings.Repeat("é", maxValue-2) + `… -> (none)`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := lines(Fields(decode(t, tt.before), decode(t, tt.after), nil))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHiddenValuesAreNotShown(t *testing.T) {
	before := `{"env": [{"name": "A", "value": "canary-1"}, {"name": "B", "value": "canary-2"}], "text": "a: canary-3\nb: 1", "n": 1}`
	after := `{"env": [{"name": "B", "value": "canary-4"}], "text": "a: canary-5\nb: 1", "n": 2}`
	hide := func(path []string) bool { return slices.Contains([]string{"env", "text"}, path[len(path)-1]) }
	fields := Fields(decode(t, before), decode(t, after), hide)
	want := []string{
		"env[A].name: differs (not shown)", "env[A].value: differs (not shown)", "env[B].value: differs (not shown)",
		"n: 1 -> 2", "text: differs (not shown)",
	}
	if diff := cmp.Diff(want, lines(fields)); diff != "" {
		t.Error(diff)
	}
	if text, err := json.Marshal(fields); err != nil || strings.Contains(string(text), "canary") {
		t.Errorf("%s %v", text, err)
	}
}

func FuzzFieldsFindsWhatDiffers(f *testing.F) {
	f.Add(`{"a": [{"name": "x", "v": 1}]}`, `{"a": [{"name": "x", "v": 2}]}`)
	f.Add(`[{"name": "x"}, {"name": "y"}]`, `[{"name": "y"}, {"name": "x"}]`)
	f.Add(`{"a": "- b: 1\n"}`, `{"a": "- b: 2\n"}`)
	f.Add(`{"a": []}`, `{"a": {}}`)
	f.Fuzz(func(t *testing.T, a, b string) {
		var before, after any
		if json.Unmarshal([]byte(a), &before) != nil || json.Unmarshal([]byte(b), &after) != nil {
			return
		}
		for _, hide := range []func([]string) bool{nil, func([]string) bool { return true }} {
			if got := Fields(before, after, hide); (len(got) == 0) != cmp.Equal(before, after) {
				t.Errorf("%s and %s: %v", a, b, got)
			}
		}
	})
}

package drift

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/diff"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

func TestStatusIsTheWorstOfTheObjects(t *testing.T) {
	for _, tt := range []struct {
		states []State
		want   State
	}{
		{nil, Equal},
		{[]State{Equal, Equal}, Equal},
		{[]State{Equal, Different}, Different},
		{[]State{Absent, Equal}, Different},
		{[]State{Different, Unknown}, Unknown},
		{[]State{Unknown, Absent}, Unknown},
	} {
		var objects []Object
		for _, s := range tt.states {
			objects = append(objects, Object{State: s})
		}
		p := NewPart("store", objects)
		if r := NewReport([]Delivery{{Parts: []Part{p, {Status: Skipped}}}}, nil); p.Status != tt.want || r.Status != tt.want {
			t.Errorf("%v: part is %s, report is %s, want %s", tt.states, p.Status, r.Status, tt.want)
		}
	}
	if r := NewReport(nil, &hint.Problem{Message: "interrupted"}); r.Status != Unknown {
		t.Errorf("a comparison that ended early is %s", r.Status)
	}
}

func aReport() Report {
	part := NewPart("cluster", []Object{
		{Name: "ServiceAccount a/b", State: Equal},
		{Name: "Deployment a/b", State: Different, Fields: []diff.Field{{Path: "spec.replicas", Before: []byte("1"), After: []byte("2")}, {Path: "env[A]", Hidden: true}}},
		{Name: "ConfigMap a/b", State: Absent, Detail: "to be created"},
		{Name: "X a/b", State: Unknown, Detail: "forbidden", Hint: "ask for the right"},
	})
	return NewReport([]Delivery{{Name: "aidbox", Parts: []Part{
		part,
		{Name: "store", Status: Skipped, Detail: "no store", Objects: []Object{}},
		{Name: "aidbox", Status: Unknown, Detail: "connection refused", Hint: "start it", Objects: []Object{}},
	}}}, nil)
}

func TestTextListsDifferences(t *testing.T) {
	var out strings.Builder
	if err := WriteText(&out, aReport()); err != nil {
		t.Fatal(err)
	}
	const want = `delivery "aidbox": cluster
  ~ Deployment a/b
      spec.replicas: 1 -> 2
      env[A]: differs (not shown)
  + ConfigMap a/b: to be created
  ? X a/b: forbidden
      hint: ask for the right
delivery "aidbox": aidbox
  ? connection refused
      hint: start it
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Error(d)
	}
	if equal, all := aReport().Count(); equal != 1 || all != 3 {
		t.Errorf("%d of %d", equal, all)
	}
	out.Reset()
	equal := NewReport([]Delivery{{Name: "aidbox", Parts: []Part{NewPart("store", []Object{{Name: "x", State: Equal}})}}}, nil)
	if err := WriteText(&out, equal); err != nil || out.Len() > 0 {
		t.Errorf("where all is equal it says %q, %v", out.String(), err)
	}
}

func TestJSONHasTheValuesAsJSON(t *testing.T) {
	text, err := json.Marshal(aReport())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"schemaVersion":1,"status":"unknown","deliveries":[{"name":"aidbox","parts":[{"name":"cluster","status":"unknown","objects":[`,
		`{"path":"spec.replicas","before":1,"after":2}`, `{"path":"env[A]","hidden":true}`, `"status":"skipped","detail":"no store","objects":[]`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
}

func TestRefusedChangeIsStillADifference(t *testing.T) {
	refused := hint.Wrap(errors.New("role belongs to the others"), "set vault.role")
	got := stored(store.Change{Object: "auth/role", Action: store.Update, Detail: "policies from a to b", Refused: refused})
	want := Object{Name: "auth/role", State: Different, Detail: "provision refuses to change it: role belongs to the others", Hint: "set vault.role"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

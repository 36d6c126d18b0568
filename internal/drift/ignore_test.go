package drift

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/diff"
)

func TestIgnoreLeavesOutAPathAndWhatIsBelow(t *testing.T) {
	fields := func(paths ...string) (all []diff.Field) {
		for _, path := range paths {
			all = append(all, diff.Field{Path: path})
		}
		return all
	}
	objects := []Object{
		{Name: "a", State: Different, Detail: "d", Fields: fields("spec.replicas")},
		{Name: "b", State: Different, Fields: fields("spec.replicasOf", "metadata.labels[x].y", "metadata.labels (order)", "spec.replicas")},
		{Name: "c", State: Absent, Detail: "to be created"},
		{Name: "d", State: Different, Detail: "the stored value is not that of a.txt"},
	}
	want := []Object{
		{Name: "a", State: Equal},
		{Name: "b", State: Different, Fields: fields("spec.replicasOf")},
		objects[2], objects[3],
	}
	if d := cmp.Diff(want, Ignore(objects, []string{"spec.replicas", "metadata.labels"})); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(objects, Ignore(objects, nil)); d != "" {
		t.Error(d)
	}
}

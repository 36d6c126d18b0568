package provision_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/secretctl/secretctl/internal/provision"
)

func TestRunRefusesUnknownPhaseBeforeAnything(t *testing.T) {
	called := false
	step := provision.Step{Name: "store", Diff: func(context.Context) ([]provision.Change, error) { called = true; return nil, nil }}
	_, err := provision.Run(t.Context(), []provision.Step{step}, []string{"store", "stor"}, false)
	unknown, ok := errors.AsType[*provision.PhaseError](err)
	if !ok || unknown.Phase != "stor" || called {
		t.Errorf("error %v, called %v, want a PhaseError about stor before the first step", err, called)
	}
}

func TestRunDiffsEverythingFirstAndReportsWhatWasDone(t *testing.T) {
	var order []string
	boom := errors.New("boom")
	step := func(name, action string, applyErr error) provision.Step {
		changes := []provision.Change{{Phase: name, Object: name, Action: action}}
		return provision.Step{
			Name: name,
			Diff: func(context.Context) ([]provision.Change, error) {
				order = append(order, "diff "+name)
				return changes, nil
			},
			Apply: func(context.Context) ([]provision.Change, error) {
				order = append(order, "apply "+name)
				return changes, applyErr
			},
		}
	}
	steps := []provision.Step{
		step("a", provision.Create, nil), step("b", provision.Unchanged, nil), step("c", provision.Update, boom), step("d", provision.Create, nil),
	}
	got, err := provision.Run(t.Context(), steps, nil, false)
	if !errors.Is(err, boom) {
		t.Fatalf("error %v, want boom", err)
	}
	want(t, got, nil, "a create a", "b unchanged b", "c update c")
	if wanted := []string{"diff a", "diff b", "diff c", "diff d", "apply a", "apply c"}; !slices.Equal(order, wanted) {
		t.Errorf("order %v, want %v", order, wanted)
	}
}

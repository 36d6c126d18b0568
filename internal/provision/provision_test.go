package provision_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/storetest"
)

func TestRunRefusesUnknownPhaseBeforeAnything(t *testing.T) {
	called := false
	step := store.Step{Name: "store", Diff: func(context.Context) ([]store.Change, error) { called = true; return nil, nil }}
	_, err := provision.Run(t.Context(), []store.Step{step}, []string{"store", "stor"}, false)
	unknown, ok := errors.AsType[*provision.PhaseError](err)
	if !ok || unknown.Phase != "stor" || called {
		t.Errorf("error %v, called %v, want a PhaseError about stor before the first step", err, called)
	}
}

func TestRunDiffsEverythingFirstAndReportsWhatWasDone(t *testing.T) {
	var order []string
	boom := errors.New("boom")
	step := func(name, action string, applyErr error) store.Step {
		changes := []store.Change{{Phase: name, Object: name, Action: action}}
		return store.Step{
			Name: name,
			Diff: func(context.Context) ([]store.Change, error) {
				order = append(order, "diff "+name)
				return changes, nil
			},
			Apply: func(context.Context) ([]store.Change, error) {
				order = append(order, "apply "+name)
				return changes, applyErr
			},
		}
	}
	steps := []store.Step{
		step("a", store.Create, nil), step("b", store.Unchanged, nil), step("c", store.Update, boom), step("d", store.Create, nil),
	}
	got, err := provision.Run(t.Context(), steps, nil, false)
	if !errors.Is(err, boom) {
		t.Fatalf("error %v, want boom", err)
	}
	storetest.Want(t, got, nil, "a create a", "b unchanged b", "c update c")
	if wanted := []string{"diff a", "diff b", "diff c", "diff d", "apply a", "apply c"}; !slices.Equal(order, wanted) {
		t.Errorf("order %v, want %v", order, wanted)
	}
}

package cluster_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestRealClusterTutorial goes the way of the tutorial with the binary: provision,
// render and apply, client apply, verify, rotate, diff, doctor. It waits for
// rotations that arrive by themselves, which takes up to two minutes each on a
// cluster with real intervals: one, or as many as SECRETCTL_TEST_ROTATIONS says.
func TestRealClusterTutorial(t *testing.T) {
	t.Parallel()
	w := newTown(t, "tutorial") // which goes the first half of the way
	before := w.pods(t, ".metadata.name")

	t.Log("\n$ secretctl verify\n" + w.ok(t, "verify"))
	w.wantEveryReplicaSeen(t)
	rotations, _ := strconv.Atoi(os.Getenv("SECRETCTL_TEST_ROTATIONS"))
	for range max(1, rotations) {
		t.Log("\n$ secretctl rotate client-secret\n" + w.ok(t, "rotate client-secret"))
	}
	w.wantTimeline(t)

	if out := w.ok(t, "diff"); out != "" {
		t.Errorf("diff says\n%s", out)
	}
	t.Log("\n$ secretctl doctor\n" + w.ok(t, "doctor"))
	if after := w.pods(t, ".metadata.name"); !slices.Equal(before, after) {
		t.Errorf("the pods were %v and are %v", before, after)
	}
}

// wantEveryReplicaSeen looks at the same as a program does.
func (w *town) wantEveryReplicaSeen(t *testing.T) {
	_, checks, _ := w.report(t, "verify")
	var groups []string
	for _, c := range checks {
		if c.Status != "pass" {
			t.Error(c)
		}
		group, _, _ := strings.Cut(c.ID, "/")
		groups = append(groups, group)
	}
	if groups = slices.Compact(groups); !slices.Equal(groups, []string{"workload", "mount", "client", "auth"}) {
		t.Errorf("groups %v", groups)
	}
	for _, pod := range w.pods(t, ".metadata.name") {
		if !slices.ContainsFunc(checks, func(c finding) bool { return c.ID == "mount/matches-store" && c.Subject == "client-secret pod/"+pod }) {
			t.Errorf("nobody looked at %s", pod)
		}
	}
}

// wantTimeline rotates once more, with a nudge, and wants to know of each replica
// when what happened.
func (w *town) wantTimeline(t *testing.T) {
	code, checks, timeline := w.report(t, "rotate client-secret --nudge")
	if code != 0 {
		t.Errorf("exit code %d: %v", code, checks)
	}
	for _, pod := range w.pods(t, ".metadata.name") {
		for _, what := range []string{"pod annotated", "file changed", "pod status changed", "new value accepted", "old value refused"} {
			if !slices.ContainsFunc(timeline, func(m moment) bool { return m.Replica == "pod/"+pod && m.What == what }) {
				t.Errorf("the timeline lacks %q of %s: %v", what, pod, timeline)
			}
		}
	}
}

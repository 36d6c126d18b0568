package cluster_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestRealClusterTutorial follows the tutorial with the binary: provision, render and
// apply, client apply, verify, rotate, diff, doctor. It waits for rotations without a
// nudge, up to two minutes each on a cluster with real intervals: one, or as many as
// SECRETCTL_TEST_ROTATIONS says.
func TestRealClusterTutorial(t *testing.T) {
	t.Parallel()
	rc := newRealCluster(t, "tutorial") // the first half of the tutorial
	before := rc.pods(t, ".metadata.name")

	t.Log("\n$ secretctl verify\n" + rc.ok(t, "verify"))
	rc.checkEveryReplicaVerified(t)
	rotations, _ := strconv.Atoi(os.Getenv("SECRETCTL_TEST_ROTATIONS"))
	for range max(1, rotations) {
		t.Log("\n$ secretctl rotate client-secret\n" + rc.ok(t, "rotate client-secret"))
	}
	rc.checkTimeline(t)

	if out := rc.ok(t, "diff"); out != "" {
		t.Errorf("diff prints\n%s", out)
	}
	t.Log("\n$ secretctl doctor\n" + rc.ok(t, "doctor"))
	if after := rc.pods(t, ".metadata.name"); !slices.Equal(before, after) {
		t.Errorf("the pods were %v and are %v", before, after)
	}
}

// checkEveryReplicaVerified runs verify with -o json.
func (rc *realCluster) checkEveryReplicaVerified(t *testing.T) {
	_, checks, _ := rc.report(t, "verify")
	var groups []string
	for _, c := range checks {
		ofCanary := c.ID == "auth/token" && c.Subject == "Client/secretctl-canary" && c.Status == "skip" // it needs no token
		if c.Status != "pass" && !ofCanary {
			t.Error(c)
		}
		group, _, _ := strings.Cut(c.ID, "/")
		groups = append(groups, group)
	}
	if groups = slices.Compact(groups); !slices.Equal(groups, []string{"cluster", "workload", "mount", "client", "auth"}) {
		t.Errorf("groups %v", groups)
	}
	for _, pod := range rc.pods(t, ".metadata.name") {
		if !slices.ContainsFunc(checks, func(c finding) bool { return c.ID == "mount/matches-store" && c.Subject == "client-secret pod/"+pod }) {
			t.Errorf("%s was not checked", pod)
		}
	}
}

// checkTimeline rotates once more, with a nudge, and expects each event of each replica.
func (rc *realCluster) checkTimeline(t *testing.T) {
	code, checks, timeline := rc.report(t, "rotate client-secret --nudge")
	if code != 0 {
		t.Errorf("exit code %d: %v", code, checks)
	}
	for _, pod := range rc.pods(t, ".metadata.name") {
		for _, what := range []string{"pod annotated", "file changed", "pod status changed", "new value accepted", "old value refused"} {
			if !slices.ContainsFunc(timeline, func(e event) bool { return e.Replica == "pod/"+pod && e.What == what }) {
				t.Errorf("the timeline has no %q for %s: %v", what, pod, timeline)
			}
		}
	}
}

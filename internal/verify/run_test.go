package verify

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

func ids(report DeliveryReport) []string {
	var all []string
	for _, r := range report.Checks {
		all = append(all, r.ID+" "+r.Subject)
	}
	return all
}

func TestGroupBringsAlongWhatItNeeds(t *testing.T) {
	tests := []struct {
		group string
		want  []string
	}{
		{"mount", []string{
			"mount/present client-secret local", "mount/readable client-secret local", "mount/matches-store client-secret local",
			"mount/status client-secret local", "mount/vault-config local",
		}},
		{"client", []string{"client/exists Client/basic", "client/masked Client/basic", "client/reference Client/basic"}},
		{"auth", []string{
			"client/exists Client/basic", "auth/accepts-secret Client/basic", "auth/rejects-wrong Client/basic",
			"auth/rejects-empty Client/basic", "auth/token Client/basic",
		}},
		{"scope", []string{"client/exists Client/basic", "auth/accepts-secret Client/basic", "scope/out-of-scope-refused client-secret"}},
	}
	for _, tt := range tests {
		t.Run(tt.group, func(t *testing.T) {
			s := newFixture(t)
			s.o.Selected = []string{tt.group}
			_, report, err := s.run(t.Context())
			must(t, err)
			if diff := cmp.Diff(tt.want, ids(report)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadingGroupsWriteNothing(t *testing.T) {
	s := newFixture(t)
	groups, err := Select(nil, false)
	must(t, err)
	s.o.Selected = groups
	s.w.Put = func(context.Context, config.Secret, secret.Value) (string, error) {
		t.Error("wrote to the store")
		return "", nil
	}
	s.w.ApplyResource = func(context.Context, config.Resource) error {
		t.Error("wrote to Aidbox")
		return nil
	}
	s.w.DeleteResource = func(context.Context, string, string) error {
		t.Error("deleted in Aidbox")
		return nil
	}
	_, report, err := s.run(t.Context())
	must(t, err)
	for _, r := range report.Checks {
		if r.Status != StatusPass {
			t.Errorf("%+v", r)
		}
	}
}

func TestEveryReplicaAndSecretIsChecked(t *testing.T) {
	s := newFixture(t)
	newFakeCluster(t, s)
	s.inPods, s.o.Selected = true, []string{"mount"}
	s.d.Secrets = append(s.d.Secrets, config.Secret{Name: "other", Scope: []string{"Client"}})
	results, _, err := s.run(t.Context())
	must(t, err)
	for _, key := range []string{
		"mount/present client-secret pod/a", "mount/present other pod/a", "mount/vault-config pod/a",
		"mount/present client-secret pod/b", "mount/present other pod/b", "mount/vault-config pod/b",
	} {
		if _, ran := results[key]; !ran {
			t.Errorf("did not run %s", key)
		}
	}
}

func TestEveryNeedRunsBeforeWhatNeedsIt(t *testing.T) {
	s := newFixture(t)
	s.o.Rotation = &Rotation{Secret: "client-secret", New: value(rotated)}
	newFakeCluster(t, s)
	s.inPods = true
	r := newRun(t.Context(), s.d, s.w.dependencies(s.d), s.o)
	ran := map[string]bool{}
	var planned []string
	for _, tasks := range r.plan(t.Context(), Groups()) {
		for _, task := range tasks {
			for _, need := range task.needs {
				if !ran[need] {
					t.Errorf("%s needs %s, which does not run before it", task.key(), need)
				}
			}
			ran[task.key()] = true
			planned = append(planned, task.ID)
		}
	}
	if diff := cmp.Diff(IDs(), slices.Compact(planned)); diff != "" {
		t.Errorf("checks and plan differ: %s", diff)
	}
}

func TestWarningDoesNotBlock(t *testing.T) {
	runs := func(context.Context, *run, subject) Result { return Pass("ran") }
	for status, want := range map[Status]string{
		StatusPass: "ran", StatusWarn: "ran",
		StatusFail: "skipped: a/a failed", StatusUnknown: "skipped: a/a is unknown", StatusSkip: "skipped: a/a was skipped",
	} {
		for _, about := range []string{"x", ""} {
			blocked := task{Check{ID: "a/b", run: runs}, subject{name: "x"}, []string{keyOf("a/a", about)}}
			got := new(run).result(t.Context(), blocked, map[string]Status{keyOf("a/a", about): status})
			if got.Detail != want || (got.Status == StatusSkip) != (want != "ran") {
				t.Errorf("%s: got %+v", status, got)
			}
		}
	}
}

func TestProgressReportsEachCheck(t *testing.T) {
	s := newFixture(t)
	s.o.Selected = []string{"client"}
	_, _, err := s.run(t.Context())
	must(t, err)
	want := []string{"client/exists Client/basic 0s", "client/masked Client/basic 0s", "client/reference Client/basic 0s"}
	if diff := cmp.Diff(want, s.progress); diff != "" {
		t.Error(diff)
	}
}

func TestNothingRunsAfterTheEnd(t *testing.T) {
	s := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.w.References = func(context.Context, config.Resource) (map[string]string, []string, error) {
		cancel()
		return nil, nil, context.Canceled
	}
	_, report, err := s.run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	after := false
	for _, r := range report.Checks {
		interrupted := r.Status == StatusUnknown && strings.HasPrefix(r.Detail, "interrupted")
		if after = after || r.ID == "client/exists"; after != interrupted {
			t.Errorf("%+v", r)
		}
	}
	if !slices.ContainsFunc(report.Checks, func(r Result) bool { return groupOf(r.ID) == "rotation" }) {
		t.Error("the report does not have the checks that did not run")
	}
}

// The error is reported once, and nothing is said about pods that were never seen.
func TestChecksAreSkippedIfTheClusterDoesNotAnswer(t *testing.T) {
	s := newFixture(t)
	w := newFakeCluster(t, s)
	w.refuse = "/"
	s.inPods, s.d.Aidbox.URL, s.o.Selected = true, "service", append(readOnlyGroups, "aidbox")
	_, report, err := s.run(t.Context())
	must(t, err)
	if first := report.Checks[0]; first.ID != "cluster/api" || first.Status != StatusUnknown {
		t.Errorf("%+v", first)
	}
	for _, r := range report.Checks[1:] {
		if r.Status != StatusSkip || !strings.HasPrefix(r.Detail, "skipped: ") || strings.Contains(r.Detail, "no running pod") {
			t.Errorf("%+v", r)
		}
	}
	if len(report.Checks) < 15 {
		t.Errorf("%d checks", len(report.Checks))
	}
}

func TestRunThatTimesOutBeforeTheFirstCheckNamesTheCluster(t *testing.T) {
	s := newFixture(t)
	s.inPods, s.d.Aidbox.Workload = true, config.Workload{Kind: config.KindDeployment, Name: "aidbox"}
	connect(t, s, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, _, err := s.run(ctx)
	if want := "kubernetes " + s.w.Cluster.Host() + " (--kubeconfig, context c): timed out"; err == nil || err.Error() != want || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want %s", err, want)
	}
}

package cluster_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestRealClusterStatus has status look at replicas that are current, behind, Pending and
// refused by a quota.
func TestRealClusterStatus(t *testing.T) {
	t.Parallel()
	rc := newRealCluster(t, "status")
	rc.wantStatus(t, 0,
		`^STATE +NAME +VERSION +AGE +ROTATED +EXPIRES +DETAIL\n√ current +client-secret +1 +\S+ +never +- +2 of 2 replicas current\n`,
		`\n√ current +Client/basic `)

	// Without its policy the provider gets no new value, and a new pod does not start.
	deleteInVault("sys/policies/acl/NAMESPACE")(rc, t)
	rc.ok(t, "rotate client-secret --no-verify")
	rc.wantStatus(t, 1,
		`^.*\n× behind +client-secret +2 +\S+ +\S+ ago +- +0 of 2 replicas current\n`,
		`(\n× behind +- pod/aidbox-\S+ +1 +1 version behind; hint: after a rotation, wait.*){2}\n√`)
	rc.wantBehind(t)
	code, out, _ := rc.run(t, "status --watch --timeout 40s")
	if code != 124 || strings.Count(out, "0 of 2 replicas current") < 2 {
		t.Errorf("status --watch: exit code %d\n%s", code, out)
	}
	rc.scaleUp(t)
	rc.wantStatus(t, 1, `\n× missing +client-secret .* 0 of 3 replicas current\n× missing +- pod/aidbox-\S+ +the pod has not started: ContainerCreating`)

	rc.provision(t)
	rc.wantStatus(t, 0, ` 3 of 3 replicas current\n`)

	rc.kubectl(t, "", "create", "quota", "three", "--hard=pods=3")
	rc.kubectl(t, "", "scale", "deployment/aidbox", "--replicas=4")
	rc.wantStatus(t, 1,
		`\n× missing +client-secret .* 3 of 4 replicas current\n× missing +- deployment/aidbox +no pod for 1 of 4 replicas: .* exceeded quota: three`)
}

// wantStatus runs status until it exits with the code and prints what the patterns match:
// a rotation takes up to two minutes to arrive.
func (rc *realCluster) wantStatus(t *testing.T, code int, patterns ...string) {
	t.Helper()
	var got int
	var out string
	if !eventually(t, 4*time.Minute, func() bool {
		got, out, _ = rc.run(t, "status")
		for _, pattern := range patterns {
			if !regexp.MustCompile(pattern).MatchString(out) {
				return false
			}
		}
		return got == code
	}) {
		t.Fatalf("exit code %d, want %d and %q\n%s", got, code, patterns, out)
	}
	t.Log("\n$ secretctl status\n" + out)
}

// wantBehind reads status -o json: both replicas have the version before the store's.
func (rc *realCluster) wantBehind(t *testing.T) {
	t.Helper()
	type replica struct {
		Name, State, Version string
		Behind               int
	}
	var r struct {
		State      string
		Deliveries []struct {
			Secrets []struct {
				State, Version string
				Replicas       []replica
			}
		}
	}
	code, out, _ := rc.run(t, "status -o json")
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 1 || r.State != "behind" {
		t.Fatalf("exit code %d, %v\n%s", code, err, out)
	}
	found := r.Deliveries[0].Secrets[0]
	for _, replica := range found.Replicas {
		if replica.State != "behind" || replica.Version != "1" || replica.Behind != 1 || !strings.HasPrefix(replica.Name, "pod/aidbox-") {
			t.Errorf("%+v", replica)
		}
	}
	if len(found.Replicas) != 2 || found.State != "behind" || found.Version != "2" {
		t.Errorf("%+v", found)
	}
}

package cluster_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	sizeSecrets = 10
	// perReplica bounds a verify of many replicas, on a machine that does something else too.
	perReplica = 300 * time.Millisecond
)

// TestRealClusterSize verifies many replicas with many secrets beside what people do by
// hand: kubectl exec for each file of each replica. There are 20, or as many as
// SECRETCTL_TEST_REPLICAS says.
func TestRealClusterSize(t *testing.T) {
	replicas, err := strconv.Atoi(os.Getenv("SECRETCTL_TEST_REPLICAS"))
	if err != nil {
		replicas = 20
	}
	var secrets strings.Builder
	for i := range sizeSecrets - 1 {
		fmt.Fprintf(&secrets, "  - {name: s%d, path: size/client, key: s%[1]d, scope: [Client/basic], value: {generate: {}}}\n", i)
	}
	rc := newRealCluster(t, "size", "replicas: 2", fmt.Sprintf("replicas: %d", replicas), "secrets:\n  -", "secrets:\n"+secrets.String()+"  -")

	began := time.Now()
	one := rc.pods(t, ".metadata.name")[0]
	for i := range sizeSecrets - 1 {
		rc.kubectl(t, "", "exec", one, "--", "cat", fmt.Sprintf("/run/vault-secrets/s%d", i))
	}
	rc.kubectl(t, "", "exec", one, "--", "cat", "/run/vault-secrets/client-secret")
	loop := time.Since(began) * time.Duration(replicas) // which takes as long for each

	for _, command := range []string{"verify mount", "verify"} {
		before := rc.requests(t)
		began := time.Now()
		rc.ok(t, command)
		took, asked := time.Since(began), rc.requests(t)
		for what := range asked {
			asked[what] -= before[what]
		}
		t.Logf("secretctl %s, %d replicas with %d secrets: %.2fs, %.3f of %.1fs of kubectl exec; requests: %v", command, replicas, sizeSecrets, took.Seconds(), took.Seconds()/loop.Seconds(), loop.Seconds(), asked)
		if asked["CONNECT pods/exec"] != replicas {
			t.Errorf("%s runs %d commands in %d replicas", command, asked["CONNECT pods/exec"], replicas)
		}
		if n := asked["LIST secretproviderclasspodstatuses"]; n != 1 {
			t.Errorf("%s lists the pods' statuses %d times", command, n)
		}
		if took > perReplica*time.Duration(replicas) || took > loop/4 {
			t.Errorf("%s takes %s, and kubectl exec %s", command, took, loop)
		}
	}
	rc.rotateMany(t, replicas, one)
}

var disagreed = regexp.MustCompile(`the replicas disagreed for (\S+)$`)

// rotateMany nudges all replicas when the driver no longer skips them. They run on one node
// here, which bounds how soon the last one follows the first.
func (rc *realCluster) rotateMany(t *testing.T, replicas int, one string) {
	t.Helper()
	const interval = 30 * time.Second
	<-time.After(interval + time.Second)
	before := rc.requests(t)
	code, checks, timeline := rc.report(t, "rotate client-secret --nudge")
	asked := rc.requests(t)
	for what := range asked {
		asked[what] -= before[what]
	}
	last := checks[len(checks)-2] // rotation/old-rejected
	said := disagreed.FindStringSubmatch(last.Detail)
	if code != 0 || said == nil {
		t.Fatalf("exit code %d: %v", code, checks)
	}
	took, err := time.ParseDuration(said[1])
	if err != nil {
		t.Fatal(err)
	}
	var arrived int64
	for _, e := range timeline {
		if e.What == "file changed" {
			arrived = max(arrived, e.AfterMS)
		}
	}
	t.Logf("secretctl rotate --nudge, %d replicas: the last file changed %.1fs after the write, and the replicas disagreed for %s; requests: %v", replicas, float64(arrived)/1000, took, asked)
	if limit := max(2*time.Second, perReplica*time.Duration(replicas)); took > limit {
		t.Errorf("the replicas disagreed for %s", took)
	}
	if n := asked["CONNECT pods/exec"]; n > 2*replicas {
		t.Errorf("rotate runs %d commands in %d replicas", n, replicas)
	}
	if out := rc.kubectl(t, "", "exec", one, "--", "sh", "-c", "ps"); strings.Contains(out, "sleep") {
		t.Errorf("a watch is left in the container:\n%s", out)
	}
}

var requestCount = regexp.MustCompile(`(?m)^apiserver_request_total\{.*resource="([^"]*)".*subresource="([^"]*)".*verb="([^"]*)".*\} (\S+)$`)

// requests returns how many requests of which kind the API server has had.
func (rc *realCluster) requests(t *testing.T) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, m := range requestCount.FindAllStringSubmatch(rc.kubectl(t, "", "get", "--raw", "/metrics"), -1) {
		what := m[3] + " " + m[1]
		if m[2] != "" {
			what += "/" + m[2]
		}
		n, err := strconv.ParseFloat(m[4], 64)
		if err != nil {
			t.Fatal(err)
		}
		switch what {
		case "CONNECT pods/exec", "CONNECT pods/portforward", "LIST pods", "LIST secretproviderclasspodstatuses":
			all[what] += int(n)
		}
	}
	return all
}

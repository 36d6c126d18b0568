package cluster_test

import (
	"fmt"
	"net/http"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
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

	through, requests := rc.counted(t)
	for _, command := range []string{"verify mount", "verify"} {
		began := time.Now()
		rc.ok(t, command+through)
		took, asked := time.Since(began), requests()
		t.Logf("secretctl %s, %d replicas with %d secrets: %.2fs, %.3f of %.1fs of kubectl exec; requests: %v", command, replicas, sizeSecrets, took.Seconds(), took.Seconds()/loop.Seconds(), loop.Seconds(), asked)
		if asked["exec"] != replicas {
			t.Errorf("%s runs %d commands in %d replicas", command, asked["exec"], replicas)
		}
		if n := asked["secretproviderclasspodstatuses"]; n != 1 {
			t.Errorf("%s lists the pods' statuses %d times", command, n)
		}
		if took > perReplica*time.Duration(replicas) || took > loop/4 {
			t.Errorf("%s takes %s, and kubectl exec %s", command, took, loop)
		}
	}
	rc.rotateMany(t, replicas, one, through, requests)
}

var disagreed = regexp.MustCompile(`the replicas disagreed for (\S+)$`)

// rotateMany nudges all replicas when the driver no longer skips them. They run on one node
// here, which bounds how soon the last one follows the first.
func (rc *realCluster) rotateMany(t *testing.T, replicas int, one, through string, requests func() map[string]int) {
	t.Helper()
	const interval = 30 * time.Second
	<-time.After(interval + time.Second)
	code, checks, timeline := rc.report(t, "rotate client-secret --nudge"+through)
	asked := requests()
	last := checks[len(checks)-2] // rotation/old-rejected
	if code != 0 {
		t.Fatalf("exit code %d: %v", code, checks)
	}
	var took time.Duration
	if said := disagreed.FindStringSubmatch(last.Detail); said != nil { // few replicas may agree all the time
		var err error
		if took, err = time.ParseDuration(said[1]); err != nil {
			t.Fatal(err)
		}
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
	if n := asked["exec"]; n > 2*replicas {
		t.Errorf("rotate runs %d commands in %d replicas", n, replicas)
	}
	if out := rc.kubectl(t, "", "exec", one, "--", "sh", "-c", "ps"); strings.Contains(out, "sleep") {
		t.Errorf("a watch is left in the container:\n%s", out)
	}
}

// counted returns a flag with which secretctl goes through a proxy, and a func that returns
// what it has asked the API server for since the last call: by the last word of the path.
func (rc *realCluster) counted(t *testing.T) (flag string, requests func() map[string]int) {
	t.Helper()
	var mu sync.Mutex
	asked := map[string]int{}
	file, _ := rc.proxied(t, os.Getenv("KUBECONFIG"), func(_ http.ResponseWriter, r *http.Request) (answered bool) {
		mu.Lock()
		defer mu.Unlock()
		asked[path.Base(r.URL.Path)]++
		return false
	})
	return " --kubeconfig " + file, func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		was := asked
		asked = map[string]int{}
		return was
	}
}

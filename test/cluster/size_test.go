package cluster_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

var rowsFile = flag.String("rows", "", "have TestRealClusterSize measure every size, and write the rows of make bench to this file")

// size is how many replicas there are, and how many secrets each has.
type size struct{ replicas, secrets int }

func (s size) String() string {
	return fmt.Sprintf("%d replicas with %d secrets", s.replicas, s.secrets)
}

// row is a row of the table of make bench.
type row struct {
	What, Secretctl, Beside, Took, Ratio, Aim string
	Met                                       bool
}

// TestRealClusterSize verifies and rotates many replicas with many secrets beside the
// tutorial's loop: kubectl exec for each file of each replica.
func TestRealClusterSize(t *testing.T) {
	sizes := []size{{20, 10}}
	if *rowsFile != "" {
		sizes = []size{{1, 1}, {5, 5}, {20, 10}, {80, 10}}
	}
	var rows []row
	for _, s := range sizes {
		t.Run(s.String(), func(t *testing.T) { rows = append(rows, measure(t, s)...) })
	}
	for _, r := range rows {
		if t.Logf("%+v", r); !r.Met {
			t.Errorf("%s: %s, want %s", r.What, r.Secretctl, r.Aim)
		}
	}
	if *rowsFile == "" {
		return
	}
	text, err := json.Marshal(rows)
	if err == nil {
		err = os.WriteFile(*rowsFile, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func measure(t *testing.T, s size) (rows []row) {
	var secrets strings.Builder
	name := fmt.Sprintf("size-%dx%d", s.replicas, s.secrets)
	for i := range s.secrets - 1 {
		fmt.Fprintf(&secrets, "  - {name: s%d, path: %s/client, key: s%[1]d, scope: [Client/basic], value: {generate: {}}}\n", i, name)
	}
	rc := newRealCluster(t, name, "replicas: 2", fmt.Sprintf("replicas: %d", s.replicas), "secrets:\n  -", "secrets:\n"+secrets.String()+"  -")
	through, requests := rc.counted(t)

	const loop = "kubectl exec ... cat"
	one, start := rc.pods(t, ".metadata.name")[0], time.Now()
	for i := range s.secrets {
		file := fmt.Sprintf("s%d", i)
		if i == s.secrets-1 {
			file = "client-secret"
		}
		rc.kubectl(t, "", append(strings.Fields(through), "exec", one, "--", "cat", "/run/vault-secrets/"+file)...)
	}
	looped, asked := time.Since(start)*time.Duration(s.replicas), requests() // the loop takes as long for each replica
	loopRequests := (asked.all() - asked["exec"]) * s.replicas

	for _, command := range []string{"verify mount", "verify"} {
		start := time.Now()
		rc.ok(t, command+through)
		took, asked := time.Since(start), requests()
		aim, met := "at most 0.25", 4*took <= looped
		if s.replicas*s.secrets == 1 { // both run one command
			aim, met = "", true
		}
		others, lists, what := asked.all()-asked["exec"], asked["secretproviderclasspodstatuses"], fmt.Sprintf("%s, %s", command, s)
		rows = append(rows,
			row{what, tenths(took), loop, tenths(looped), ratio(took.Seconds(), looped.Seconds()), aim, met},
			row{what + ", commands in pods", fmt.Sprint(asked["exec"]), loop, fmt.Sprint(s.replicas * s.secrets), ratio(asked["exec"], s.replicas*s.secrets), fmt.Sprintf("at most %d", s.replicas), asked["exec"] <= s.replicas},
			row{what + ", other API requests", fmt.Sprint(others), loop, fmt.Sprint(loopRequests), ratio(others, loopRequests), "", true},
			row{what + ", of them lists of pod statuses", fmt.Sprint(lists), "", "", "", "at most 1", lists <= 1})
	}
	if s.replicas >= 20 {
		rows = append(rows, rc.measureRotate(t, s, one, through, requests)...)
	}
	return rows
}

var disagreed = regexp.MustCompile(`the replicas disagreed for (\S+)$`)

// measureRotate rotates all replicas at the driver's own pace where every size is measured,
// and nudges them once the driver no longer skips them.
func (rc *realCluster) measureRotate(t *testing.T, s size, one, through string, requests func() counts) (rows []row) {
	t.Helper()
	if *rowsFile != "" {
		rows = append(rows, rc.measureRotation(t, s, "rotate client-secret", through, requests)...)
	}
	const interval = 30 * time.Second
	<-time.After(interval + time.Second)
	rows = append(rows, rc.measureRotation(t, s, "rotate client-secret --nudge", through, requests)...)
	if out := rc.kubectl(t, "", "exec", one, "--", "sh", "-c", "ps"); strings.Contains(out, "sleep") {
		t.Errorf("a watch is left in the container:\n%s", out)
	}
	return rows
}

func (rc *realCluster) measureRotation(t *testing.T, s size, command, through string, requests func() counts) []row {
	t.Helper()
	start := time.Now()
	code, checks, timeline := rc.report(t, command+through)
	took, asked := time.Since(start), requests()
	if code != 0 {
		t.Fatalf("exit code %d: %v", code, checks)
	}
	var apart time.Duration
	last := checks[len(checks)-2]                                       // rotation/old-rejected
	if said := disagreed.FindStringSubmatch(last.Detail); said != nil { // few replicas may agree all the time
		var err error
		if apart, err = time.ParseDuration(said[1]); err != nil {
			t.Fatal(err)
		}
	}
	moments := map[string][]time.Duration{}
	for _, e := range timeline {
		moments[e.What] = append(moments[e.What], time.Duration(e.AfterMS)*time.Millisecond)
	}
	for _, what := range []string{"pod annotated", "file changed"} {
		t.Logf("%s, %s: %s %v after the write", command, s, what, moments[what])
	}
	limit := 90 * time.Second // of the kubelet
	if strings.HasSuffix(command, "--nudge") {
		if limit = nudged(s.replicas); *rowsFile == "" {
			limit *= 3 // other tests run at the same time; without --nudge it is about 30 s
		}
	}
	what := fmt.Sprintf("%s, %d replicas", command, s.replicas)
	return []row{
		{what + ", the replicas disagree for", tenths(apart), "", "", "", "at most " + limit.String(), apart <= limit},
		{what + ", commands in pods", fmt.Sprint(asked["exec"]), "", "", "", fmt.Sprintf("at most %d", 2*s.replicas), asked["exec"] <= 2*s.replicas},
		{what + ", API requests a second", fmt.Sprintf("%.1f in %s", float64(asked.all())/took.Seconds(), tenths(took)), "", "", "", "", true},
	}
}

// nudged bounds how long replicas of one node disagree that are annotated at the same time:
// the Vault provider asks the API server once for each mount, 10 times at once and then 5
// times a second, as client-go does by default.
func nudged(replicas int) time.Duration {
	return 2*time.Second + time.Duration(max(0, replicas-10))*time.Second/5
}

func tenths(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func ratio[T int | float64](ours, theirs T) string {
	return fmt.Sprintf("%.2f", float64(ours)/float64(theirs))
}

// counts are requests to the API server, by the last word of their path.
type counts map[string]int

func (c counts) all() (n int) {
	for _, of := range c {
		n += of
	}
	return n
}

// counted returns a flag with which secretctl goes through a proxy, and a func that returns
// what was asked of the API server through it since the last call.
func (rc *realCluster) counted(t *testing.T) (flag string, requests func() counts) {
	t.Helper()
	var mu sync.Mutex
	asked := counts{}
	file, _ := rc.proxied(t, os.Getenv("KUBECONFIG"), func(_ http.ResponseWriter, r *http.Request) (answered bool) {
		mu.Lock()
		defer mu.Unlock()
		asked[path.Base(r.URL.Path)]++
		return false
	})
	return " --kubeconfig " + file, func() counts {
		mu.Lock()
		defer mu.Unlock()
		was := asked
		asked = counts{}
		return was
	}
}

package cmd_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/secretctl/secretctl/cmd"
	"github.com/secretctl/secretctl/internal/sandbox/kubernetes"
	"github.com/secretctl/secretctl/internal/sandbox/vault"
)

// openConnections counts the connections to some servers.
type openConnections struct{ now, most atomic.Int64 }

func (o *openConnections) note(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		now := o.now.Add(1)
		for most := o.most.Load(); now > most; most = o.most.Load() {
			o.most.CompareAndSwap(most, now)
		}
	case http.StateClosed, http.StateHijacked:
		o.now.Add(-1)
	}
}

// server puts a handler behind an address whose connections are counted.
func (o *openConnections) server(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ConnState = o.note
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

// bigFleet is many deliveries, each with a namespace, a Vault role and a Client of its
// own, and the servers that have what they describe.
type bigFleet struct {
	t          *testing.T
	dir        string
	kubernetes *kubernetes.Server
	open       openConnections
	objects    map[string]map[string]any // of the API server, by path
}

const fleetSecret = "the value of every delivery"

func newBigFleet(t *testing.T, n int) *bigFleet {
	t.Helper()
	f := &bigFleet{t: t, dir: t.TempDir(), objects: map[string]map[string]any{}}
	var err error
	if f.kubernetes, err = kubernetes.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.kubernetes.Close)
	v, err := vault.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	forward := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(forward.CloseIdleConnections)
	target, err := url.Parse(v.URL)
	if err != nil {
		t.Fatal(err)
	}
	store := f.open.server(t, (&httputil.ReverseProxy{Transport: forward, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}).ServeHTTP)
	aidbox, api := f.open.server(t, serveClients), f.open.server(t, f.serveObjects)
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, `---
apiVersion: secretctl.dev/v1
name: d%[1]d
namespace: n%[1]d
provider: vault
vault: {address: %[2]q, role: r%[1]d, kubernetesHost: %[4]q}
aidbox: {url: %[3]q, scopeFormat: references}
secrets: [{name: client-secret, path: d%[1]d/client, scope: [Client/c%[1]d], value: {env: VALUE}}]
resources: [{type: Client, id: c%[1]d, secrets: {secret: client-secret}, body: {grant_types: [basic]}}]
`, i, store, aidbox, f.kubernetes.URL)
	}
	token, err := f.kubernetes.Token("default", "operator")
	if err != nil {
		t.Fatal(err)
	}
	f.write("secretctl.yaml", text.String())
	f.write("kubeconfig", fmt.Sprintf("{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: c}}], "+
		"clusters: [{name: c, cluster: {server: %q}}], users: [{name: c, user: {token: %q}}]}", api, token))
	t.Setenv("VAULT_TOKEN", v.RootToken)
	if code, _, stderr := f.run("provision"); code != 0 {
		t.Fatalf("provision: %d %.2000s", code, stderr)
	}
	f.apply()
	return f
}

func (f *bigFleet) write(name, text string) {
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *bigFleet) run(args ...string) (code int, stdout, stderr string) {
	var out, narration bytes.Buffer
	code = cmd.Run(f.t.Context(), append(args, "-c", filepath.Join(f.dir, "secretctl.yaml"), "--kubeconfig", filepath.Join(f.dir, "kubeconfig")), cmd.IO{
		In: strings.NewReader(""), Out: &out, Err: &narration, LookupEnv: func(name string) (string, bool) {
			value, ok := map[string]string{"VALUE": fleetSecret, "AIDBOX_CLIENT_SECRET": fleetSecret, "VAULT_TOKEN": os.Getenv("VAULT_TOKEN")}[name]
			return value, ok
		},
	})
	return code, out.String(), narration.String()
}

// apply gives the API server what render writes, and a pod of each Deployment.
func (f *bigFleet) apply() {
	code, out, stderr := f.run("render", "-o", "json", "--allow-loopback")
	var rendered struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(out), &rendered); code != 0 || err != nil || len(rendered.Items) == 0 {
		f.t.Fatalf("render: %d %v %.500s %.500s", code, err, out, stderr)
	}
	for _, o := range rendered.Items {
		meta := o["metadata"].(map[string]any)
		of := fmt.Sprintf("/namespaces/%s/", meta["namespace"])
		switch kind := strings.ToLower(o["kind"].(string)); kind {
		case "deployment":
			spec := o["spec"].(map[string]any)
			meta["uid"], o["status"] = "deployment", map[string]any{"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}
			f.objects["/apis/apps/v1"+of+"deployments/"+meta["name"].(string)] = o
			owned := func(by, kind string) map[string]any {
				return map[string]any{"name": kind + "-of", "namespace": meta["namespace"], "uid": kind, "ownerReferences": []any{map[string]any{"uid": by, "controller": true, "kind": "x", "name": "x", "apiVersion": "v1"}}}
			}
			f.objects["/apis/apps/v1"+of+"replicasets"] = map[string]any{"items": []any{map[string]any{"metadata": owned("deployment", "replicaset"), "spec": spec}}}
			template := spec["template"].(map[string]any)
			pod := map[string]any{"metadata": owned("replicaset", "pod"), "spec": template["spec"], "status": map[string]any{
				"phase": "Running", "conditions": []any{map[string]any{"type": "Ready", "status": "True"}},
				"containerStatuses": []any{map[string]any{"name": "aidbox", "ready": true, "state": map[string]any{"running": map[string]any{"startedAt": "2026-01-01T00:00:00Z"}}}},
			}}
			f.objects["/api/v1"+of+"pods"] = map[string]any{"items": []any{pod}}
		case "secretproviderclass":
			f.objects["/apis/secrets-store.csi.x-k8s.io/v1"+of+"secretproviderclasses/"+meta["name"].(string)] = o
		default:
			f.objects["/api/v1"+of+kind+"s/"+meta["name"].(string)] = o
		}
	}
}

func (f *bigFleet) serveObjects(w http.ResponseWriter, r *http.Request) {
	if account, isToken := strings.CutSuffix(r.URL.Path, "/token"); isToken {
		parts := strings.Split(account, "/")
		token, _ := f.kubernetes.Token(parts[4], parts[6])
		writeTestJSON(w, map[string]any{"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "status": map[string]any{"token": token, "expirationTimestamp": time.Now().Add(time.Hour)}})
		return
	}
	if o := f.objects[r.URL.Path]; o != nil {
		writeTestJSON(w, o)
		return
	}
	w.WriteHeader(http.StatusNotFound)
	writeTestJSON(w, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": http.StatusNotFound})
}

// serveClients is an Aidbox that has every Client, and takes the value for each.
func serveClients(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/health" {
		writeTestJSON(w, map[string]any{"status": "pass", "description": "health of aidbox", "about": map[string]any{"version": "2602"}})
		return
	}
	_, password, _ := r.BasicAuth()
	if password != fleetSecret {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	id := strings.TrimPrefix(r.URL.Path, "/fhir/Client/")
	writeTestJSON(w, map[string]any{"resourceType": "Client", "id": id, "grant_types": []string{"basic"}, "_secret": map[string]any{"extension": []any{
		map[string]any{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"},
		map[string]any{"url": "http://health-samurai.io/fhir/secret-reference", "valueString": "client-secret"},
	}}})
}

func writeTestJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

// heapPeak samples the heap until stop is called, which returns the most that came to what
// other tests have left.
func heapPeak() (stop func() uint64) {
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	most := before.HeapInuse
	done, ended := make(chan struct{}), sync.WaitGroup{}
	ended.Go(func() {
		for {
			var is runtime.MemStats
			runtime.ReadMemStats(&is)
			most = max(most, is.HeapInuse)
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	return func() uint64 { close(done); ended.Wait(); return most - before.HeapInuse }
}

func TestVerifyOfManyDeliveriesIsBounded(t *testing.T) {
	n := 60
	if *thorough {
		n = 500
	}
	f := newBigFleet(t, n)
	f.objects["/apis/apps/v1/namespaces/n25/deployments/aidbox"] = nil
	f.open.most.Store(f.open.now.Load())
	stop := heapPeak()
	begun := time.Now()
	code, out, stderr := f.run("verify", "workload", "store", "client", "auth")
	heap := stop() >> 20
	t.Logf("%s, %d MiB, at most %d connections", time.Since(begun), heap, f.open.most.Load())
	if code != 1 {
		t.Fatalf("exit code %d\n%.3000s\n%.3000s", code, out, stderr)
	}
	if most := f.open.most.Load(); most > 40 {
		t.Errorf("%d connections at a time", most)
	}
	if heap > 200 {
		t.Errorf("%d MiB", heap)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if !strings.HasPrefix(out, "d25\n") || strings.Count(out, "\n√ d") != n-1 {
		t.Errorf("the report begins %.2000s", out)
	}
	t.Log("\n" + strings.Join(lines[:min(len(lines), 24)], "\n"))
}

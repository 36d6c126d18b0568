package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/streaming/pkg/httpstream"
)

const (
	app  = "aidbox" // the container with a shell
	bare = "bare"   // the one without
	file = "/run/vault-secrets/client-secret"
)

// TestRealCluster does everything with the documented rights only.
func TestRealCluster(t *testing.T) {
	s := newFixture(t)
	c := s.documented(t)
	var w Workload
	eventually(t, "the Deployment settles", func(ctx context.Context) bool {
		var err error
		w, err = c.Workload(ctx, s.namespace, "Deployment", app)
		return err == nil && w.Observed && w.Ready == w.Desired && len(w.Pods) == int(w.Desired)
	})
	pod := w.Pods[0]
	t.Run("workload", func(t *testing.T) { wantWorkload(t, w) })
	for name, c := range map[string]*Cluster{"WebSocket": c, "SPDY": withoutWebSocket(t, c)} {
		t.Run("files over "+name, func(t *testing.T) { wantFiles(t, c, pod) })
		t.Run("watch over "+name, func(t *testing.T) { wantWatch(t, c, pod) })
		t.Run("pods that cannot be read over "+name, func(t *testing.T) { wantNotRunning(t, c, s.namespace) })
		t.Run("ports over "+name, func(t *testing.T) { wantPorts(t, c, pod) })
		t.Run("nobody over "+name, func(t *testing.T) { wantForbidden(t, withoutWebSocketIf(t, s.as(t, "nobody"), name == "SPDY"), pod) })
	}
	t.Run("objects", func(t *testing.T) { wantObjects(t, c, s, w) })
	t.Run("driver", func(t *testing.T) { wantDriver(t, c, s, pod) })
	t.Run("diagnosis", func(t *testing.T) { wantDiagnosis(t, c, pod) })
	t.Run("token", func(t *testing.T) { wantToken(t, c, s) })
	t.Run("nudge", func(t *testing.T) { wantNudge(t, c, pod) })
	t.Run("dry run", func(t *testing.T) { wantDryRun(t, c, s) })
}

// withoutWebSocket returns a Cluster behind a proxy that lets no WebSocket through.
func withoutWebSocket(t *testing.T, c *Cluster) *Cluster {
	t.Helper()
	config := rest.CopyConfig(c.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(req *http.Request) (*http.Response, error) {
			if req.Header["Sec-Websocket-Protocol"] != nil {
				return nil, &httpstream.UpgradeFailureError{Cause: errors.New("no WebSocket here")}
			}
			return next.RoundTrip(req)
		})
	})
	spdy, err := newCluster(config, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return spdy
}

func withoutWebSocketIf(t *testing.T, c *Cluster, so bool) *Cluster {
	t.Helper()
	if so {
		return withoutWebSocket(t, c)
	}
	return c
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func wantWorkload(t *testing.T, w Workload) {
	if len(w.Pods) != 2 || w.Desired != 2 || w.PodAnnotations["example.org/checksum"] != "abc" {
		t.Errorf("workload is %+v", w)
	}
	if strings.Contains(fmt.Sprintf("%+v", w), "canary") {
		t.Error("the value of an environment variable is in the workload")
	}
	for _, p := range w.Pods {
		if !p.Current || !p.Ready || p.Node == "" || p.UID == "" || !p.Status(app).Running || p.Status(app).StartedAt.IsZero() {
			t.Errorf("pod is %+v", p)
		}
		var mounts []string
		for _, m := range p.Spec.SecretMounts("aidbox-vault-secrets") {
			mounts = append(mounts, fmt.Sprintf("%s %s %t", m.Path, m.SubPath, m.Volume.ReadOnly))
		}
		want := []string{"/run/vault-secrets  true", "/stale client-secret true", "/run/vault-secrets  true"}
		if diff := cmp.Diff(want, mounts); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff("/etc/aidbox/vault-config.json", p.Spec.Containers[0].VaultConfig); diff != "" {
			t.Error(diff)
		}
	}
}

func wantObjects(t *testing.T, c *Cluster, s *fixture, w Workload) {
	if a, err := c.ServiceAccount(t.Context(), s.namespace, app); a["example.org/owner"] != "tests" || err != nil {
		t.Errorf("annotations are %v, %v", a, err)
	}
	if data, err := c.ConfigMap(t.Context(), s.namespace, "aidbox-vault-config"); data["vault-config.json"] != `{"secret": {}}` || err != nil {
		t.Errorf("data are %v, %v", data, err)
	}
	class, err := c.SecretProviderClass(t.Context(), s.namespace, "aidbox-vault-secrets")
	if class.Provider != "vault" || class.Parameters["roleName"] != s.namespace || err != nil {
		t.Errorf("class is %+v, %v", class, err)
	}
	_, err = s.admin.SecretProviderClass(t.Context(), s.namespace, "absent")
	wantError(t, err, fs.ErrNotExist, "secretproviderclasses/absent in namespace "+s.namespace+": not found")
	_, err = s.admin.Workload(t.Context(), s.namespace, "Deployment", "absent")
	wantError(t, err, fs.ErrNotExist, "deployments/absent")

	statuses, err := c.PodStatuses(t.Context(), s.namespace)
	if len(statuses) != 2 || err != nil {
		t.Fatalf("statuses are %+v, %v", statuses, err)
	}
	for _, status := range statuses {
		if !slices.ContainsFunc(w.Pods, func(p Pod) bool { return p.UID == status.PodUID }) || !status.Mounted || status.SecretProviderClass != "aidbox-vault-secrets" ||
			status.Versions["client-secret"] == "" || time.Since(status.Changed) > time.Hour {
			t.Errorf("status is %+v", status)
		}
	}
}

func wantDriver(t *testing.T, c *Cluster, s *fixture, pod Pod) {
	d, err := c.CSIDriver(t.Context())
	if !d.RequiresRepublish || err != nil {
		t.Errorf("driver is %+v, %v", d, err)
	}
	if nodes, err := c.DriverNodes(t.Context()); !slices.Contains(nodes, pod.Node) || err != nil {
		t.Errorf("nodes are %v, %v", nodes, err)
	}
	crds, err := c.CRDs(t.Context())
	if err != nil || !slices.Contains(crds["secretproviderclasses"], "v1") || !slices.Contains(crds["secretproviderclasspodstatuses"], "v1") {
		t.Errorf("CRDs are %v, %v", slices.Collect(maps.Keys(crds)), err)
	}
	agents, err := c.Agents(t.Context())
	if err != nil {
		t.Error(err)
	}
	for _, a := range agents { // none where the driver is no DaemonSet
		wantAgent(t, s.admin, a, pod.Node)
	}
	agent := Agent{Namespace: s.namespace, Name: "agent", selector: "app=agent"}
	eventually(t, "the agent's pod is there", func(ctx context.Context) bool {
		p, err := c.AgentPod(ctx, agent, pod.Node)
		return err == nil && strings.HasPrefix(p.Name, "agent-")
	})
	_, err = c.AgentPod(t.Context(), agent, "other")
	wantError(t, err, fs.ErrNotExist, "no pod on node other")
}

func wantAgent(t *testing.T, c *Cluster, a Agent, node string) {
	p, err := c.AgentPod(t.Context(), a, node)
	if err != nil {
		t.Fatal(err)
	}
	if lines, err := c.Logs(t.Context(), p, a.Container, time.Time{}, ""); len(lines) == 0 || err != nil {
		t.Errorf("%s %s logs nothing: %v", a.Role, p.Name, err)
	}
}

func wantDiagnosis(t *testing.T, c *Cluster, pod Pod) {
	eventually(t, "the stuck pod has a warning", func(ctx context.Context) bool {
		events, err := c.Events(ctx, pod.Namespace, "Pod", "stuck")
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range events {
			if i > 0 && e.Time.After(events[i-1].Time) {
				t.Errorf("events are not newest first: %+v", events)
			}
		}
		return slices.ContainsFunc(events, func(e Event) bool {
			return e.Warning && e.Reason == "FailedMount" && !e.Time.IsZero() && strings.Contains(e.Message, "absent") && !strings.Contains(e.Message, "\n")
		})
	})
	if lines, err := c.Logs(t.Context(), pod, app, time.Now().Add(-time.Hour), "started", "other"); !slices.Equal(lines, []string{"started"}) || err != nil {
		t.Errorf("lines are %q, %v", lines, err)
	}
	if lines, err := c.Logs(t.Context(), pod, app, time.Time{}, "other"); len(lines) != 0 || err != nil {
		t.Errorf("lines are %q, %v", lines, err)
	}
}

// wantToken has Vault review the token.
func wantToken(t *testing.T, c *Cluster, s *fixture) {
	token, err := c.ServiceAccountToken(t.Context(), s.namespace, app, []string{"vault"}, 10*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	login, err := s.vault.Logical().Write("auth/"+s.namespace+"/login", map[string]any{"role": s.namespace, "jwt": string(token.Reveal())})
	if err != nil || login.Auth == nil || login.Auth.ClientToken == "" {
		t.Errorf("login: %v", err)
	}
	if _, err := c.ServiceAccountToken(t.Context(), s.namespace, app, nil, time.Second); err == nil || !strings.Contains(err.Error(), "answered 422") {
		t.Errorf("a token for a second: %v", err)
	}
}

func wantNudge(t *testing.T, c *Cluster, pod Pod) {
	if err := c.Nudge(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	live, err := get[corev1.Pod](t.Context(), c, coreObject("pods", pod.Namespace, pod.Name), nil)
	if err != nil || live.Annotations[nudgeAnnotation] == "" {
		t.Errorf("annotations are %v, %v", live.Annotations, err)
	}
	if diff := cmp.Diff(pod.Statuses, newPod(live).Statuses); diff != "" {
		t.Errorf("the pod is another one: %s", diff)
	}
	pod.UID = "00000000-0000-0000-0000-000000000000"
	if err := c.Nudge(t.Context(), pod); err == nil || !strings.Contains(err.Error(), "answered 422") {
		t.Errorf("a pod that was replaced: %v", err)
	}
}

func wantDryRun(t *testing.T, c *Cluster, s *fixture) {
	object := func(text string) []byte { return []byte(strings.ReplaceAll(text, "NAMESPACE", s.namespace)) }
	changed, err := c.DryRunApply(t.Context(), object(`{"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": {"name": "aidbox-vault-config", "namespace": "NAMESPACE"}, "data": {"vault-config.json": "{}"}}`))
	if err != nil {
		t.Fatal(err)
	}
	var live, merged map[string]any
	if err := errors.Join(json.Unmarshal(changed.Live, &live), json.Unmarshal(changed.Merged, &merged)); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "aidbox-vault-config", "namespace": s.namespace},
		"data": map[string]any{"vault-config.json": `{"secret": {}}`},
	}
	if diff := cmp.Diff(want, live); diff != "" {
		t.Error(diff)
	}
	want["data"] = map[string]any{"vault-config.json": "{}"}
	if diff := cmp.Diff(want, merged); diff != "" {
		t.Error(diff)
	}
	if data, err := c.ConfigMap(t.Context(), s.namespace, "aidbox-vault-config"); data["vault-config.json"] != `{"secret": {}}` || err != nil {
		t.Errorf("the dry run changed it: %v, %v", data, err)
	}

	made, err := s.admin.DryRunApply(t.Context(), object(`{"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass",
		"metadata": {"name": "new", "namespace": "NAMESPACE"}, "spec": {"provider": "vault"}}`))
	if made.Live != nil || made.Merged == nil || err != nil {
		t.Errorf("%+v, %v", made, err)
	}
	for text, want := range map[string]string{
		`{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "aidbox", "namespace": "NAMESPACE"}, "spec": {"replica": 1}}`: "replica",
		`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "absent"}}`:                                       `namespaces "absent" not found`,
		`{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": "NAMESPACE"}, "stringData": {"a": "canary"}}`:        "is not compared",
		`{"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "x", "namespace": "NAMESPACE"}}`:                            "does not serve",
		`{"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "x", "namespace": "NAMESPACE"}}`:                                        "does not serve",
		`{`: "the object to compare",
	} {
		_, err := s.admin.DryRunApply(t.Context(), object(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: error is %v, want %q", text, err, want)
		}
		t.Log(err)
	}
}

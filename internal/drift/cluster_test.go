package drift

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/diff"
	"github.com/secretctl/secretctl/internal/render"
)

func TestNoValueThatMayBeSecretIsShown(t *testing.T) {
	const live = `{"kind": "Deployment", "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "canary"}},
		"data": {"password": "canary-x", "vault-config.json": "{\"secret\": {\"a\": {\"path\": \"/x\"}}}"},
		"spec": {"template": {"spec": {"initContainers": [{"name": "i", "env": [{"name": "A", "value": "canary-a"}]}], "containers": [{
			"name": "aidbox", "image": "a:1", "args": ["--password=canary-b"], "command": ["canary-c"],
			"env": [{"name": "B", "valueFrom": {"secretKeyRef": {"name": "canary-d"}}}],
			"readinessProbe": {"httpGet": {"path": "/health", "httpHeaders": [{"name": "Authorization", "value": "canary-e"}]}, "exec": {"command": ["canary-f"]}}
		}]}}}}`
	const merged = `{"kind": "Deployment", "metadata": {},
		"data": {"vault-config.json": "{\"secret\": {\"a\": {\"path\": \"/y\"}}}"},
		"spec": {"template": {"spec": {"containers": [{"name": "aidbox", "image": "a:2", "env": [{"name": "C", "value": "canary-g"}]}]}}}}`
	fields, err := fieldsOf(cluster.Comparison{Live: []byte(live), Merged: []byte(merged)})
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, f := range fields {
		got += f.String() + "\n"
	}
	for _, want := range []string{
		`data["vault-config.json"].secret.a.path: "/x" -> "/y"`, "data.password: differs (not shown)",
		`spec.template.spec.containers[aidbox].image: "a:1" -> "a:2"`, "env[B].name: differs (not shown)", "env[C].value: differs (not shown)",
		"initContainers[i].env[A].value: differs (not shown)", "args[0]: differs (not shown)", "readinessProbe.exec.command[0]: differs (not shown)",
		"httpHeaders[Authorization].value: differs (not shown)",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	text, _ := json.Marshal(fields)
	if strings.Contains(got+string(text), "canary") || strings.Contains(got, "last-applied") {
		t.Errorf("shows too much:\n%s", got)
	}
	for _, c := range []cluster.Comparison{{Live: []byte("canary"), Merged: []byte(merged)}, {Live: []byte(live), Merged: []byte("canary")}} {
		if _, err := fieldsOf(c); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("got %v", err)
		}
	}
}

func TestObjectThatTheClusterRefusesDiffers(t *testing.T) {
	const refused = `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": %d, "message": "spec.selector: field is immutable"}`
	for name, tt := range map[string]struct {
		live, code  int
		patch       string
		want        State
		says, hints string
	}{
		"unchangeable": {200, 422, "", Different, "cannot be applied: ", "delete the object and apply it again"},
		"new":          {404, 422, "", Absent, "cannot be created: ", ""},
		"of a patch":   {200, 422, "web", Unknown, "field is immutable", "with a container web?"},
		"busy":         {200, 429, "web", Unknown, "answered 429", ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				code, body := tt.live, `{"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "aidbox"}}`
				switch {
				case r.URL.Path == "/apis/apps/v1":
					code, body = 200, `{"resources": [{"name": "deployments", "singularName": "deployment", "namespaced": true, "kind": "Deployment"}]}`
				case r.Method == http.MethodPatch:
					code, body = tt.code, fmt.Sprintf(refused, tt.code)
				case code == 404:
					body = fmt.Sprintf(refused, 404)
				}
				w.WriteHeader(code)
				_, _ = io.WriteString(w, body)
			}))
			defer server.Close()
			kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
			text := fmt.Sprintf(`{"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c"}}], "clusters": [{"name": "c", "cluster": {"server": %q}}]}`, server.URL)
			if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := cluster.Connect(cluster.Options{Kubeconfig: kubeconfig})
			if err != nil {
				t.Fatal(err)
			}
			got, err := InCluster(t.Context(), c, []render.Object{{
				Kind: "Deployment", Namespace: "default", Name: "aidbox", Patch: tt.patch,
				JSON: []byte(`{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "aidbox", "namespace": "default"}}`),
			}})
			if err != nil || len(got) != 1 {
				t.Fatalf("%v, %v", got, err)
			}
			if o := got[0]; o.State != tt.want || !strings.Contains(o.Detail, tt.says) || !strings.Contains(o.Hint, tt.hints) || tt.hints == "" && o.Hint != "" {
				t.Errorf("%+v", o)
			}
		})
	}
}

func TestLabelsOfTheDeployerAreNoDifference(t *testing.T) {
	for _, tt := range []struct {
		path, before string
		want         bool
	}{
		{`metadata.labels["app.kubernetes.io/instance"]`, `"argo-app"`, true},
		{`metadata.labels["app.kubernetes.io/instance"]`, "", false},
		{`metadata.labels["app.kubernetes.io/managed-by"]`, `"Helm"`, true},
		{`metadata.labels["app.kubernetes.io/managed-by"]`, `"hand"`, false},
		{`spec.template.metadata.labels["app.kubernetes.io/instance"]`, `"x"`, false},
	} {
		f := diff.Field{Path: tt.path}
		if tt.before != "" {
			f.Before = json.RawMessage(tt.before)
		}
		if got := byDeployer(f); got != tt.want {
			t.Errorf("%s from %s: %v", tt.path, tt.before, got)
		}
	}
}

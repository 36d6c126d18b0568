package drift

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/diff"
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

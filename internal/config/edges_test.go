package config

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
)

func TestEdgesAreRefused(t *testing.T) {
	wantProblems(t, problemCases{
		"Azure without its section":    {"provider: azure\n", "azure.keyVault: is missing"},
		"text that does not print":     {"resources: [{type: Client, id: c, secrets: {secret: s}, body: {a: \"x\\u0007\"}}]\n", "resources[0].body.a: has a character that does not print"},
		"list for a text":              {"name: [a]\n", "name: expected text, found a list; write one text"},
		"admin's variable":             {"aidbox: {admin: {secret: {env: \"hunter2 x\"}}}\n", "aidbox.admin.secret.env: must be the name of an environment variable"},
		"key without a value":          {"resources:\n- type: Client\n  id: c\n  secrets:\n    secret:\n", "5:5: resources[0].secrets: has a key without a value"},
		"object that has another name": {azure("secrets: [{name: a.b, objectName: \"a b\", scope: [Client]}]\n"), "secrets[0].objectName: must be the name of a Key Vault secret"},
		"name that both refuse":        {azure("secrets: [{name: \"a/b\", scope: [Client]}]\n"), "secrets[0].name: must be a file name"},
	})
}

func TestProblemsComeInTheOrderOfTheirLines(t *testing.T) {
	got := problems(t, delivery("secrets: [{name: \"a b\", scope: [Client]}]\naidbox: {port: 70000}\nmountPath: x\n"))
	if slices.IsSortedFunc(got, func(a, b Problem) int { return a.Line - b.Line }) && len(got) == 3 {
		return
	}
	t.Errorf("%s", &Error{got})
}

func TestFilesAreNamedOnce(t *testing.T) {
	p := fileProblem("x.yaml", &fs.PathError{Op: "open", Path: "x.yaml", Err: fs.ErrPermission})
	if p.String() != "x.yaml: permission denied" || !strings.Contains(p.Hint, "make it readable") {
		t.Errorf("%s; %s", p, p.Hint)
	}
	if docs := split("x.yaml", []byte("a: b\n---")); len(docs) != 2 {
		t.Errorf("%d documents", len(docs))
	}
}

func TestAzureFollowsFromItsSection(t *testing.T) {
	all, err := Parse("x.yaml", []byte(delivery(azure("azure: {keyVault: Contoso, identity: {type: workload, clientID: 11111111-1111-1111-1111-111111111111}}\n"+
		"resources: [{type: Client, id: c, secrets: {secret: s}, accessPolicy: \"\"}]\n"))))
	if err != nil {
		t.Fatal(err)
	}
	d := all[0]
	if d.Secrets[0].KeyVault != "Contoso" || d.Resources[0].AccessPolicy != nil {
		t.Errorf("%+v", d)
	}
	if id := d.WorkloadIdentity(); id != "11111111-1111-1111-1111-111111111111" {
		t.Errorf("the pod stands for %q", id)
	}
	if !slices.Contains(d.Provisioned(), "identity\x0011111111-1111-1111-1111-111111111111") {
		t.Errorf("takes turns for %q", d.Provisioned())
	}
	d.Azure.Identity.Type = IdentityKubelet
	if id := d.WorkloadIdentity(); id != "" {
		t.Errorf("the pod of a node's identity stands for %q", id)
	}
	if id := mustLoad(t, "testdata/minimal.yaml")[0].WorkloadIdentity(); id != "" {
		t.Errorf("a pod for Vault stands for %q", id)
	}
}

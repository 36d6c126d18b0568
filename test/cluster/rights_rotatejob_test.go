package cluster_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

const (
	followNewest = "rotate client-secret --follow --rotation-deadline 2s"
	rotateDryRun = "rotate client-secret --dry-run"
	rotateLate   = "rotate client-secret --rotation-deadline 10ms" // before anything can arrive
)

// rotateJobRights has a row for each right of the rotate job that it fails or waits longer
// without.
var rotateJobRights = []missing{
	{right{"get", "deployments"}, followNewest, 3, `? rotation/store-updated...the verb "get" on "deployments"`},
	{right{"list", "replicasets"}, followNewest, 3, `? rotation/store-updated...the verb "list" on "replicasets"`},
	{right{"list", "pods"}, followNewest, 3, `? rotation/store-updated...the verb "list" on "pods"`},
	{right{"create", "pods/exec"}, overSPDY + followNewest, 3, `? rotation/mounted...the verb "create" on "pods/exec"`},
	{right{"get", "pods/exec"}, overWebSocket + followNewest, 3, `? rotation/store-updated`},
	{right{"create", "pods/portforward"}, overSPDY + followNewest, 3, `? rotation/new-accepted...the verb "create" on "pods/portforward"`},
	{right{"get", "pods/portforward"}, overWebSocket + followNewest, 3, `? rotation/new-accepted`},
	{right{"get", "csidrivers"}, followNewest, 0, "whether its CSIDriver object has requiresRepublish could not be read"},
	{right{"list", "daemonsets"}, followNewest, 0, "its version and flags are not known"},
}

// explaining is a right that a command works without. With it, the command says what is
// wrong once something is broken.
type explaining struct {
	right
	breakIt func(t *testing.T, rc *realCluster) (restore func())
	command string
	says    string
}

// rotateJobExplains has a row for each further right of the rotate job.
var rotateJobExplains = []explaining{
	{right{"get", "serviceaccounts"}, withoutObject("serviceaccount/aidbox"), rotateDryRun, "the new value would not arrive...serviceaccounts"},
	{right{"get", "secretproviderclasses"}, withoutObject("secretproviderclass/aidbox-vault-secrets"), rotateDryRun, "the new value would not arrive...secretproviderclasses"},
	{right{"create", "serviceaccounts/token"}, deletePolicy, rotateDryRun, "the new value would not arrive: the pod's login"},
	{right{"list", "csinodes"}, unregisterDriver, rotateLate, "the driver does not run on node"},
	{right{"list", "events"}, recordEvent, rotateLate, "event Tested: said in the test"},
	{right{"list", "secretproviderclasspodstatuses"}, nothing, rotate + " -o json", "pod status changed"},
}

func nothing(*testing.T, *realCluster) (restore func()) { return func() {} }

func withoutObject(name string) func(*testing.T, *realCluster) (restore func()) {
	return func(t *testing.T, rc *realCluster) (restore func()) {
		rc.kubectl(t, "", "delete", name)
		return func() { rc.apply(t) }
	}
}

func deletePolicy(t *testing.T, rc *realCluster) (restore func()) {
	if err := rc.vault.Sys().DeletePolicy(rc.namespace); err != nil {
		t.Fatal(err)
	}
	return func() { rc.ok(t, "provision --phase policy") }
}

// unregisterDriver takes the driver out of the CSINode, as the kubelet does when the driver
// leaves the node.
func unregisterDriver(t *testing.T, rc *realCluster) (restore func()) {
	patch := func(drivers string) {
		rc.kubectl(t, "", "patch", "csinode", "node1", "--type=merge", "-p", `{"spec": {"drivers": `+drivers+`}}`)
	}
	drivers := rc.kubectl(t, "", "get", "csinode", "node1", "-o", "jsonpath={.spec.drivers}")
	patch("[]")
	return func() { patch(drivers) }
}

// recordEvent records a warning about each pod that is newer than the rotation to come.
func recordEvent(t *testing.T, rc *realCluster) (restore func()) {
	for _, pod := range rc.pods(t, ".metadata.name") {
		event, err := json.Marshal(map[string]any{
			"apiVersion": "v1", "kind": "Event", "metadata": map[string]string{"generateName": "tested-"},
			"involvedObject": map[string]string{"kind": "Pod", "name": pod, "namespace": rc.namespace},
			"type":           "Warning", "reason": "Tested", "message": "said in the test", "lastTimestamp": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
		})
		if err != nil {
			t.Fatal(err)
		}
		rc.kubectl(t, string(event), "create", "-f", "-")
	}
	return func() { rc.kubectl(t, "", "delete", "events", "--field-selector=reason=Tested") }
}

// checkRotateJobRights takes the rights of the rotate job away one by one.
func (rc *realCluster) checkRotateJobRights(t *testing.T) {
	job := rc.renderedRoles(t, "render --only rotate-job --image x:1 --allow-http")
	rows := rotateJobRights
	for _, e := range rotateJobExplains {
		rows = append(rows, missing{right: e.right})
	}
	everyRight(t, job, rows...)
	kubeconfig := rc.runner(t, "rotate-job", job...)
	const asJob = " --aidbox-url service"
	rows = nil
	for _, m := range rotateJobRights {
		m.command += asJob
		rows = append(rows, m)
	}
	rc.take(t, kubeconfig, job, rows)
	for _, e := range rotateJobExplains {
		t.Run(e.verb+" "+strings.ReplaceAll(e.resource, "/", " "), func(t *testing.T) {
			defer e.breakIt(t, rc)()
			r, command := holderOf(t, job, e.right), e.command+asJob+" --kubeconfig "+kubeconfig
			explains := func() bool {
				_, out, said := rc.run(t, command)
				return inOrder(out+said, strings.Split(e.says, "..."))
			}
			if !eventually(t, 20*time.Second, explains) {
				t.Fatalf("with every right, secretctl %s never says %q", e.command, e.says)
			}
			rc.grant(t, r, r.without(e.right))
			defer rc.grant(t, r, r.rules)
			if !eventually(t, 20*time.Second, func() bool { return !explains() }) {
				t.Errorf("without the right, secretctl %s still says %q", e.command, e.says)
			}
		})
	}
}

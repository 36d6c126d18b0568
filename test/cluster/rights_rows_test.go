package cluster_test

import (
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
)

// neededRights has a row for each right that "render --only rbac --nudge" prints, and those
// that doctor --from-node takes besides.
var neededRights = []missing{
	{right{"get", "deployments"}, "verify workload", 3, `? workload/deployment...the verb "get" on "deployments"`},
	{right{"list", "replicasets"}, "verify workload", 3, `? workload/deployment...the verb "list" on "replicasets"`},
	{right{"list", "pods"}, "verify workload", 3, `? workload/deployment...the verb "list" on "pods"`},
	{right{"get", "serviceaccounts"}, "verify workload", 3, `? workload/service-account...the verb "get" on "serviceaccounts"`},
	{right{"get", "configmaps"}, "verify workload", 3, `? workload/vault-config...the verb "get" on "configmaps"`},
	{right{"get", "secretproviderclasses"}, "verify workload", 3, `? workload/secret-provider-class...the verb "get" on "secretproviderclasses"`},
	{right{"list", "secretproviderclasspodstatuses"}, "verify mount", 3, `? mount/status...the verb "list" on "secretproviderclasspodstatuses"`},
	{right{"create", "pods/exec"}, overSPDY + "verify mount", 3, `? mount/present...the verb "create" on "pods/exec"`},
	{right{"get", "pods/exec"}, overWebSocket + "verify mount", 3, `? mount/present`},
	{right{"create", "pods/portforward"}, overSPDY + "verify auth", 3, `? auth/accepts-secret...the verb "create" on "pods/portforward"`},
	{right{"get", "pods/portforward"}, overWebSocket + "verify auth", 3, `? auth/accepts-secret`},
	{right{"get", "services"}, "verify auth", 3, `? auth/accepts-secret...the verb "get" on "services"`},
	{right{"list", "endpointslices"}, "verify auth", 3, `? auth/accepts-secret...the verb "list" on "endpointslices"`},
	{right{"create", "serviceaccounts/token"}, "doctor", 3, `? store/pod-can-read...the verb "create" on "serviceaccounts/token"`},
	{right{"get", "csidrivers"}, "doctor", 3, `? cluster/csi-driver...the verb "get" on "csidrivers"`},
	{right{"list", "csinodes"}, "doctor", 3, `? cluster/csi-driver...the verb "list" on "csinodes"`},
	{right{"list", "daemonsets"}, "doctor", 3, `? cluster/provider...the verb "list" on "daemonsets"`},
	{right{"patch", "pods"}, rotate + " --nudge", 0, `! rotation/mounted...could not be annotated...the verb "patch" on "pods"`},
	{right{"get", "pods"}, fromNode, 3, `? store/pod-can-read...the verb "get" on "pods"`},
	{right{"list", "events"}, fromNode, 3, `? store/pod-can-read...the verb "list" on "events"`},
	{right{"create", "pods"}, fromNode, 3, `? store/pod-can-read...the verb "create" on "pods"`},
	{right{"delete", "pods"}, fromNode, 0, `! store/pod-can-read...could not be deleted`},
	{right{"patch", "deployments"}, diffCluster, 3, `? Deployment...the verb "patch" on "deployments"`},
	{right{"patch", "serviceaccounts"}, diffCluster, 3, `? ServiceAccount...the verb "patch" on "serviceaccounts"`},
	{right{"patch", "configmaps"}, diffCluster, 3, `? ConfigMap...the verb "patch" on "configmaps"`},
	{right{"patch", "secretproviderclasses"}, diffCluster, 3, `? SecretProviderClass...the verb "patch" on "secretproviderclasses"`},
}

const diffCluster = "diff --only cluster"

// creatingRights are needed where the objects do not exist yet.
var creatingRights = []missing{
	{right{"create", "deployments"}, diffCluster, 3, "? Deployment...forbidden"},
	{right{"create", "serviceaccounts"}, diffCluster, 3, "? ServiceAccount...forbidden"},
	{right{"create", "configmaps"}, diffCluster, 3, "? ConfigMap...forbidden"},
	{right{"create", "secretproviderclasses"}, diffCluster, 3, "? SecretProviderClass...forbidden"},
}

// jobRights has those of the verify job, where Aidbox is reached by a Service and where not.
var jobRights = map[string][]missing{
	"service/aidbox": {
		{right{"get", "services"}, "verify client auth", 3, `? client/exists...the verb "get" on "services"`},
		{right{"list", "endpointslices"}, "verify client auth", 3, `? client/exists...the verb "list" on "endpointslices"`},
		{right{"create", "pods/portforward"}, overSPDY + "verify client auth", 3, `? client/exists...the verb "create" on "pods/portforward"`},
		{right{"get", "pods/portforward"}, overWebSocket + "verify client auth", 3, `? client/exists`},
	},
	"service": {
		{right{"get", "deployments"}, "verify client auth", 3, `? client/exists...the verb "get" on "deployments"`},
		{right{"list", "replicasets"}, "verify client auth", 3, `? client/exists...the verb "list" on "replicasets"`},
		{right{"list", "pods"}, "verify client auth", 3, `? client/exists...the verb "list" on "pods"`},
		{right{"create", "pods/portforward"}, overSPDY + "verify client auth", 3, `? client/exists...the verb "create" on "pods/portforward"`},
		{right{"get", "pods/portforward"}, overWebSocket + "verify client auth", 3, `? client/exists`},
	},
}

// TestRealClusterRights runs the commands with exactly the rights that render prints. Then
// it takes one after the other away: each time a command misses it.
func TestRealClusterRights(t *testing.T) {
	rc := newRealCluster(t, "rights", "replicas: 2", "replicas: 1", "url: service", "url: service/aidbox", "secrets:\n", "rotateJob: {secrets: [client-secret]}\nsecrets:\n")
	rc.kubectl(t, `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "aidbox"},
		"spec": {"selector": {"app.kubernetes.io/name": "aidbox"}, "ports": [{"port": 8080}]}}`, "apply", "-f", "-")
	roles := append(rc.renderedRoles(t, "render --only rbac --nudge"), role{"Role", "aidbox-from-node", []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"create", "delete"}},
	}})
	everyRight(t, roles, slices.Concat(neededRights, creatingRights)...)
	runner := rc.runner(t, "runner", roles...)
	for _, command := range []string{
		"verify --all --secret client-secret --rotation-deadline 25s", rotate, rotate + " --nudge", rotate + " --dry-run", rotate + " --follow",
		"doctor", fromNode, "diff", "status", "client get", "client apply", "init --from-deployment aidbox --namespace rights --config adopted.yaml",
	} {
		t.Run(command, func(t *testing.T) {
			code, out, said := rc.run(t, command+" --kubeconfig "+runner)
			if code != 0 || strings.Contains(out+said, "forbidden") || strings.Contains(out+said, "rbac.md") {
				t.Errorf("exit code %d\n%s%s", code, out, said)
			}
		})
	}
	t.Run("without", func(t *testing.T) { rc.take(t, runner, roles, neededRights) })
	for address, rows := range jobRights {
		t.Run("verify job at "+strings.ReplaceAll(address, "/", " "), func(t *testing.T) {
			at := " --aidbox-url " + address
			job := rc.renderedRoles(t, "render --only verify-job --image x:1 --allow-http"+at)
			everyRight(t, job, rows...)
			for i := range job {
				job[i].name = strings.ReplaceAll(address, "/", "-")
			}
			rows = slices.Clone(rows)
			for i := range rows {
				rows[i].command += " --target local" + at
			}
			rc.take(t, rc.runner(t, job[0].name, job...), job, rows)
		})
	}
	t.Run("rotate job", rc.checkRotateJobRights)
	rc.kubectl(t, "", "delete", "deployment/aidbox", "serviceaccount/aidbox", "configmap/aidbox-vault-config", "secretproviderclass/aidbox-vault-secrets")
	t.Run("nothing applied, and without", func(t *testing.T) { rc.take(t, runner, roles, creatingRights) })
}

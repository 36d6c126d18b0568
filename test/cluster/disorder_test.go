package cluster_test

import "testing"

const (
	accepted = "rotation/new-accepted"
	restarts = "rotation/no-restart"
)

// disorder is what is half right: rights that are missing, pods that come and go, others
// that do the same work at the same time.
var disorder = []fault{
	// Who asks, and whom.
	{"no right to exec", withoutRights("pods/exec"), asBefore, []expectation{
		{rotate, mounted, "unknown", `forbidden...rotation/new-accepted shows whether it arrived...the verb "create" on "pods/exec"`},
		{rotate, accepted, "pass", "answered 200"},
		{mount, "mount/present", "unknown", `forbidden...the verb "create" on "pods/exec"`},
	}},
	{"no right to forward ports", withoutRights("pods/portforward"), asBefore, []expectation{
		{"verify auth", "auth/accepts-secret", "unknown", `the verb "create" on "pods/portforward"`},
		{rotate, updated, "unknown", `nothing was written...the verb "create" on "pods/portforward"`},
	}},
	{"API server gone meanwhile", apiServerGone, asBefore, []expectation{
		{rotate, mounted, "unknown", "connection refused...rotation/new-accepted shows whether it arrived"},
		{rotate, accepted, "pass", "aidbox.url: GET /fhir/Patient answered 200"},
		{rotate, restarts, "unknown", "connection refused"},
	}},
	{"API server hangs", apiServerHangs, asBefore, []expectation{
		{workload, "cluster/api", "unknown", "no answer in"},
		{rotate, updated, "unknown", "no answer in...nothing was written"},
	}},
	{"login to the cluster expired", loginExpired, asBefore, []expectation{
		{workload, "cluster/api", "unknown", "does not accept the credentials...kubectl auth whoami"},
		{rotate, updated, "unknown", "does not accept the credentials...nothing was written...kubectl auth whoami"},
	}},
	{"store token may not read", tokenWithoutRights, asBefore, []expectation{
		{mount, "mount/matches-store", "unknown", "permission denied"},
	}},
	{"another server at aidbox.url", aidboxIsVault, asBefore, []expectation{
		{"verify auth", "auth/accepts-secret", "unknown", "not Aidbox but...set the address of Aidbox itself"},
	}},

	// Pods that do not serve.
	{"container restarts", (*realCluster).crash, (*realCluster).deletePods, []expectation{
		{mount, "mount/present", "unknown", "the container does not run: CrashLoopBackOff"},
		{mount, "", never, "missing in the container"},
	}},
	{"sidecar crashes", (*realCluster).addCrashingSidecar, (*realCluster).removeSidecar, []expectation{
		{workload, deployment, "fail", "container sidecar"},
	}},
	{"Deployment paused", (*realCluster).pause, (*realCluster).resume, []expectation{
		{workload, deployment, "warn", "is paused, and its template has changed...kubectl rollout resume"},
		{workload, "workload/vault-config", "warn", "is paused, so the pods were created for an earlier template"},
	}},
	{"Pending pod beside serving ones", (*realCluster).addPendingPod, (*realCluster).removePendingPod, []expectation{
		{workload, deployment, "fail", "is Pending; event FailedScheduling...kubectl describe pod"},
		{workload, "", never, "login"},
		{"verify client", "client/exists", "pass", "in Aidbox"},
		{rotate, mounted, "warn", "not followed: pod/aidbox-...container aidbox does not run"},
		{rotate, accepted, "pass", "answered 200"},
	}},
	{"rollout of an image that is not there", (*realCluster).rollOutNoImage, (*realCluster).reapply, []expectation{
		{workload, deployment, "fail", "Pull...kubectl describe pod"},
		{workload, "", never, "login"},
		{"verify client", "client/exists", "pass", "in Aidbox"},
		{rotate, mounted, "warn", "not followed: pod/aidbox-...container aidbox does not run"},
		{rotate, accepted, "pass", "answered 200"},
	}},
	{"Failed pod of an old template", (*realCluster).leaveFailedPod, deleteFailedPods, []expectation{
		{workload, deployment, "pass", "2 of 2 replicas ready, of the current template"},
	}},
	{"Aidbox hangs in one pod", (*realCluster).stopOneAidbox, (*realCluster).deletePods, []expectation{
		{rotate, updated, "unknown", "no answer in...nothing was written"},
	}},
	{"no room for pods", (*realCluster).forbidPods, (*realCluster).allowPods, []expectation{
		{newPods + workload, deployment, "fail", "exceeded quota"},
	}},

	// What changes during a rotation, or before it.
	{"another rotation meanwhile", (*realCluster).rotateToo, noop, []expectation{
		{meanwhile + rotateSlowly, mounted, "fail", "which somebody else wrote, replaced version...--follow"},
	}},
	{"Client not in Aidbox", (*realCluster).deleteClients, (*realCluster).applyClients, []expectation{
		{rotate, updated, "fail", "Client/basic, with the old value...answered 401...nothing was written...the Client may be missing in Aidbox"},
	}},
	{"versions destroyed", (*realCluster).destroyVersions, (*realCluster).provision, []expectation{
		{"doctor", "store/secret-present", "fail", "client-secret"},
		{"doctor", "", never, "undelete"},
	}},
	{"version deleted", deleteInVault("secret/data/NAMESPACE/client"), (*realCluster).provision, []expectation{
		{"doctor", "store/secret-present", "fail", "undelete"},
	}},
	{"scaled up meanwhile", (*realCluster).scaleUp, (*realCluster).reapply, []expectation{
		{meanwhile + rotate, mounted, "pass", "after the write"},
		{meanwhile + rotate, restarts, "pass", "2 pods"},
	}},
	{"container restarted meanwhile", (*realCluster).killOne, (*realCluster).deletePods, []expectation{
		{meanwhile + rotate, restarts, "fail", "container aidbox of pod/aidbox-...was restarted"},
	}},
	{"SecretProviderClass deleted meanwhile", deleteObject("secretproviderclass/aidbox-vault-secrets"), (*realCluster).reapply, []expectation{
		{meanwhile + rotate, mounted, "fail", "still the old value...not found...secretctl render"},
	}},
	{"Deployment deleted meanwhile", deleteObject("deployment/aidbox"), (*realCluster).reapply, []expectation{
		{meanwhile + rotate, restarts, "fail", "Deployment aidbox was deleted meanwhile"},
	}},
	{"ConfigMap of another config", (*realCluster).changeConfigMap, (*realCluster).reapply, []expectation{
		{workload, "workload/vault-config", "fail", "client-secret"},
	}},
}

// TestRealClusterFaultsInDisorder is [TestRealClusterFaults] for what is half right.
func TestRealClusterFaultsInDisorder(t *testing.T) {
	newRealCluster(t, "disorder-faults").checkFaults(t, disorder)
}

package cluster_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// fault is something that breaks, how it begins and ends, and the checks that must report
// it.
type fault struct {
	name       string
	begin, end func(*realCluster, *testing.T)
	expected   []expectation
}

// expectation is a command, one of its checks, the status of that check, and what its
// detail and hint say, where NAMESPACE stands for the namespace and "..." for any text. A
// command is repeated until the check says so; rotate runs once. With the status never, no
// check of the command says it.
type expectation struct{ command, check, status, says string }

const never = "never"

// Prefixes of a command.
const (
	newPods   = "new pods: "  // replace the pods first
	meanwhile = "meanwhile: " // begin the fault once the command has written to the store
)

const (
	rotate       = "rotate client-secret --rotation-deadline 5s"
	rotateSlowly = "rotate client-secret --rotation-deadline 25s" // longer than the provider waits for Vault
	workload     = "verify workload"
	mount        = "verify mount"
	fromNode     = "doctor --from-node"

	podCanRead = "store/pod-can-read"
	class      = "workload/secret-provider-class"
	deployment = "workload/deployment"
	updated    = "rotation/store-updated"
	mounted    = "rotation/mounted"
)

var faults = []fault{
	// The pod's login to the store.
	{"no ServiceAccount", deleteObject("serviceaccount/aidbox"), (*realCluster).recreateServiceAccount, []expectation{
		{"doctor", podCanRead, "unknown", "ServiceAccount NAMESPACE/aidbox does not exist...secretctl render --only ServiceAccount"},
		{newPods + workload, "workload/service-account", "fail", "so no pod can start...secretctl render"},
		{workload, deployment, "fail", `serviceaccount "aidbox" not found`},
	}},
	{"no auth method", (*realCluster).disableAuth, (*realCluster).recreateAuthMethod, []expectation{
		{"doctor", podCanRead, "fail", "no auth method at auth/NAMESPACE...secretctl provision"},
	}},
	{"tokens are not reviewed", (*realCluster).breakReviewer, (*realCluster).recreateAuthMethod, []expectation{
		{"doctor", podCanRead, "fail", "could not have the cluster review it...token_reviewer_jwt"},
	}},
	{"no role", deleteInVault("auth/NAMESPACE/role/NAMESPACE"), (*realCluster).provision, []expectation{
		{"doctor", podCanRead, "fail", `role "NAMESPACE" does not exist (answered 400...secretctl provision`},
		{newPods + workload, deployment, "fail", "FailedMount: Code: 400...invalid role name"},
	}},
	{"role for another account", setRoleField("bound_service_account_names", "other"), (*realCluster).provision, []expectation{
		{"doctor", podCanRead, "fail", `admits the ServiceAccounts "other", not "aidbox" (answered 403`},
		{newPods + workload, deployment, "fail", `FailedMount: Code: 403...not authorized...admits the ServiceAccounts "other"`},
	}},
	{"role for another namespace", setRoleField("bound_service_account_namespaces", "other"), (*realCluster).provision, []expectation{
		{"doctor", podCanRead, "fail", `admits the namespaces "other", not "NAMESPACE"`},
	}},
	{"role for another audience", setRoleField("audience", "elsewhere"), (*realCluster).provision, []expectation{
		{"doctor", podCanRead, "fail", `requires a token for the audience "elsewhere", and the pod's is for "vault" (answered 403...set vault.audience`},
		{newPods + workload, deployment, "fail", `FailedMount: Code: 403...audience...requires a token for the audience "elsewhere"`},
	}},
	{"role without the policy", setRoleField("token_policies", "other"), (*realCluster).provision, []expectation{
		{"doctor", podCanRead, "fail", `gives the policies "default", "other" and not "NAMESPACE"`},
	}},
	{"no policy", deleteInVault("sys/policies/acl/NAMESPACE"), (*realCluster).provision, []expectation{
		{"doctor", podCanRead, "fail", `policy "NAMESPACE" does not exist...secretctl provision --phase policy`},
		{rotate, updated, "fail", `the new value would not arrive...policy "NAMESPACE" does not exist; nothing was written`},
		{newPods + workload, deployment, "fail", "FailedMount: Code: 403...permission denied...does not exist"},
	}},
	{"policy for another path", (*realCluster).grantAnotherPath, (*realCluster).provision, []expectation{
		{"doctor", podCanRead, "fail", `policy "NAMESPACE" does not grant it`},
	}},
	{"no such path", deleteInVault("secret/metadata/NAMESPACE/client"), (*realCluster).provision, []expectation{
		{"doctor", "store/secret-present", "fail", "is not in the store...secretctl provision"},
		{newPods + workload, deployment, "fail", "FailedMount: Code: 404...is not in the store"},
	}},
	{"no such key", (*realCluster).writeAnotherKey, (*realCluster).provision, []expectation{
		{"doctor", "store/secret-present", "fail", "has no such key...available: other"},
		{"doctor", podCanRead, "fail", "has no such key"},
		{newPods + workload, deployment, "fail", "FailedMount...client-secret...has no such key"},
	}},

	// The applied objects.
	{"wrong role in the class", applyReplacing(`roleName: "NAMESPACE"`, `roleName: "absent"`), (*realCluster).reapply, []expectation{
		{newPods + workload, class, "fail", `roleName is "absent", not "NAMESPACE"...secretctl render --only SecretProviderClass`},
		{workload, deployment, "fail", `FailedMount: Code: 400...invalid role name...roleName is "absent"`},
	}},
	{"path without data/", applyReplacing("secret/data/NAMESPACE/client", "secret/NAMESPACE/client"), (*realCluster).reapply, []expectation{
		{newPods + workload, class, "fail", "without the data/ of KV version 2: secret/data/NAMESPACE/client"},
	}},
	{"no SecretProviderClass", deleteObject("secretproviderclass/aidbox-vault-secrets"), (*realCluster).reapply, []expectation{
		{workload, class, "fail", "not found...running pods keep their files, and get no new values"},
		{newPods + workload, deployment, "fail", "FailedMount: failed to get secretproviderclass...not found"},
		{mount, "mount/present", "fail", "the pod has not started...secretctl verify workload"},
	}},
	{"subPath", rollOutReplacing(subPath...), (*realCluster).reapply, []expectation{
		{workload, "workload/no-subpath", "fail", "which never changes...without subPath"},
		{mount, "mount/status", "fail", "does not go through ..data, so it keeps its first value"},
	}},
	{"no shell in the container", rollOutReplacing("aidbox-standin:1", "aidbox-bare:1"), (*realCluster).reapply, []expectation{
		{mount, "mount/present", "unknown", "tools to read files are missing in the container: sh...--target local in a Job...kubectl debug"},
		{rotate, mounted, "warn", "missing in the container...rotation/new-accepted shows whether it arrived"},
		{rotate, "rotation/new-accepted", "pass", "answered 200"},
	}},
	{"no replica", (*realCluster).scaleDown, (*realCluster).reapply, []expectation{
		{workload, deployment, "fail", "has 0 replicas...kubectl scale"},
		{mount, "mount/present", "fail", "deployment/aidbox has 0 replicas...kubectl scale"},
		{"verify auth", "auth/accepts-secret", "unknown", "has 0 replicas...kubectl scale"},
		{rotate, updated, "unknown", "deployment/aidbox has 0 replicas...nothing was written...kubectl scale"},
	}},
	{"no Deployment", deleteObject("deployment/aidbox"), (*realCluster).reapply, []expectation{
		{workload, deployment, "fail", "no Deployment aidbox in namespace"},
	}},

	// What shows only in the files of running pods.
	{"one replica stale", (*realCluster).leaveOnePodStale, endFault("rotation-off"), []expectation{
		{mount, "mount/matches-store", "fail", "differs from the store, version...stale"},
		{mount, "mount/matches-store", "pass", "equal to the store"},
	}},
	{"Ready and empty", (*realCluster).emptyOneMount, endFault("rotation-off"), []expectation{
		{mount, "mount/present", "fail", "/run/vault-secrets is EMPTY, and the pod is Running and Ready...kubectl delete pod -n NAMESPACE"},
	}},
	{"pod replaced meanwhile", (*realCluster).deletePod, noop, []expectation{
		{meanwhile + rotate, "rotation/no-restart", "fail", "pod/aidbox-...is "},
	}},

	// The driver, its provider, Vault, and the network between them.
	{"rotation off", beginFault("rotation-off"), endFault("rotation-off"), []expectation{
		{"doctor", "cluster/rotation-enabled", "fail", "--enable-secret-rotation=false...so it does not rotate...enableSecretRotation=true"},
		{rotate, updated, "fail", "so it does not rotate; nothing was written"},
	}},
	{"provider gone", beginFault("provider-gone"), endFault("provider-gone"), []expectation{
		{"doctor", "cluster/provider", "fail", "DaemonSet kube-system/vault-csi-provider has no pods"},
		{rotate, updated, "fail", "would not arrive: the provider does not run on node node1...nothing was written"},
		{newPods + workload, deployment, "fail", "is Pending...the provider does not run on node node1...kubectl describe"},
	}},
	{"policy deleted meanwhile", deleteInVault("sys/policies/acl/NAMESPACE"), (*realCluster).provision, []expectation{
		{meanwhile + rotate, mounted, "fail", `still the old value...policy "NAMESPACE" does not exist...secretctl provision --phase policy`},
	}},
	{"Vault sealed meanwhile", beginFault("vault-sealed"), endFault("vault-sealed"), []expectation{
		{meanwhile + rotate, mounted, "fail", "still the old value...sealed...vault operator unseal"},
		{"doctor", "store/reachable", "unknown", "sealed...vault operator unseal"},
		{newPods + workload, deployment, "fail", "FailedMount: Code: 503...sealed...vault operator unseal"},
	}},
	{"Vault hangs meanwhile", beginFault("vault-hangs"), endFault("vault-hangs"), []expectation{
		{meanwhile + rotate, mounted, "fail", "still the old value...no usable answer within 5s...does it hang"},
		{"doctor", "store/reachable", "unknown", "no usable answer within 5s"},
	}},
	{"packets to Vault lost", beginFault("vault-unreachable"), endFault("vault-unreachable"), []expectation{
		{rotateSlowly, mounted, "fail", "still the old value...logs in with role NAMESPACE and reads...log of the driver...check that the pod's node reaches the store"},
	}},
}

// TestRealClusterFaults breaks one thing after another and expects the right check to
// report it. It breaks what the whole cluster shares, and takes long with real intervals.
func TestRealClusterFaults(t *testing.T) {
	newRealCluster(t, "faults").checkFaults(t, faults)
}

// checkFaults begins and ends each fault, and logs what the checks said.
func (rc *realCluster) checkFaults(t *testing.T, faults []fault) {
	t.Helper()
	var table strings.Builder
	out := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			if f.needsPods() {
				rc.restoreHealth(t)
			}
			defer f.end(rc, t)
			if !strings.HasPrefix(f.expected[0].command, meanwhile) {
				f.begin(rc, t)
			}
			for i, said := range rc.findAll(t, f) {
				_, _ = fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", f.name, f.expected[i].command, said.ID, said.Status, said.Detail)
			}
		})
	}
	rc.restoreHealth(t)
	_ = out.Flush()
	t.Log("\n" + table.String())
}

// needsPods reports whether a command looks at pods that ran before the fault began.
func (f fault) needsPods() bool {
	for _, n := range f.expected {
		if strings.HasPrefix(n.command, newPods) {
			return false
		}
		if !strings.HasPrefix(n.command, "doctor") {
			return true
		}
	}
	return false
}

// findAll runs each command and returns the checks that met the expectations.
func (rc *realCluster) findAll(t *testing.T, f fault) (found []finding) {
	t.Helper()
	var checks []finding // of the last command
	for i, n := range f.expected {
		n.says = rc.in(n.says)
		said, ok := n.among(checks)
		if !ok || n.command != f.expected[i-1].command {
			said, checks = rc.find(t, f, n)
		}
		found = append(found, said)
	}
	return found
}

func (rc *realCluster) find(t *testing.T, f fault, n expectation) (said finding, checks []finding) {
	t.Helper()
	command, fresh := strings.CutPrefix(n.command, newPods)
	if fresh {
		rc.deletePods(t)
	}
	command, late := strings.CutPrefix(command, meanwhile)
	var begin func(*realCluster, *testing.T)
	timeout := 2 * time.Minute
	if late {
		begin = f.begin
	}
	if strings.HasPrefix(command, "rotate") {
		timeout = 0
	}
	for try := 1; ; try++ {
		if eventually(t, timeout, func() (ok bool) {
			code, all := rc.reportDuring(t, begin, command)
			checks = all
			said, ok = n.among(checks)
			return ok && code == exitCode(checks)
		}) {
			return said, checks
		}
		if !late || try == 3 {
			t.Fatalf("secretctl %s: %s was never %s with %q:\n%v", command, n.check, n.status, n.says, checks)
		}
		f.end(rc, t) // on a slow machine the rotation arrives before the fault has begun
		rc.restoreHealth(t)
	}
}

// exitCode is what the statuses of the checks make of a command's exit code.
func exitCode(checks []finding) int {
	has := func(status string) bool {
		return slices.ContainsFunc(checks, func(c finding) bool { return c.Status == status })
	}
	switch {
	case has("fail"):
		return 1
	case has("unknown"):
		return 3
	}
	return 0
}

// among returns the check that meets the expectation.
func (n expectation) among(checks []finding) (finding, bool) {
	if n.status == never {
		said := slices.ContainsFunc(checks, func(c finding) bool { return strings.Contains(c.Detail+c.Hint, n.says) })
		return finding{Status: never, Detail: n.says}, !said
	}
	for _, c := range checks {
		if c.ID == n.check && c.Status == n.status && inOrder(c.Detail+" | "+c.Hint, strings.Split(n.says, "...")) {
			return c, true
		}
	}
	return finding{}, false
}

func inOrder(text string, parts []string) bool {
	for _, part := range parts {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return true
}

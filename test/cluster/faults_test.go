package cluster_test

import (
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// fault is something that goes wrong, how it begins and ends, and the checks that
// name it.
type fault struct {
	name       string
	begin, end func(*town, *testing.T)
	named      []naming
}

// naming is a command, one of its checks, how that ends, and what its detail and
// hint say, where TOWN stands for the namespace and "..." for anything. The command
// is run until it says so; one that rotates, once.
type naming struct{ command, check, status, says string }

// What comes before a command.
const (
	newPods   = "new pods: "  // the pods are made anew
	meanwhile = "meanwhile: " // the fault begins when the command has written to the store, and not before
)

const (
	rotate     = "rotate client-secret --rotation-deadline 5s"
	rotateLong = "rotate client-secret --rotation-deadline 25s" // longer than the provider waits for Vault
	workload   = "verify workload"
	mount      = "verify mount"

	podCanRead = "store/pod-can-read"
	class      = "workload/secret-provider-class"
	deployment = "workload/deployment"
	updated    = "rotation/store-updated"
	mounted    = "rotation/mounted"
)

var faults = []fault{
	// The pod's way to the store.
	{"no ServiceAccount", deleted("serviceaccount/aidbox"), (*town).reaccount, []naming{
		{"doctor", podCanRead, "unknown", "ServiceAccount TOWN/aidbox does not exist...secretctl render --only ServiceAccount"},
		{newPods + workload, "workload/service-account", "fail", "no pod can start with it...secretctl render"},
		{workload, deployment, "fail", `serviceaccount "aidbox" not found`},
	}},
	{"no auth method", (*town).disableAuth, (*town).reauth, []naming{
		{"doctor", podCanRead, "fail", "there is no auth method at auth/TOWN...secretctl provision"},
	}},
	{"tokens are not reviewed", (*town).spoilReviewer, (*town).reauth, []naming{
		{"doctor", podCanRead, "fail", "could not have the cluster review it...token_reviewer_jwt"},
	}},
	{"no role", removed("auth/TOWN/role/TOWN"), (*town).reprovision, []naming{
		{"doctor", podCanRead, "fail", `role "TOWN" does not exist (answered 400...secretctl provision`},
		{newPods + workload, deployment, "fail", "FailedMount: Code: 400...invalid role name"},
	}},
	{"role for another account", roleWith("bound_service_account_names", "other"), (*town).reprovision, []naming{
		{"doctor", podCanRead, "fail", `lets in the ServiceAccounts "other", not "aidbox" (answered 403`},
		{newPods + workload, deployment, "fail", `FailedMount: Code: 403...not authorized...lets in the ServiceAccounts "other"`},
	}},
	{"role for another namespace", roleWith("bound_service_account_namespaces", "other"), (*town).reprovision, []naming{
		{"doctor", podCanRead, "fail", `lets in the namespaces "other", not "TOWN"`},
	}},
	{"role for another audience", roleWith("audience", "elsewhere"), (*town).reprovision, []naming{
		{"doctor", podCanRead, "fail", `wants a token for the audience "elsewhere", and the pod's is for "vault" (answered 403...set vault.audience`},
		{newPods + workload, deployment, "fail", `FailedMount: Code: 403...audience...wants a token for the audience "elsewhere"`},
	}},
	{"role without the policy", roleWith("token_policies", "other"), (*town).reprovision, []naming{
		{"doctor", podCanRead, "fail", `gives the policies "default", "other" and not "TOWN"`},
	}},
	{"no policy", removed("sys/policies/acl/TOWN"), (*town).reprovision, []naming{
		{"doctor", podCanRead, "fail", `policy "TOWN" does not exist...secretctl provision --phase policy`},
		{rotate, updated, "fail", `the new value would not arrive...policy "TOWN" does not exist; nothing was written`},
		{newPods + workload, deployment, "fail", "FailedMount: Code: 403...permission denied...does not exist"},
	}},
	{"policy for another path", (*town).otherPolicy, (*town).reprovision, []naming{
		{"doctor", podCanRead, "fail", `policy "TOWN" does not grant it`},
	}},
	{"no such path", removed("secret/metadata/TOWN/client"), (*town).reprovision, []naming{
		{"doctor", "store/secret-present", "fail", "is not in the store...secretctl provision"},
		{newPods + workload, deployment, "fail", "FailedMount: Code: 404...is not in the store"},
	}},
	{"no such key", (*town).otherKey, (*town).reprovision, []naming{
		{"doctor", "store/secret-present", "fail", "has no such key...it has other"},
		{"doctor", podCanRead, "fail", "has no such key"},
		{newPods + workload, deployment, "fail", "FailedMount...client-secret...has no such key"},
	}},

	// What is applied.
	{"wrong role in the class", applied(`roleName: "TOWN"`, `roleName: "absent"`), (*town).reapply, []naming{
		{newPods + workload, class, "fail", `roleName is "absent", not "TOWN"...secretctl render --only SecretProviderClass`},
		{workload, deployment, "fail", `FailedMount: Code: 400...invalid role name...roleName is "absent"`},
	}},
	{"path without data/", applied("secret/data/TOWN/client", "secret/TOWN/client"), (*town).reapply, []naming{
		{newPods + workload, class, "fail", "lacks the data/ of KV version 2: secret/data/TOWN/client"},
	}},
	{"no SecretProviderClass", deleted("secretproviderclass/aidbox-vault-secrets"), (*town).reapply, []naming{
		{workload, class, "fail", "not found...a running pod keeps its files without it, and gets no new value"},
		{newPods + workload, deployment, "fail", "FailedMount: failed to get secretproviderclass...not found"},
		{mount, "mount/present", "fail", "the pod has not started...secretctl verify workload"},
	}},
	{"subPath", running(subPath...), (*town).reapply, []naming{
		{workload, "workload/no-subpath", "fail", "keeps its first value for ever...without subPath"},
		{mount, "mount/status", "fail", "does not go through ..data: it keeps its first value"},
	}},
	{"no shell in the container", running("aidbox-standin:1", "aidbox-bare:1"), (*town).reapply, []naming{
		{mount, "mount/present", "unknown", "the container lacks the tools to read files with: sh, cat...--target local in a Job...kubectl debug"},
		{rotate, mounted, "warn", "the container lacks the tools...rotation/new-accepted tells"},
		{rotate, "rotation/new-accepted", "pass", "answered 200"},
	}},
	{"no replica", (*town).scaleDown, (*town).reapply, []naming{
		{workload, deployment, "fail", "has 0 replicas...kubectl scale"},
		{mount, "mount/present", "fail", "no pod of Deployment aidbox runs"},
		{rotate, updated, "unknown", "no pod of Deployment aidbox runs...nothing was written"},
	}},
	{"no Deployment", deleted("deployment/aidbox"), (*town).reapply, []naming{
		{workload, deployment, "fail", "there is no Deployment aidbox"},
	}},

	// What only the files in running pods show.
	{"one replica stale", (*town).leaveOneStale, ended("rotation-off"), []naming{
		{mount, "mount/matches-store", "fail", "differs from the store, version...stale"},
		{mount, "mount/matches-store", "pass", "equal to the store"},
	}},
	{"Ready and empty", (*town).emptyOne, ended("rotation-off"), []naming{
		{mount, "mount/present", "fail", "/run/vault-secrets is EMPTY, and the pod is Running and Ready...kubectl delete pod -n TOWN"},
	}},
	{"pod replaced meanwhile", (*town).deletePod, nothing, []naming{
		{meanwhile + rotate, "rotation/no-restart", "fail", "pod/aidbox-...is go"},
	}},

	// The driver, its provider, Vault, and what is between them.
	{"rotation off", begun("rotation-off"), ended("rotation-off"), []naming{
		{"doctor", "cluster/rotation-enabled", "fail", "--enable-secret-rotation=false...so it does not rotate...enableSecretRotation=true"},
		{rotate, updated, "fail", "so it does not rotate; nothing was written"},
	}},
	{"provider gone", begun("provider-gone"), ended("provider-gone"), []naming{
		{"doctor", "cluster/provider", "fail", "DaemonSet kube-system/vault-csi-provider has no pods"},
		{rotate, updated, "fail", "would not arrive: the provider does not run on node node1...nothing was written"},
		{newPods + workload, deployment, "fail", "is Pending...the provider does not run on node node1...kubectl describe"},
	}},
	{"policy deleted meanwhile", removed("sys/policies/acl/TOWN"), (*town).reprovision, []naming{
		{meanwhile + rotate, mounted, "fail", `still the old value...policy "TOWN" does not exist...secretctl provision --phase policy`},
	}},
	{"Vault sealed meanwhile", begun("vault-sealed"), ended("vault-sealed"), []naming{
		{meanwhile + rotate, mounted, "fail", "still the old value...vault is sealed...vault operator unseal"},
		{"doctor", "store/reachable", "unknown", "vault is sealed...vault operator unseal"},
		{newPods + workload, deployment, "fail", "FailedMount: Code: 503...sealed...vault operator unseal"},
	}},
	{"Vault hangs meanwhile", begun("vault-hangs"), ended("vault-hangs"), []naming{
		{meanwhile + rotate, mounted, "fail", "still the old value...no answer in 5s...does it hang"},
		{"doctor", "store/reachable", "unknown", "no answer in 5s"},
	}},
	{"packets to Vault lost", begun("vault-unreachable"), ended("vault-unreachable"), []naming{
		{rotateLong, mounted, "fail", "still the old value...logs in with role TOWN and reads...log of the driver...does its node reach http://vault.default:8200 too?"},
	}},
}

// TestRealClusterFaults breaks one thing after another, and wants the right check to
// name it. It breaks what the whole cluster shares, and is long with real intervals.
func TestRealClusterFaults(t *testing.T) {
	w := newTown(t, "faults")
	var table strings.Builder
	out := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			if f.needsPods() {
				w.settle(t)
			}
			defer f.end(w, t)
			if !strings.HasPrefix(f.named[0].command, meanwhile) {
				f.begin(w, t)
			}
			for i, said := range w.namings(t, f) {
				_, _ = fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", f.name, f.named[i].command, said.ID, said.Status, said.Detail)
			}
		})
	}
	w.settle(t)
	_ = out.Flush()
	t.Log("\n" + table.String())
}

// needsPods says whether pods that run are looked at, and not only those that are made
// for the fault.
func (f fault) needsPods() bool {
	for _, n := range f.named {
		if strings.HasPrefix(n.command, newPods) {
			return false
		}
		if n.command != "doctor" {
			return true
		}
	}
	return false
}

// namings asks each command, and returns what the checks say.
func (w *town) namings(t *testing.T, f fault) (found []finding) {
	t.Helper()
	var checks []finding // of the last command
	for i, n := range f.named {
		n.says = w.in(n.says)
		said, ok := n.among(checks)
		if !ok || n.command != f.named[i-1].command {
			said, checks = w.ask(t, f, n)
		}
		found = append(found, said)
	}
	return found
}

func (w *town) ask(t *testing.T, f fault, n naming) (said finding, checks []finding) {
	t.Helper()
	command, fresh := strings.CutPrefix(n.command, newPods)
	if fresh {
		w.deletePods(t)
	}
	command, late := strings.CutPrefix(command, meanwhile)
	var begin func(*town, *testing.T)
	patience := 40 * time.Second
	if late {
		begin = f.begin
	}
	if strings.HasPrefix(command, "rotate") {
		patience = 0
	}
	if !eventually(t, patience, func() (ok bool) {
		code, all := w.reportDuring(t, begin, command)
		checks = all
		said, ok = n.among(checks)
		return ok && (code != 0) == (said.Status == "fail" || said.Status == "unknown")
	}) {
		t.Fatalf("secretctl %s: %s never was %s and said %q:\n%v", command, n.check, n.status, n.says, checks)
	}
	return said, checks
}

// among finds the check that says what it should.
func (n naming) among(checks []finding) (finding, bool) {
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

package cluster_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
)

// set has the runs of secretctl find variables in their environment; asBefore ends that.
func (rc *realCluster) set(variables ...string) { rc.env = append(rc.env, variables...) }

func asBefore(rc *realCluster, _ *testing.T) { rc.env = nil }

// withoutRights runs secretctl with the rights that render prints, but for all on one
// resource. A refusal is no reason to wait.
func withoutRights(resource string) func(*realCluster, *testing.T) {
	return func(rc *realCluster, t *testing.T) {
		account := "without-" + strings.ReplaceAll(resource, "/", "-")
		roles := rc.renderedRoles(t, "render --only rbac")
		for i := range roles {
			roles[i].name = fmt.Sprintf("%s-%s-%d", rc.namespace, account, i)
			for _, verb := range []string{"create", "get"} {
				roles[i].rules = roles[i].without(right{verb, resource})
			}
		}
		rc.set("KUBECONFIG="+rc.runner(t, account, roles...), "SECRETCTL_TIMEOUT=12s")
	}
}

// reachAidboxDirectly is for when the API server leads nowhere.
func (rc *realCluster) reachAidboxDirectly(t *testing.T) {
	rc.set("SECRETCTL_ALLOW_HTTP=true", "SECRETCTL_AIDBOX_URL=http://"+rc.pods(t, ".status.podIP")[0]+":8080")
}

// apiServerGone takes the API server away as soon as there is a new version.
func apiServerGone(rc *realCluster, t *testing.T) {
	file, gone := rc.proxied(t, os.Getenv("KUBECONFIG"), func(http.ResponseWriter, *http.Request) bool { return false })
	rc.reachAidboxDirectly(t)
	rc.set("KUBECONFIG=" + file)
	before := rc.version(t)
	go func() {
		for ; t.Context().Err() == nil; <-time.After(5 * time.Millisecond) {
			if found, err := rc.vault.KVv2("secret").GetMetadata(t.Context(), rc.namespace+"/client"); err == nil && strconv.Itoa(found.CurrentVersion) != before {
				gone()
				return
			}
		}
	}()
}

func apiServerHangs(rc *realCluster, t *testing.T) {
	file, _ := rc.proxied(t, os.Getenv("KUBECONFIG"), func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	})
	rc.set("KUBECONFIG="+file, "SECRETCTL_REQUEST_TIMEOUT=2s", "SECRETCTL_TIMEOUT=20s")
}

func loginExpired(rc *realCluster, t *testing.T) {
	file := rc.kubeconfig(t, "expired")
	rc.kubectl(t, "", "--kubeconfig", file, "config", "set-credentials", "expired", "--token=no.such.token")
	rc.set("KUBECONFIG=" + file)
}

func tokenWithoutRights(rc *realCluster, t *testing.T) {
	made, err := rc.vault.Auth().Token().Create(&api.TokenCreateRequest{Policies: []string{"default"}})
	if err != nil {
		t.Fatal(err)
	}
	rc.set("VAULT_TOKEN=" + made.Auth.ClientToken)
}

func aidboxIsVault(rc *realCluster, _ *testing.T) {
	rc.set("SECRETCTL_AIDBOX_URL=" + rc.vault.Address())
}

// killOne ends the process of a container, which the kubelet starts again.
func (rc *realCluster) killOne(t *testing.T) {
	rc.kubectl(t, "", "exec", rc.pods(t, ".metadata.name")[0], "-c", "aidbox", "--", "sh", "-c", "kill 1")
}

// crash kills a container again and again. Each time, nobody may take it for one without tools.
func (rc *realCluster) crash(t *testing.T) {
	t.Helper()
	pod := rc.pods(t, ".metadata.name")[0]
	state := func(what string) string {
		return rc.kubectl(t, "", "get", "pod", pod, "-o", "jsonpath={.status.containerStatuses[0].state."+what+"}")
	}
	if !eventually(t, time.Minute, func() bool {
		if state("running") == "" {
			return state("waiting.reason") == "CrashLoopBackOff"
		}
		// The status says running for a while after a container ended: then there is nothing to kill yet.
		kill := exec.Command("kubectl", "-n", rc.namespace, "exec", pod, "-c", "aidbox", "--", "sh", "-c", "kill 1")
		if out, err := kill.CombinedOutput(); err != nil && !strings.Contains(string(out), "container not found") {
			t.Fatalf("kill 1: %v\n%s", err, out)
		}
		for range 3 {
			if _, checks, _ := rc.report(t, mount); !(expectation{mount, "", never, "missing in the container"}).met(checks) {
				t.Errorf("while it restarts: %v", checks)
			}
		}
		return false
	}) {
		t.Fatal("it never waits to be started again")
	}
}

func (n expectation) met(checks []finding) bool {
	_, ok := n.among(checks)
	return ok
}

const sidecar = `{"spec": {"template": {"spec": {"containers": [{"name": "sidecar", "image": "busybox:1", "command": ["sh", "-c", "exit 1"],
	"securityContext": {"runAsUser": 1000, "runAsNonRoot": true, "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}}]}}}}`

func (rc *realCluster) addCrashingSidecar(t *testing.T) {
	rc.kubectl(t, "", "patch", "deployment", "aidbox", "--patch", sidecar)
}

func (rc *realCluster) removeSidecar(t *testing.T) {
	rc.kubectl(t, "", "patch", "deployment", "aidbox", "--patch", `{"spec": {"template": {"spec": {"containers": [{"name": "sidecar", "$patch": "delete"}]}}}}`)
}

func (rc *realCluster) pause(t *testing.T) {
	rc.kubectl(t, "", "rollout", "pause", "deployment/aidbox")
	rc.kubectl(t, "", "set", "env", "deployment/aidbox", "CHANGED=yes")
}

func (rc *realCluster) resume(t *testing.T) {
	rc.kubectl(t, "", "set", "env", "deployment/aidbox", "CHANGED-")
	rc.kubectl(t, "", "rollout", "resume", "deployment/aidbox")
}

func (rc *realCluster) addPendingPod(t *testing.T) {
	rc.kubectl(t, "", "cordon", "node1")
	rc.scaleUp(t)
}

func (rc *realCluster) removePendingPod(t *testing.T) {
	rc.kubectl(t, "", "uncordon", "node1")
	rc.reapply(t)
}

func (rc *realCluster) scaleUp(t *testing.T) {
	rc.kubectl(t, "", "scale", "deployment/aidbox", "--replicas=3")
}

func (rc *realCluster) rollOutNoImage(t *testing.T) {
	rc.kubectl(t, "", "set", "image", "deployment/aidbox", "aidbox=localhost/absent:1")
}

// leaveFailedPod has a pod end in failure, and then rolls out another template.
func (rc *realCluster) leaveFailedPod(t *testing.T) {
	t.Helper()
	pod := rc.pods(t, ".metadata.name")[0]
	rc.kubectl(t, "", "patch", "pod", pod, "--patch", `{"spec": {"activeDeadlineSeconds": 1}}`)
	if !eventually(t, 30*time.Second, func() bool {
		return rc.kubectl(t, "", "get", "pod", pod, "-o", "jsonpath={.status.phase}") == "Failed"
	}) {
		t.Fatal("the pod does not fail")
	}
	rc.kubectl(t, "", "rollout", "restart", "deployment/aidbox")
	rc.waitForRollout(t)
}

func deleteFailedPods(rc *realCluster, t *testing.T) {
	rc.kubectl(t, "", "delete", "pods", "--field-selector=status.phase=Failed")
}

// stopOneAidbox stops the process in one pod: the port is open, and nothing answers.
func (rc *realCluster) stopOneAidbox(t *testing.T) {
	t.Helper()
	rc.set("SECRETCTL_REQUEST_TIMEOUT=2s")
	t.Cleanup(func() { rc.env = nil })
	uid := rc.pods(t, ".metadata.uid")[0]
	files, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		cgroup, _ := os.ReadFile(file) // the process may have ended
		command, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && strings.Contains(string(cgroup), uid) && strings.Contains(string(command), "sandbox") {
			if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) }) // a stopped process ends by nothing else
			return
		}
	}
	t.Fatal("no process of the pod was found")
}

func (rc *realCluster) forbidPods(t *testing.T) {
	rc.kubectl(t, "", "create", "quota", "none", "--hard=pods=0")
}

// allowPods also restarts the rollout: a ReplicaSet that could not create pods backs off.
func (rc *realCluster) allowPods(t *testing.T) {
	rc.kubectl(t, "", "delete", "quota", "none")
	rc.kubectl(t, "", "rollout", "restart", "deployment/aidbox")
}

func (rc *realCluster) rotateToo(t *testing.T) { rc.ok(t, "rotate client-secret --no-verify") }

func (rc *realCluster) deleteClients(t *testing.T) {
	for _, ip := range rc.pods(t, ".status.podIP") {
		rc.ok(t, "client delete --all --yes --allow-http --aidbox-url http://"+ip+":8080")
	}
}

func (rc *realCluster) destroyVersions(t *testing.T) {
	rc.write(t, rc.in("secret/destroy/NAMESPACE/client"), map[string]any{"versions": []string{rc.version(t)}})
}

func (rc *realCluster) changeConfigMap(t *testing.T) {
	other, err := json.Marshal(map[string]any{"data": map[string]string{"vault-config.json": `{"secret": {}}`}})
	if err != nil {
		t.Fatal(err)
	}
	rc.kubectl(t, "", "patch", "configmap", "aidbox-vault-config", "--type=merge", "-p", string(other))
}

package cluster_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRealClusterRotatesOnSchedule runs Jobs of the CronJob where Pod Security is enforced:
// one that rotates, one whose value does not arrive, the next one, which follows it, and one
// with nothing to do.
func TestRealClusterRotatesOnSchedule(t *testing.T) {
	t.Parallel()
	rc := newRealCluster(t, "rotatejob",
		"http://vault.default:8200", os.Getenv("CLUSTER_VAULT"), // the cluster has no DNS
		"secrets:\n", "rotateJob: {secrets: [client-secret]}\nsecrets:\n  - {name: other-secret, path: rotatejob/other, scope: [Client/basic], value: {generate: {}}}\n")
	t.Cleanup(func() {
		_ = rc.vault.Sys().DeletePolicy("rotatejob-rotate")
		_, _ = rc.vault.Logical().Delete("secret/metadata/rotatejob/other")
		_ = exec.Command("kubectl", "delete", "clusterrole,clusterrolebinding", "rotatejob-aidbox-rotate").Run()
	})
	apply := func(deadline string) { // "" is what follows from the driver's settings
		manifests := rc.ok(t, "render --allow-http --only rotate-job --image aidbox-standin:1")
		if deadline != "" {
			manifests = strings.Replace(manifests, `- "--target=pod"`, "- \"--target=pod\"\n                - \"--rotation-deadline="+deadline+"\"", 1)
		}
		rc.kubectl(t, manifests, "apply", "--validate=strict", "--server-side", "-f", "-")
	}
	apply("")

	t.Run("rotates and follows", func(t *testing.T) {
		said := rc.runJob(t, "aidbox-rotate", "first", "Complete")
		rc.wantLines(t, said, "√ rotation/store-updated  client-secret  version 2, was 1", "√ rotation/mounted ", "√ rotation/new-accepted ", "√ rotation/old-rejected ", "√ rotation/no-restart ")
		if strings.Contains(said, "forbidden") || strings.Contains(said, "other-secret") {
			t.Error("a right is missing, or another secret is rotated")
		}
		rc.wantVersions(t, map[string]string{"client": "2", "other": "1"})
	})
	t.Run("writes its secrets alone", func(t *testing.T) {
		rc.wantCapabilities(t, "aidbox-rotate", "rotatejob-rotate", map[string]string{
			"secret/data/rotatejob/client": "[read update]", "secret/metadata/rotatejob/client": "[read]",
			"secret/data/rotatejob/other": "[deny]", "secret/metadata/rotatejob/other": "[deny]", "secret/data/rotatejob/client/below": "[deny]",
			"secret/destroy/rotatejob/client": "[deny]", "sys/policies/acl/rotatejob-rotate": "[deny]", "auth/rotatejob/role/rotatejob-rotate": "[deny]",
		})
		rc.wantCapabilities(t, "aidbox", "rotatejob", map[string]string{"secret/data/rotatejob/client": "[read]", "secret/data/rotatejob/other": "[read]"})
		for account, wanted := range map[string]string{"aidbox": "403", "default": "403"} {
			if _, err := rc.login(t, account, "rotatejob-rotate"); err == nil || !strings.Contains(err.Error(), wanted) {
				t.Errorf("ServiceAccount %s with the job's role: %v", account, err)
			}
		}
	})
	t.Run("fails where the value does not arrive", func(t *testing.T) {
		apply("15s")
		rc.kubectl(t, "", "patch", "secretproviderclass", "aidbox-vault-secrets", "--type=merge", "-p", `{"spec": {"parameters": {"roleName": "nobody"}}}`)
		said := rc.runJob(t, "aidbox-rotate", "late", "Failed")
		rc.wantLines(t, said, "√ rotation/store-updated  client-secret  version 3, was 2", "× rotation/mounted ", "still the old value", `roleName is "nobody", not "rotatejob"`)
		rc.wantVersions(t, map[string]string{"client": "3", "other": "1"})
	})
	t.Run("follows in the next run", func(t *testing.T) {
		said := rc.runJob(t, "aidbox-rotate", "again", "Failed")
		rc.wantLines(t, said, "√ rotation/store-updated  client-secret  version 3 is the newest, which has not arrived (pod/", "nothing was written", "× rotation/mounted ")
		rc.wantVersions(t, map[string]string{"client": "3", "other": "1"})

		apply("")
		rc.startJob(t, "aidbox-rotate", "fixed")
		rc.waitForLog(t, "fixed", "checking the pods")
		<-time.After(5 * time.Second) // until it has seen the old value in them
		rc.kubectl(t, "", "patch", "secretproviderclass", "aidbox-vault-secrets", "--type=merge", "-p", `{"spec": {"parameters": {"roleName": "rotatejob"}}}`)
		said = rc.jobLog(t, "fixed", "Complete")
		rc.wantLines(t, said, "version 3 is the newest, which has not arrived (pod/", "nothing was written", "√ rotation/mounted ", "√ rotation/new-accepted ", "√ rotation/old-rejected ")
		rc.wantVersions(t, map[string]string{"client": "3", "other": "1"})
	})
	t.Run("leaves alone what is young", func(t *testing.T) {
		rc.edit(t, "value: {generate: {length: 32}}", "value: {generate: {length: 32}}\n    maxAge: 90d")
		apply("")
		said := rc.runJob(t, "aidbox-rotate", "young", "Complete")
		rc.wantLines(t, said, "version 3 has arrived, and its value is not due before ", "nothing was written")
		rc.wantVersions(t, map[string]string{"client": "3", "other": "1"})
	})
}

func (rc *realCluster) wantLines(t *testing.T, said string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(said, line) {
			t.Errorf("the log has no %q", line)
		}
	}
}

// edit replaces text in the config.
func (rc *realCluster) edit(t *testing.T, old, with string) {
	t.Helper()
	text, err := os.ReadFile(rc.config())
	if err == nil {
		err = os.WriteFile(rc.config(), []byte(strings.Replace(string(text), old, with, 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// wantVersions compares the current versions of paths of the namespace.
func (rc *realCluster) wantVersions(t *testing.T, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for path := range want {
		is, err := rc.vault.Logical().Read("secret/metadata/" + rc.namespace + "/" + path)
		if err != nil {
			t.Fatal(err)
		}
		got[path] = fmt.Sprint(is.Data["current_version"])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
}

// login logs in to Vault with a token of a ServiceAccount, and returns the token it gets.
func (rc *realCluster) login(t *testing.T, account, role string) (token string, err error) {
	t.Helper()
	jwt := strings.TrimSpace(rc.kubectl(t, "", "create", "token", account, "--audience=vault"))
	answer, err := rc.vault.Logical().Write("auth/"+rc.namespace+"/login", map[string]any{"role": role, "jwt": jwt})
	if err != nil {
		return "", err
	}
	return answer.Auth.ClientToken, nil
}

// wantCapabilities compares what a ServiceAccount may do in Vault with a role.
func (rc *realCluster) wantCapabilities(t *testing.T, account, role string, want map[string]string) {
	t.Helper()
	token, err := rc.login(t, account, role)
	if err != nil {
		t.Fatal(err)
	}
	as, err := rc.vault.Clone()
	if err != nil {
		t.Fatal(err)
	}
	as.SetToken(token)
	got := map[string]string{}
	for path := range want {
		may, err := as.Sys().CapabilitiesSelf(path)
		if err != nil {
			t.Fatal(err)
		}
		got[path] = fmt.Sprint(may)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s with role %s (-want +got):\n%s", account, role, diff)
	}
}

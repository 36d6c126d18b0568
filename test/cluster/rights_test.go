package cluster_test

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// role is a Role or a ClusterRole of a test, which is bound to the one who runs secretctl.
type role struct {
	kind, name string
	rules      []rbacv1.PolicyRule
}

// right is one verb on one resource.
type right struct{ verb, resource string }

// rights spells rules out.
func (r role) rights() (all []right) {
	for _, rule := range r.rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				all = append(all, right{verb, resource})
			}
		}
	}
	return all
}

// without returns the rules that are left when a right is taken away.
func (r role) without(taken right) (left []rbacv1.PolicyRule) {
	for _, rule := range r.rules {
		for _, resource := range rule.Resources {
			single := rule
			single.Resources = []string{resource}
			single.Verbs = slices.DeleteFunc(slices.Clone(rule.Verbs), func(verb string) bool { return right{verb, resource} == taken })
			if len(single.Verbs) > 0 {
				left = append(left, single)
			}
		}
	}
	return left
}

// renderedRoles returns the Roles and ClusterRoles that a command renders.
func (rc *realCluster) renderedRoles(t *testing.T, command string) (roles []role) {
	t.Helper()
	var rendered struct{ Items []rbacv1.Role } // a ClusterRole has the same rules
	if err := json.Unmarshal([]byte(rc.ok(t, command+" -o json")), &rendered); err != nil {
		t.Fatal(err)
	}
	for _, r := range rendered.Items {
		if strings.HasSuffix(r.Kind, "Role") {
			roles = append(roles, role{r.Kind, r.Name, r.Rules})
		}
	}
	return roles
}

// grant creates a role, or gives it other rules.
func (rc *realCluster) grant(t *testing.T, r role, rules []rbacv1.PolicyRule) {
	t.Helper()
	object, err := json.Marshal(rbacv1.Role{
		TypeMeta: metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: r.kind}, ObjectMeta: metav1.ObjectMeta{Name: r.name}, Rules: rules,
	})
	if err != nil {
		t.Fatal(err)
	}
	rc.kubectl(t, string(object), "apply", "-f", "-")
}

// runner returns a kubeconfig of an account that has these roles and nothing else.
func (rc *realCluster) runner(t *testing.T, account string, roles ...role) string {
	t.Helper()
	file := rc.kubeconfig(t, account)
	for _, r := range roles {
		rc.grant(t, r, r.rules)
		binding := strings.ToLower(r.kind) + "binding"
		rc.kubectl(t, "", "create", binding, r.name, "--"+strings.ToLower(r.kind)+"="+r.name, "--serviceaccount="+rc.namespace+":"+account)
		if r.kind == "ClusterRole" {
			t.Cleanup(func() { _ = exec.Command("kubectl", "delete", "clusterrole,clusterrolebinding", r.name).Run() })
		}
	}
	return file
}

// What proxies in between let pass.
const (
	webSocket = "websocket"
	spdy      = "SPDY/3.1"
)

// behind returns a kubeconfig that goes through a proxy, as some are before an API server:
// of the protocols that streams are upgraded to it lets one pass.
func (rc *realCluster) behind(t *testing.T, kubeconfig, protocol string) string {
	t.Helper()
	file, _ := rc.proxied(t, kubeconfig, func(w http.ResponseWriter, r *http.Request) (answered bool) {
		upgrade := r.Header.Get("Upgrade")
		if answered = upgrade != "" && !strings.EqualFold(upgrade, protocol); answered {
			http.Error(w, "unable to upgrade", http.StatusBadRequest)
		}
		return answered
	})
	return file
}

// missing is a right and a command that does not do without it: its exit code and what it
// then says, in which "..." stands for any text.
type missing struct {
	right
	command string
	code    int
	says    string
}

// Prefixes of a command whose streams go through a proxy.
const (
	overWebSocket = "WebSocket: "
	overSPDY      = "SPDY: "
)

// holderOf returns the role that has a right.
func holderOf(t *testing.T, roles []role, one right) role {
	t.Helper()
	i := slices.IndexFunc(roles, func(r role) bool { return slices.Contains(r.rights(), one) })
	if i < 0 {
		t.Fatalf("no role has the right to %s %s", one.verb, one.resource)
	}
	return roles[i]
}

// take takes the right of each row away from the roles, and expects that a command misses it.
func (rc *realCluster) take(t *testing.T, kubeconfig string, roles []role, rows []missing) {
	t.Helper()
	through := map[string]string{"": kubeconfig, overWebSocket: rc.behind(t, kubeconfig, webSocket), overSPDY: rc.behind(t, kubeconfig, spdy)}
	for _, m := range rows {
		t.Run(m.verb+" "+strings.ReplaceAll(m.resource, "/", " "), func(t *testing.T) {
			r := holderOf(t, roles, m.right)
			prefix, command, proxied := strings.Cut(m.command, ": ")
			if prefix += ": "; !proxied {
				prefix, command = "", m.command
			}
			command += " --kubeconfig " + through[prefix]
			says := strings.Split(m.says, "...")
			if _, out, said := rc.run(t, command); inOrder(out+said, says) {
				t.Errorf("with every right, secretctl %s says:\n%s%s", command, out, said)
			}
			rc.grant(t, r, r.without(m.right))
			defer rc.grant(t, r, r.rules)
			rc.misses(t, m, command)
		})
	}
}

// misses waits until the API server knows that a right is gone.
func (rc *realCluster) misses(t *testing.T, m missing, command string) {
	t.Helper()
	var code int
	var out, said string
	var took time.Duration
	if !eventually(t, 20*time.Second, func() bool {
		start := time.Now()
		code, out, said = rc.run(t, command)
		took = time.Since(start)
		return code == m.code && inOrder(out+said, strings.Split(m.says, "..."))
	}) {
		t.Fatalf("secretctl %s exited with %d, and never said %q:\n%s%s", command, code, m.says, out, said)
	}
	t.Logf("secretctl %s exits with %d after %s:\n%s%s", m.command, code, took.Round(100*time.Millisecond), out, said)
	if took > 10*time.Second { // a refusal is no reason to wait
		t.Errorf("it took %s", took)
	}
}

// everyRight fails if a right of a role has no row.
func everyRight(t *testing.T, roles []role, rows ...missing) {
	t.Helper()
	for _, r := range roles {
		for _, one := range r.rights() {
			if !slices.ContainsFunc(rows, func(m missing) bool { return m.right == one }) {
				t.Errorf("%s %s: nothing shows that the right to %s %s is needed", r.kind, r.name, one.verb, one.resource)
			}
		}
	}
}

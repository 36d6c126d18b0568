package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/secret"
)

// firstCause follows a secret on its path to a pod, and returns the first thing that is
// wrong, and what to do. If nothing is, cause says what was tried.
func (r *run) firstCause(ctx context.Context, p cluster.Pod) (cause, next string) {
	if found := r.serviceAccount(ctx); found.Status == StatusFail {
		return found.Detail, found.Hint
	}
	for _, c := range r.Provider.Classes(r.d) {
		if found := r.secretProviderClass(ctx, c); found.Status == StatusFail {
			return found.Detail, found.Hint
		}
	}
	for _, v := range p.Spec.Volumes {
		if v.SecretProviderClass != "" && !v.ReadOnly {
			return fmt.Sprintf("volume %s is not readOnly: true, so the driver refuses it", v.Name), r.workloadHint()
		}
	}
	if cause, next := r.driverCause(ctx, p); cause != "" {
		return cause, next
	}
	cause, next, _ = r.loginCause(ctx)
	return cause, next
}

// driverCause returns what is wrong with the driver and the provider on the pod's node, as
// far as secretctl may see their DaemonSets.
func (r *run) driverCause(ctx context.Context, p cluster.Pod) (cause, next string) {
	const install = "secretctl install; secretctl doctor has the details"
	if _, err := r.Cluster.CSIDriver(ctx); errors.Is(err, fs.ErrNotExist) {
		return "the Secrets Store CSI driver is not installed", install
	}
	if nodes, err := r.Cluster.DriverNodes(ctx); err == nil && p.Node != "" && !slices.Contains(nodes, p.Node) {
		return "the driver does not run on node " + p.Node, install
	}
	agents, err := r.Cluster.Agents(ctx)
	if err != nil || len(agents) == 0 {
		return "", ""
	}
	if _, found := agentWith(r.d.Provider, agents); !found {
		return "no DaemonSet of provider " + r.d.Provider + " was found", install
	}
	if _, err := r.driver.registered(); err == nil {
		if found := tokensRequested(ctx, r, subject{}); found.Status == StatusFail {
			return found.Detail, found.Hint
		}
	}
	return r.providerCause(ctx, agents, p)
}

// providerCause returns what is wrong with the provider on the pod's node, if its DaemonSet
// is known.
func (r *run) providerCause(ctx context.Context, agents []cluster.Agent, p cluster.Pod) (cause, next string) {
	agent, found := agentWith(r.d.Provider, agents)
	if !found || agent.Works() {
		return "", ""
	}
	if agent.Ready > 0 { // on other nodes, or on this one
		onNode, err := r.Cluster.AgentPod(ctx, agent, p.Node)
		if p.Node == "" || !errors.Is(err, fs.ErrNotExist) && (err != nil || onNode.Ready) {
			return "", ""
		}
	}
	return fmt.Sprintf("the provider does not run on node %s: %s", cmp.Or(p.Node, "?"), podsReady(agent)),
		secret.Shellf("kubectl describe -n %s daemonset/%s", agent.Namespace, agent.Name)
}

// loginCause does at the store what the provider does for the pod.
func (r *run) loginCause(ctx context.Context) (cause, next string, wrong bool) {
	found := r.podLogsIn(ctx)
	switch {
	case found.Status == StatusSkip:
		return "", "", false
	case r.Provider.LoginOnNode(r.d):
		for _, s := range r.d.Secrets { // the node can read only what the store has
			if stored := secretStored(ctx, r, subject{secret: s}); stored.Status == StatusFail {
				return stored.Detail, stored.Hint, true
			}
		}
		return found.Detail, found.Hint, false
	case found.Status == StatusPass:
		found.Hint = "the login works from here; check that the pod's node reaches the store, and the provider's log there. The kubelet retries within 2 minutes"
	}
	return "the pod's login, tried from here: " + found.Detail, found.Hint, found.Status == StatusFail
}

// evidence returns what the cluster has recorded about a pod since the write, as far as it
// may be read: the newest warning, and the last errors of driver and provider.
func (r *run) evidence(ctx context.Context, p cluster.Pod, since time.Time) (found []string) {
	events, _ := r.Cluster.Events(ctx, p.Namespace, "Pod", p.Name)
	if e, ok := worst(slices.DeleteFunc(events, func(e cluster.Event) bool { return e.Time.Before(since) })); ok {
		found = append(found, fmt.Sprintf("event %s: %s", e.Reason, r.line(lastCause(e.Message))))
	}
	agents, _ := r.Cluster.Agents(ctx)
	for _, a := range agents {
		if a.Role != cluster.RoleDriver && a.Role != r.d.Provider {
			continue
		}
		agentPod, err := r.Cluster.AgentPod(ctx, a, p.Node)
		if err != nil {
			continue
		}
		lines, _ := r.Cluster.Logs(ctx, agentPod, a.Container, since, p.Name, p.UID)
		if l, ok := lastError(lines); ok {
			found = append(found, fmt.Sprintf("log of the %s: %s", a.Role, r.line(lastCause(l))))
		}
	}
	return found
}

// In the logs of drivers and providers: what reports an error, and what reports that there
// was none.
var (
	reportsError = regexp.MustCompile(`(?i)\b(err|error|failed)\b`)
	noError      = strings.NewReplacer("error=<nil>", "", "err=<nil>", "", `error=""`, "")
)

// lastError returns the last line that reports an error.
func lastError(lines []string) (l string, ok bool) {
	for _, l := range slices.Backward(lines) {
		if reportsError.MatchString(noError.Replace(l)) {
			return l, true
		}
	}
	return "", false
}

// worst returns the newest warning about a mount, or else the newest warning.
func worst(events []cluster.Event) (cluster.Event, bool) {
	warnings := slices.DeleteFunc(slices.Clone(events), func(e cluster.Event) bool { return !e.Warning })
	if len(warnings) == 0 {
		return cluster.Event{}, false
	}
	return warnings[max(0, slices.IndexFunc(warnings, func(e cluster.Event) bool { return e.Reason == "FailedMount" }))], true
}

// lastCause returns the end of a message: kubelet, driver and provider each put their own
// words before those of the one that they called. A status code stays: it may be all there is.
func lastCause(message string) string {
	for _, before := range []string{"desc = ", "err: "} {
		if i := strings.LastIndex(message, before); i >= 0 && i+len(before) < len(message) {
			message = message[i+len(before):]
		}
	}
	return message[max(0, strings.LastIndex(message, "Code: ")):]
}

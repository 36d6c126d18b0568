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
)

// firstCause goes the way of a secret to a pod, and returns the first thing on it
// that is wrong, and what to do. Where all looks well, cause says what was tried.
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
			return fmt.Sprintf("volume %s lacks readOnly: true, and the driver refuses it", v.Name), r.workloadHint()
		}
	}
	if cause, next := r.driverCause(ctx, p); cause != "" {
		return cause, next
	}
	cause, next, _ = r.loginCause(ctx)
	return cause, next
}

// driverCause looks for the driver and the provider on the pod's node. Where their
// DaemonSets are not to be seen it says nothing.
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
	if !slices.ContainsFunc(agents, func(a cluster.Agent) bool { return a.Role == r.d.Provider }) {
		return "no DaemonSet of the provider " + r.d.Provider + " is there", install
	}
	if _, err := r.driver.registered(ctx); err == nil { // else it cannot be seen
		if found := tokensRequested(ctx, r, subject{}); found.Status == StatusFail {
			return found.Detail, found.Hint
		}
	}
	return r.providerCause(ctx, agents, p)
}

// providerCause looks for the provider on the pod's node, where its DaemonSet is known.
func (r *run) providerCause(ctx context.Context, agents []cluster.Agent, p cluster.Pod) (cause, next string) {
	i := slices.IndexFunc(agents, func(a cluster.Agent) bool { return a.Role == r.d.Provider })
	if i < 0 || agents[i].Works() || agents[i].Ready > 0 && !r.lacks(ctx, agents[i], p.Node) {
		return "", ""
	}
	return fmt.Sprintf("the provider does not run on node %s: %s", cmp.Or(p.Node, "?"), podsReady(agents[i])),
		fmt.Sprintf("kubectl describe -n %s daemonset/%s", agents[i].Namespace, agents[i].Name)
}

// lacks says whether a node is without a working pod of a DaemonSet, as far as that
// can be seen.
func (r *run) lacks(ctx context.Context, a cluster.Agent, node string) bool {
	there, err := r.Cluster.AgentPod(ctx, a, node)
	return node != "" && (errors.Is(err, fs.ErrNotExist) || err == nil && !there.Ready)
}

// loginCause does at the store what the provider does for the pod.
func (r *run) loginCause(ctx context.Context) (cause, next string, wrong bool) {
	found := r.podLogsIn(ctx)
	switch {
	case found.Status == StatusSkip:
		return "", "", false
	case r.Provider.LoginOnNode(r.d):
		for _, s := range r.d.Secrets { // the node reads what is in the store, if it may
			if stored := secretStored(ctx, r, subject{secret: s}); stored.Status == StatusFail {
				return stored.Detail, stored.Hint, true
			}
		}
		return found.Detail, found.Hint, false
	}
	if found.Status == StatusPass {
		found.Hint = "the login works from here; check that the pod's node reaches the store, and the provider's log there. The kubelet retries within 2 minutes"
	}
	return "the pod's login, tried from here: " + found.Detail, found.Hint, found.Status == StatusFail
}

// evidence is what the cluster remembers of a pod since the write: the newest
// warning, and the last word of driver and provider. Of what may not be read it
// says nothing.
func (r *run) evidence(ctx context.Context, p cluster.Pod, since time.Time) []string {
	var found []string
	events, _ := r.Cluster.Events(ctx, p.Namespace, "Pod", p.Name)
	if e, ok := worst(slices.DeleteFunc(events, func(e cluster.Event) bool { return e.Time.Before(since) })); ok {
		found = append(found, fmt.Sprintf("event %s: %s", e.Reason, r.line(cause(e.Message))))
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
			found = append(found, fmt.Sprintf("log of the %s: %s", a.Role, r.line(cause(l))))
		}
		if a.Role == cluster.RoleDriver {
			found = append(found, r.failures(ctx, a, agentPod)...)
		}
	}
	return found
}

// In the logs of drivers and providers: what reports an error, and what says that
// there was none.
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

// failures returns what the driver counts.
func (r *run) failures(ctx context.Context, a cluster.Agent, p cluster.Pod) []string {
	names := []string{"rotation_reconcile_error_total", "node_publish_error_total"}
	sums, err := r.Cluster.Metrics(ctx, p, a.MetricsPort, names...)
	if err != nil {
		return nil
	}
	var counts []string
	for _, name := range names {
		if sums[name] > 0 {
			counts = append(counts, fmt.Sprintf("%s %.0f", name, sums[name]))
		}
	}
	if len(counts) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the driver on %s counts %s", p.Node, strings.Join(counts, ", "))}
}

// worst picks the event that tells most: the newest warning of a mount, or else
// the newest warning.
func worst(events []cluster.Event) (cluster.Event, bool) {
	for _, wanted := range []string{"FailedMount", ""} {
		for _, e := range events {
			if e.Warning && (wanted == "" || e.Reason == wanted) {
				return e, true
			}
		}
	}
	return cluster.Event{}, false
}

// cause leaves of a message its end: kubelet, driver and provider each put their
// own words before those of the one that they asked. A status code stays, which may
// be all that there is.
func cause(message string) string {
	for _, before := range []string{"desc = ", "err: "} {
		if i := strings.LastIndex(message, before); i >= 0 && i+len(before) < len(message) {
			message = message[i+len(before):]
		}
	}
	if i := strings.LastIndex(message, "Code: "); i >= 0 {
		message = message[i:]
	}
	return message
}

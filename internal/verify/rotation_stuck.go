package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
)

// stuck says what is in the mounts that the new value did not reach, and the first
// thing that is wrong on its way.
func (r *rotation) stuck(ctx context.Context, late []*trail, have string) Result {
	var what []string
	for _, t := range late {
		what = append(what, t.name+": "+r.content(ctx, t.mount))
	}
	detail := fmt.Sprintf("%s, %s", strings.Join(what, "; "), r.sinceWrite())
	if have != "" {
		detail += "; in time: " + have
	}
	m := late[0].mount
	for _, look := range []func(context.Context, config.Secret) Result{m.Present, m.Status} {
		if hop := look(ctx, r.secret); hop.Status == StatusFail || hop.Status == StatusWarn {
			return Fail("%s", detail).WithHint("%s; %s", hop.Detail, hop.Hint)
		}
	}
	if m.Pod == nil {
		return Fail("%s", detail).WithHint(driverHint)
	}
	hop, next := r.site.firstHop(ctx, *m.Pod)
	for _, found := range append([]string{hop}, r.site.evidence(ctx, *m.Pod, r.written)...) {
		if found != "" {
			detail += "; " + found
		}
	}
	if next == "" {
		next = driverHint
	}
	return Fail("%s", detail).WithHint("%s", next)
}

// content says what a mount has in place of the new value.
func (r *rotation) content(ctx context.Context, m *Mount) string {
	got, err := m.Digest(ctx, r.secret)
	switch {
	case err != nil:
		return r.vs.clean.Line(err.Error())
	case got == digest(r.old):
		return "still the old value"
	}
	return "another value"
}

// firstHop goes the way of a secret to a pod, and returns the first thing on it
// that is wrong, and what to do. Where all looks well, hop says what was tried.
func (s *site) firstHop(ctx context.Context, p cluster.Pod) (hop, next string) {
	if r := s.serviceAccount(ctx); r.Status == StatusFail {
		return r.Detail, r.Hint
	}
	for _, c := range classesOf(s.d) {
		if r := s.class(ctx, c); r.Status == StatusFail {
			return r.Detail, r.Hint
		}
	}
	for _, v := range p.Spec.Volumes {
		if v.SecretProviderClass != "" && !v.ReadOnly {
			return fmt.Sprintf("volume %s lacks readOnly: true, and the driver refuses it", v.Name), renderHint
		}
	}
	if hop, next := s.driverHop(ctx, p); hop != "" {
		return hop, next
	}
	hop, next, _ = s.loginHop(ctx)
	return hop, next
}

// driverHop looks for the driver and the provider on the pod's node. Where their
// DaemonSets are not to be seen it says nothing.
func (s *site) driverHop(ctx context.Context, p cluster.Pod) (hop, next string) {
	const install = "secretctl install; secretctl doctor looks closer"
	if _, err := s.c.CSIDriver(ctx); errors.Is(err, fs.ErrNotExist) {
		return "the Secrets Store CSI driver is not installed", install
	}
	if nodes, err := s.c.DriverNodes(ctx); err == nil && p.Node != "" && !slices.Contains(nodes, p.Node) {
		return "the driver does not run on node " + p.Node, install
	}
	agents, err := s.c.Agents(ctx)
	if err != nil || len(agents) == 0 {
		return "", ""
	}
	if !slices.ContainsFunc(agents, func(a cluster.Agent) bool { return a.Role == s.d.Provider }) {
		return "no DaemonSet of the provider " + s.d.Provider + " is there", install
	}
	return s.providerHop(ctx, agents, p)
}

// providerHop looks for the provider on the pod's node, where its DaemonSet is known.
func (s *site) providerHop(ctx context.Context, agents []cluster.Agent, p cluster.Pod) (hop, next string) {
	i := slices.IndexFunc(agents, func(a cluster.Agent) bool { return a.Role == s.d.Provider })
	if i < 0 || agents[i].Works() || agents[i].Ready > 0 && !s.lacks(ctx, agents[i], p.Node) {
		return "", ""
	}
	return fmt.Sprintf("the provider does not run on node %s: %s", orWord(p.Node, "?"), podsReady(agents[i])),
		fmt.Sprintf("kubectl describe -n %s daemonset/%s", agents[i].Namespace, agents[i].Name)
}

// lacks says whether a node is without a working pod of a DaemonSet, as far as that
// can be seen.
func (s *site) lacks(ctx context.Context, a cluster.Agent, node string) bool {
	there, err := s.c.AgentPod(ctx, a, node)
	return node != "" && (errors.Is(err, fs.ErrNotExist) || err == nil && !there.Ready)
}

// loginHop does at the store what the provider does for the pod.
func (s *site) loginHop(ctx context.Context) (hop, next string, wrong bool) {
	r := (&podReader{d: s.d, w: s.w, vs: s.vs}).canRead(ctx)
	switch {
	case r.Status == StatusSkip:
		return "", "", false
	case s.w.LoginOnNode:
		return r.Detail, r.Hint, false
	}
	if r.Status == StatusPass && s.d.Vault != nil {
		r.Hint = fmt.Sprintf("what the pod does works from here: does its node reach %s too? The log of the provider there tells; what is over mends itself within 2 minutes", s.d.Vault.CSIAddress)
	}
	return "the login that the pod does, done here: " + r.Detail, r.Hint, r.Status == StatusFail
}

// evidence is what the cluster remembers of a pod since the write: the newest
// warning, and the last word of driver and provider. Of what may not be read it
// says nothing.
func (s *site) evidence(ctx context.Context, p cluster.Pod, since time.Time) []string {
	var found []string
	events, _ := s.c.Events(ctx, p.Namespace, "Pod", p.Name)
	if e, ok := worst(slices.DeleteFunc(events, func(e cluster.Event) bool { return e.Time.Before(since) })); ok {
		found = append(found, fmt.Sprintf("event %s: %s", e.Reason, s.vs.clean.Line(cause(e.Message))))
	}
	agents, _ := s.c.Agents(ctx)
	for _, a := range agents {
		if a.Role != cluster.RoleDriver && a.Role != s.d.Provider {
			continue
		}
		agentPod, err := s.c.AgentPod(ctx, a, p.Node)
		if err != nil {
			continue
		}
		lines, _ := s.c.Logs(ctx, agentPod, a.Container, since, p.Name, p.UID)
		if l, ok := complaint(lines); ok {
			found = append(found, fmt.Sprintf("log of the %s: %s", a.Role, s.vs.clean.Line(cause(l))))
		}
		if a.Role == cluster.RoleDriver {
			found = append(found, s.failures(ctx, a, agentPod)...)
		}
	}
	return found
}

// In the logs of drivers and providers: what tells of an error, and what says that
// there was none.
var (
	tellsOfError = regexp.MustCompile(`(?i)\b(err|error|failed)\b`)
	noError      = strings.NewReplacer("error=<nil>", "", "err=<nil>", "", `error=""`, "")
)

// complaint returns the last line that tells of an error.
func complaint(lines []string) (l string, ok bool) {
	for _, l := range slices.Backward(lines) {
		if tellsOfError.MatchString(noError.Replace(l)) {
			return l, true
		}
	}
	return "", false
}

// failures returns what the driver counts.
func (s *site) failures(ctx context.Context, a cluster.Agent, p cluster.Pod) []string {
	names := []string{"rotation_reconcile_error_total", "node_publish_error_total"}
	samples, err := s.c.Metrics(ctx, p, a.MetricsPort, names...)
	if err != nil {
		return nil
	}
	var counts []string
	for _, name := range names {
		sum := 0.0
		for _, sample := range samples {
			if sample.Name == name {
				sum += sample.Value
			}
		}
		if sum > 0 {
			counts = append(counts, fmt.Sprintf("%s %.0f", name, sum))
		}
	}
	if len(counts) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the driver on %s counts %s", p.Node, strings.Join(counts, ", "))}
}

package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
		return r.vs.outside(err.Error())
	case got == digest(r.old):
		return "still the old value"
	}
	return "another value"
}

// firstHop goes the way of a secret to a pod, and returns the first thing on it
// that is wrong, and what to do. Where all looks well, hop says what was tried.
func (s *site) firstHop(ctx context.Context, p cluster.Pod) (hop, next string) {
	for _, look := range []func(context.Context) Result{s.serviceAccount, s.class} {
		if r := look(ctx); r.Status == StatusFail {
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
	i := slices.IndexFunc(agents, func(a cluster.Agent) bool { return a.Role == s.d.Provider })
	switch {
	case i < 0:
		return "no DaemonSet of the provider " + s.d.Provider + " is there", install
	case agents[i].Ready < agents[i].Desired:
		return fmt.Sprintf("the provider has %d of %d pods ready", agents[i].Ready, agents[i].Desired),
			fmt.Sprintf("kubectl describe -n %s daemonset/%s", agents[i].Namespace, agents[i].Name)
	}
	return "", ""
}

// loginHop does at the store what the provider does for the pod.
func (s *site) loginHop(ctx context.Context) (hop, next string, wrong bool) {
	r := (&podReader{s.d, s.w, s.vs}).canRead(ctx)
	if r.Status == StatusSkip {
		return "", "", false
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
		found = append(found, fmt.Sprintf("event %s: %s", e.Reason, s.vs.outside(cause(e.Message))))
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
		if lines, err := s.c.Logs(ctx, agentPod, a.Container, since, p.Name, p.UID); err == nil && len(lines) > 0 {
			found = append(found, fmt.Sprintf("log of the %s: %s", a.Role, s.vs.outside(cause(lines[len(lines)-1]))))
		}
		if a.Role == cluster.RoleDriver {
			found = append(found, s.failures(ctx, a, agentPod)...)
		}
	}
	return found
}

// failures returns what the driver counts.
func (s *site) failures(ctx context.Context, a cluster.Agent, p cluster.Pod) []string {
	names := []string{"rotation_reconcile_error_total", "node_publish_error_total"}
	samples, err := s.c.Metrics(ctx, p, a.MetricsPort, names...)
	if err != nil {
		return nil
	}
	var found []string
	for _, name := range names {
		sum := 0.0
		for _, sample := range samples {
			if sample.Name == name {
				sum += sample.Value
			}
		}
		if sum > 0 {
			found = append(found, fmt.Sprintf("the driver on %s counts %s %.0f", p.Node, name, sum))
		}
	}
	return found
}

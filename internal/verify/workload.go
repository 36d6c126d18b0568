package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// checksumAnnotation is what secretctl render sets on the pods, so that a changed vault
// config replaces them.
const checksumAnnotation = "secretctl.dev/vault-config-checksum"

var workloadChecks = []Check{
	{
		ID: "workload/service-account", Title: "the pods run as the ServiceAccount that the store trusts",
		Needs:    []string{"cluster/api"},
		subjects: workloadObject(func(d *config.Delivery) string { return "serviceaccount/" + d.Aidbox.ServiceAccount }),
		run:      func(ctx context.Context, r *run, _ subject) Result { return r.serviceAccount(ctx) },
	},
	{
		ID: "workload/secret-provider-class", Title: "the SecretProviderClass matches the config",
		Needs:    []string{"cluster/api"},
		subjects: perClass,
		run:      func(ctx context.Context, r *run, s subject) Result { return r.secretProviderClass(ctx, s.class) },
	},
	{
		ID: "workload/vault-config", Title: "the ConfigMap has the vault config, and the pods were created for it",
		Needs:    []string{"cluster/api"},
		subjects: workloadObject(func(d *config.Delivery) string { return "configmap/" + d.ConfigMapName() }),
		run:      configMapMatches,
	},
	{
		ID: "workload/deployment", Title: "every replica runs",
		Needs:    []string{"cluster/api"},
		subjects: workloadObject(deployment),
		run:      replicasRun,
	},
	{
		ID: "workload/no-subpath", Title: "no pod mounts a secret by subPath, where it never changes",
		Needs:    []string{"cluster/api"},
		subjects: workloadObject(deployment),
		run:      noSubPath,
	},
}

// workloadObject returns an object of the cluster as the subject, or none without a cluster.
func workloadObject(name func(*config.Delivery) string) func(context.Context, *run) []subject {
	return func(ctx context.Context, r *run) []subject {
		if r.load(ctx); r.pods == nil {
			return nil
		}
		return []subject{{name: name(r.d)}}
	}
}

func perClass(ctx context.Context, r *run) (all []subject) {
	if r.load(ctx); r.pods == nil {
		return nil
	}
	for _, c := range r.Provider.Classes(r.d) {
		all = append(all, subject{name: "secretproviderclass/" + c.Name, class: c})
	}
	return all
}

// noWorkload returns the result if the workload cannot be read; ok is true if it can.
func noWorkload(r *run) (result Result, ok bool) {
	next := "set aidbox.workload, namespace and --context to where Aidbox runs"
	switch err := r.pods.err; {
	case errors.Is(err, fs.ErrNotExist) && r.d.Aidbox.Workload.External():
		return Fail("no %s in namespace %s", r.d.Aidbox.Workload, r.d.Namespace).WithHint("deploy it, or %s", next), false
	case errors.Is(err, fs.ErrNotExist):
		return Fail("no %s in namespace %s", r.d.Aidbox.Workload, r.d.Namespace).WithHint("%s; or %s", r.renderHint(""), next), false
	case err != nil:
		return r.unknown(err), false
	}
	return Result{}, true
}

// configMapMatches compares the ConfigMap with the delivery, and with what the pods were
// created for.
func configMapMatches(ctx context.Context, r *run, _ subject) Result {
	data, err := r.Cluster.ConfigMap(ctx, r.d.Namespace, r.d.ConfigMapName())
	text, has := data[config.VaultConfigKey]
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("not found in namespace %s", r.d.Namespace).WithHint("%s", r.objectsHint())
	case err != nil:
		return r.unknown(err)
	case !has:
		return Fail("has no key %s", config.VaultConfigKey).WithHint("%s", r.objectsHint())
	}
	result := compareVaultConfig([]byte(text), r.d, r.Sanitizer)
	switch err := r.pods.err; {
	case result.Status == StatusFail, errors.Is(err, fs.ErrNotExist): // which workload/deployment reports
		return result
	case err != nil:
		return r.podsUnknown(result.Detail, err)
	}
	switch got := r.pods.workload.PodAnnotations[checksumAnnotation]; {
	case got == "" && r.d.Aidbox.ScopeFormat == config.ScopeObject:
		return Warn("%s; but the pods have no annotation %s, so a change does not replace them", result.Detail, checksumAnnotation).
			WithHint("with scopeFormat object, Aidbox reads the file only at start: apply what secretctl render writes")
	case got == "":
		result.Detail += fmt.Sprintf("; the pods have no annotation %s", checksumAnnotation)
	case got != cluster.Digest(r.d.VaultConfig()):
		return Fail("%s; but the pods were created for another one, according to their annotation %s", result.Detail, checksumAnnotation).WithHint("%s", r.workloadHint())
	case r.pods.workload.Paused:
		return Warn("%s; but %s is paused, so the pods were created for an earlier template", result.Detail, deployment(r.d)).WithHint("%s", r.rollout("resume"))
	case slices.ContainsFunc(r.pods.replicas(), func(p cluster.Pod) bool { return !p.Current }):
		what, next := r.rolloutState()
		return Warn("%s; %s, and some pods have an earlier template", result.Detail, what).WithHint("%s", next)
	default:
		result.Detail += ", and the pods were created for it"
	}
	return result
}

// rollout returns a command of kubectl about the workload.
func (r *run) rollout(verb string) string {
	return secret.Shellf("kubectl rollout %s -n %s %s", verb, r.d.Namespace, deployment(r.d))
}

// describe returns a command that shows the workload.
func (r *run) describe() string {
	return secret.Shellf("kubectl describe -n %s %s", r.d.Namespace, deployment(r.d))
}

// replicasRun checks that every replica runs, and otherwise says what prevents it.
func replicasRun(ctx context.Context, r *run, _ subject) Result {
	if result, ok := noWorkload(r); !ok {
		return result
	}
	w := r.pods.workload
	if w.Desired == 0 {
		why, next := r.noPods()
		return Fail("%s, so nothing runs", why).WithHint("%s", next)
	}
	var outdated []cluster.Pod // with an earlier template, or terminating
	for _, p := range w.Pods {
		switch {
		case p.Ended(): // no rollout waits for it
		case p.Terminating || !p.Current && !w.Paused:
			outdated = append(outdated, p)
		case p.Phase == "Pending":
			return podPending(ctx, r, p)
		case p.Phase == "Running":
			if found := containerDown(r, p); found.Status != "" {
				return found
			}
		}
	}
	describe, ready := r.describe(), replicasReady(r)
	switch {
	case len(w.Problems) > 0:
		return Fail("%s: %s", ready, r.line(strings.Join(w.Problems, "; "))).WithHint("%s", describe)
	case !w.Observed:
		return Unknown("%s, but the latest change is not observed yet", ready).WithHint("%s", r.rollout("status"))
	case len(r.pods.replicas()) == 0:
		return Fail("has no pods").WithHint("%s", describe)
	case w.Ready < w.Desired:
		return Fail("%s", ready).WithHint("%s", describe)
	case w.Paused:
		return Warn("%s; but %s is paused, and its template has changed: no replica has it", ready, deployment(r.d)).WithHint("%s", r.rollout("resume"))
	case len(outdated) > 0:
		what, next := r.rolloutState()
		return Warn("%s; %s: pod/%s is terminating or has an earlier template", ready, what, outdated[0].Name).WithHint("%s", next)
	}
	return Pass("%s, of the current template", ready)
}

// noPods says why no pod runs, and what to do.
func (r *run) noPods() (why, next string) {
	if r.pods.err == nil && r.pods.workload.Desired == 0 {
		return fmt.Sprintf("%s has 0 replicas", deployment(r.d)), secret.Shellf("kubectl scale -n %s %s --replicas=1", r.d.Namespace, deployment(r.d))
	}
	return fmt.Sprintf("no pod of %s runs in namespace %s", r.d.Aidbox.Workload, r.d.Namespace), "secretctl verify workload explains why"
}

func replicasReady(r *run) string {
	return fmt.Sprintf("%d of %d replicas ready", r.pods.workload.Ready, r.pods.workload.Desired)
}

// containerDown names the container that keeps a pod from being ready: Aidbox's, or
// another one that does not run or was restarted.
func containerDown(r *run, p cluster.Pod) (result Result) {
	found := p.Status(aidboxIn(r.d, p.Spec).Name)
	sidecars := slices.DeleteFunc(slices.Clone(p.Inits), func(s cluster.ContainerStatus) bool { return s.Passed })
	for _, other := range slices.Concat(p.Statuses, sidecars) {
		if found.Running && (!other.Running || found.Restarts == 0 && other.Restarts > 0) {
			found = other
		}
	}
	switch {
	case !found.Running:
		result = Fail("pod/%s: container %s does not run: %s; %s", p.Name, found.Name, cmp.Or(found.Reason, "no reason given"), replicasReady(r))
	case found.Restarts > 0 && !p.Ready:
		result = Fail("pod/%s is not ready: container %s was restarted, %d times so far; %s", p.Name, found.Name, found.Restarts, replicasReady(r))
	}
	return result.WithHint("%s", secret.Shellf("kubectl logs -n %s %s -c %s --previous", p.Namespace, p.Name, found.Name))
}

// podPending says why a pod does not start. The text of events is only shown: the hint
// follows from what the cluster and the store have.
func podPending(ctx context.Context, r *run, p cluster.Pod) Result {
	what := fmt.Sprintf("pod/%s is Pending", p.Name)
	reason := p.Status(aidboxIn(r.d, p.Spec).Name).Reason
	if reason != "" {
		what += " (" + reason + ")"
	}
	for _, s := range r.d.Secrets { // the sanitizer learns the values, which the store may have repeated in an event
		_, _ = r.inStore(ctx, s)
	}
	events, err := r.Cluster.Events(ctx, p.Namespace, "Pod", p.Name)
	if err != nil {
		what += "; its events cannot be read: " + r.line(err.Error())
	}
	// With a node, and a container that does not wait for something later such as its image.
	init, begun := initContainer(p)
	mounting := p.Node != "" && !begun && slices.Contains(beforeStart, reason)
	if !mounting { // a failed mount is over
		events = slices.DeleteFunc(events, func(e cluster.Event) bool { return e.Reason == "FailedMount" })
	}
	if e, ok := worst(events); ok {
		what += fmt.Sprintf("; event %s: %s", e.Reason, r.line(lastCause(e.Message)))
	}
	var cause, next string
	switch {
	case mounting:
		cause, next = r.firstCause(ctx, p)
	case init != "":
		cause, next = "it waits for init container "+init, secret.Shellf("kubectl logs -n %s %s -c %s", p.Namespace, p.Name, init)
	}
	if cause != "" {
		what += "; " + cause
	}
	return Fail("%s", what).WithHint("%s", cmp.Or(next, secret.Shellf("kubectl describe pod -n %s %s", p.Namespace, p.Name)))
}

// beforeStart are the reasons of a container that does not run yet, while volumes are mounted
// or init containers run.
var beforeStart = []string{"", "ContainerCreating", "PodInitializing"}

// initContainer returns the name of the init container that a pod waits for, or "". begun
// is whether one has started.
func initContainer(p cluster.Pod) (name string, begun bool) {
	for i, s := range p.Inits {
		if !s.Passed {
			return s.Name, i > 0 || s.Running || !slices.Contains(beforeStart, s.Reason)
		}
	}
	return "", len(p.Inits) > 0
}

// noSubPath checks the template and the pods: a file that is mounted by itself keeps its
// first content.
func noSubPath(_ context.Context, r *run, _ subject) Result {
	if result, ok := noWorkload(r); !ok {
		return result
	}
	var secrets, configs []string
	check := func(where string, spec cluster.Spec) {
		for _, c := range spec.Containers {
			for _, m := range c.Mounts {
				what := fmt.Sprintf("%s mounts %s of %s at %s", where, m.SubPath, m.Volume.Name, m.Path)
				switch {
				case m.SubPath == "":
				case m.Volume.SecretProviderClass != "":
					secrets = append(secrets, what)
				case m.Volume.ConfigMap == r.d.ConfigMapName():
					configs = append(configs, what)
				}
			}
		}
	}
	check("the template", r.pods.workload.Template)
	replicas := r.pods.replicas()
	for _, p := range replicas {
		check("pod/"+p.Name, p.Spec)
	}
	const fix = "mount the whole folder, without subPath, as secretctl render writes it"
	switch {
	case len(secrets) > 0:
		return Fail("%s, which never changes", r.line(strings.Join(secrets, "; "))).WithHint(fix)
	case len(configs) > 0:
		return Warn("%s, so a changed vault config needs new pods", r.line(strings.Join(configs, "; "))).WithHint(fix)
	}
	return Pass("in the template and in %s", Count(len(replicas), "pod"))
}

package verify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
)

// checksumAnnotation is what secretctl render puts on the pods, so that another vault
// config replaces them.
const checksumAnnotation = "secretctl.dev/vault-config-checksum"

var workloadChecks = []Check{
	{
		ID: "workload/service-account", Title: "the pods run as the ServiceAccount that the store trusts",
		subjects: workloadObject(func(d *config.Delivery) string { return "serviceaccount/" + d.Aidbox.ServiceAccount }),
		run:      func(ctx context.Context, r *run, _ subject) Result { return r.serviceAccount(ctx) },
	},
	{
		ID: "workload/secret-provider-class", Title: "the SecretProviderClass matches the config",
		subjects: perClass,
		run:      func(ctx context.Context, r *run, s subject) Result { return r.secretProviderClass(ctx, s.class) },
	},
	{
		ID: "workload/vault-config", Title: "the ConfigMap has the vault config, and the pods were created for it",
		subjects: workloadObject(func(d *config.Delivery) string { return "configmap/" + d.ConfigMapName() }),
		run:      configMapMatches,
	},
	{
		ID: "workload/deployment", Title: "every replica runs",
		subjects: workloadObject(deployment),
		run:      replicasRun,
	},
	{
		ID: "workload/no-subpath", Title: "no pod mounts a secret by subPath, where it never changes",
		subjects: workloadObject(deployment),
		run:      noSubPath,
	},
}

// workloadObject has an object of the cluster; none where no cluster is configured.
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

// noWorkload returns why the workload cannot be read, or ok.
func noWorkload(r *run) (result Result, ok bool) {
	switch err := r.pods.err; {
	case errors.Is(err, fs.ErrNotExist) && r.d.Aidbox.Workload.External():
		return Fail("no %s in namespace %s", r.d.Aidbox.Workload, r.d.Namespace).
			WithHint("deploy it, or set aidbox.workload, namespace and --context to where Aidbox runs"), false
	case errors.Is(err, fs.ErrNotExist):
		return Fail("no %s in namespace %s", r.d.Aidbox.Workload, r.d.Namespace).
			WithHint("%s; or set aidbox.workload, namespace and --context to where Aidbox runs", r.renderHint("")), false
	case err != nil:
		return r.unknown(err), false
	}
	return Result{}, true
}

// configMapMatches looks at the ConfigMap, and at whether the pods were made for what
// it says.
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
	if result.Status == StatusFail || r.pods.err != nil {
		return result
	}
	sum := sha256.Sum256(r.d.VaultConfig())
	switch got := r.pods.workload.PodAnnotations[checksumAnnotation]; {
	case got == "" && r.d.Aidbox.ScopeFormat == config.ScopeObject:
		return Warn("%s; but the pods have no annotation %s, so a change does not replace them", result.Detail, checksumAnnotation).
			WithHint("with scopeFormat object, Aidbox reads the file only at start: apply what secretctl render writes")
	case got == "":
		result.Detail += fmt.Sprintf("; the pods have no annotation %s", checksumAnnotation)
	case got != hex.EncodeToString(sum[:]):
		return Fail("%s; but the pods were created for another one, according to their annotation %s", result.Detail, checksumAnnotation).WithHint("%s", r.workloadHint())
	case r.pods.workload.Paused:
		return Warn("%s; but %s is paused, so the pods were created for an earlier template", result.Detail, deployment(r.d)).WithHint("%s", resume(r))
	case slices.ContainsFunc(r.pods.replicas(), func(p cluster.Pod) bool { return !p.Current }):
		return Warn("%s; the pods are being replaced", result.Detail).WithHint("kubectl rollout status -n %s %s", r.d.Namespace, deployment(r.d))
	default:
		result.Detail += ", and the pods were created for it"
	}
	return result
}

// replicasRun says whether every replica runs, and what keeps one from it.
func replicasRun(ctx context.Context, r *run, _ subject) Result {
	if result, ok := noWorkload(r); !ok {
		return result
	}
	w, rollout := r.pods.workload, fmt.Sprintf("kubectl rollout status -n %s %s", r.d.Namespace, deployment(r.d))
	if w.Desired == 0 {
		return Fail("has 0 replicas, so nothing runs").WithHint("kubectl scale -n %s %s --replicas=1", r.d.Namespace, deployment(r.d))
	}
	var others []cluster.Pod // of an earlier template, or going away
	for _, p := range w.Pods {
		switch {
		case p.Ended(): // which no rollout waits for
		case p.Terminating || !p.Current && !w.Paused:
			others = append(others, p)
		case p.Phase == "Pending":
			return podPending(ctx, r, p)
		case p.Phase == "Running":
			if found := containerDown(r, p); found.Status != "" {
				return found
			}
		}
	}
	switch {
	case len(w.Problems) > 0:
		return Fail("%s: %s", replicasReady(r), r.line(strings.Join(w.Problems, "; "))).WithHint("kubectl describe -n %s %s", r.d.Namespace, deployment(r.d))
	case !w.Observed:
		return Unknown("%s, but the latest change is not observed yet", replicasReady(r)).WithHint("%s", rollout)
	case len(r.pods.replicas()) == 0:
		return Fail("has no pods").WithHint("kubectl describe -n %s %s", r.d.Namespace, deployment(r.d))
	case w.Ready < w.Desired:
		return Fail("%s", replicasReady(r)).WithHint("kubectl describe -n %s %s", r.d.Namespace, deployment(r.d))
	case w.Paused:
		return Warn("%s; but %s is paused, and its template has changed: no replica has it", replicasReady(r), deployment(r.d)).WithHint("%s", resume(r))
	case len(others) > 0:
		return Warn("%s; a rollout is in progress: pod/%s is terminating or has an earlier template", replicasReady(r), others[0].Name).WithHint("%s", rollout)
	}
	return Pass("%s, of the current template", replicasReady(r))
}

func resume(r *run) string {
	return fmt.Sprintf("kubectl rollout resume -n %s %s", r.d.Namespace, deployment(r.d))
}

// containerDown names the container that keeps a pod from being ready: Aidbox's, or
// else another one that does not run, or that was restarted.
func containerDown(r *run, p cluster.Pod) (result Result) {
	found := p.Status(aidboxIn(r.d, p.Spec).Name)
	for _, other := range p.Statuses {
		if found.Running && (!other.Running || found.Restarts == 0 && other.Restarts > 0) {
			found = other
		}
	}
	switch logs := fmt.Sprintf("kubectl logs -n %s %s -c %s --previous", p.Namespace, p.Name, found.Name); {
	case !found.Running:
		result = Fail("pod/%s: container %s does not run: %s; %s", p.Name, found.Name, cmp.Or(found.Reason, "no reason given"), replicasReady(r)).WithHint("%s", logs)
	case found.Restarts > 0 && !p.Ready:
		result = Fail("pod/%s is not ready: container %s was restarted, %d times so far; %s", p.Name, found.Name, found.Restarts, replicasReady(r)).WithHint("%s", logs)
	}
	return result
}

func replicasReady(r *run) string {
	return fmt.Sprintf("%d of %d replicas ready", r.pods.workload.Ready, r.pods.workload.Desired)
}

// podPending says why a pod does not start. The events alone tell; what to do follows
// from what the cluster and the store have, and not from their words.
func podPending(ctx context.Context, r *run, p cluster.Pod) Result {
	what := fmt.Sprintf("pod/%s is Pending", p.Name)
	if reason := p.Status(aidboxIn(r.d, p.Spec).Name).Reason; reason != "" {
		what += " (" + reason + ")"
	}
	for _, s := range r.d.Secrets { // an event repeats what the store said, which may have a value in it
		_, _ = r.values.inStore(ctx, s)
	}
	events, err := r.Cluster.Events(ctx, p.Namespace, "Pod", p.Name)
	if err != nil {
		what += "; its events cannot be read: " + r.line(err.Error())
	}
	mounting := r.waitsForVolumes(p)
	if !mounting {
		events = slices.DeleteFunc(events, func(e cluster.Event) bool { return e.Reason == "FailedMount" }) // and that is over
	}
	if e, ok := worst(events); ok {
		what += fmt.Sprintf("; event %s: %s", e.Reason, r.line(cause(e.Message)))
	}
	var why, next string
	if mounting {
		why, next = r.firstCause(ctx, p)
	}
	if why != "" {
		what += "; " + why
	}
	if next == "" {
		next = fmt.Sprintf("kubectl describe pod -n %s %s", p.Namespace, p.Name)
	}
	return Fail("%s", what).WithHint("%s", next)
}

// waitsForVolumes says whether the secrets may be what keeps a pod from starting: it has a
// node, and its container does not wait for something that comes after the volumes, such
// as its image.
func (r *run) waitsForVolumes(p cluster.Pod) bool {
	reason := p.Status(aidboxIn(r.d, p.Spec).Name).Reason
	return p.Node != "" && slices.Contains([]string{"", "ContainerCreating", "PodInitializing"}, reason)
}

// noSubPath looks at the template and at the pods: a file that is mounted by
// itself keeps its first content for good.
func noSubPath(_ context.Context, r *run, _ subject) Result {
	if result, ok := noWorkload(r); !ok {
		return result
	}
	specs := map[string]cluster.Spec{"the template": r.pods.workload.Template}
	order := []string{"the template"}
	for _, p := range r.pods.replicas() {
		order = append(order, "pod/"+p.Name)
		specs["pod/"+p.Name] = p.Spec
	}
	var stale, frozen []string
	for _, where := range order {
		for _, c := range specs[where].Containers {
			for _, m := range c.Mounts {
				what := fmt.Sprintf("%s mounts %s of %s at %s", where, m.SubPath, m.Volume.Name, m.Path)
				switch {
				case m.SubPath == "":
				case m.Volume.SecretProviderClass != "":
					stale = append(stale, what)
				case m.Volume.ConfigMap == r.d.ConfigMapName():
					frozen = append(frozen, what)
				}
			}
		}
	}
	const cure = "mount the whole folder, without subPath, as secretctl render writes it"
	switch {
	case len(stale) > 0:
		return Fail("%s, which never changes", r.line(strings.Join(stale, "; "))).WithHint(cure)
	case len(frozen) > 0:
		return Warn("%s, so a changed vault config needs new pods", r.line(strings.Join(frozen, "; "))).WithHint(cure)
	}
	return Pass("in the template and in %s", Count(len(order)-1, "pod"))
}

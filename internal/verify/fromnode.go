package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
)

const (
	probeTimeout = 150 * time.Second // the driver gives its provider two minutes
	probePoll    = 500 * time.Millisecond
)

// podMounts has a throw-away pod mount the secrets as Aidbox's pods do, so that the node does
// the login. It deletes the pod, and those that killed runs have left.
func (r *run) podMounts(ctx context.Context) Result {
	r.load(ctx)
	probe, result := r.newProbe(ctx)
	if probe.Image == "" {
		return result
	}
	if err := r.Cluster.DeleteProbes(ctx, probe.Namespace, probe.Delivery); err != nil {
		return r.unknown(err)
	}
	pod, err := r.Cluster.CreateProbe(ctx, probe)
	if err == nil {
		result = r.awaitMount(ctx, pod, probe.Classes)
	} else {
		result = r.unknown(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteTimeout)
	defer cancel()
	if err := r.Cluster.DeleteProbes(ctx, probe.Namespace, probe.Delivery); err != nil {
		result.Detail += "; the throw-away pod could not be deleted: " + r.line(err.Error())
		result.Hint = cmp.Or(result.Hint, "the next doctor --from-node deletes it")
		if result.Status == StatusPass {
			result.Status = StatusWarn
		}
	}
	return result
}

// newProbe describes the pod. If something is missing without which a mount would prove
// nothing, the probe has no image, and the result names it.
func (r *run) newProbe(ctx context.Context) (cluster.Probe, Result) {
	var none cluster.Probe
	if err := r.pods.err; err != nil && !errors.Is(err, fs.ErrNotExist) {
		return none, r.unknown(err)
	}
	if _, err := r.Cluster.ServiceAccount(ctx, r.d.Namespace, r.d.Aidbox.ServiceAccount); errors.Is(err, fs.ErrNotExist) {
		return none, r.noServiceAccount()
	}
	template := r.pods.workload.Template // empty without a workload
	probe := cluster.Probe{
		Namespace: r.d.Namespace, Delivery: r.d.Name, ServiceAccount: r.d.Aidbox.ServiceAccount,
		Image:     cmp.Or(aidboxIn(r.d, template).Image, r.d.Aidbox.Image),
		Placement: template.Placement, Life: probeTimeout,
	}
	for _, c := range r.Provider.Classes(r.d) {
		if found := r.secretProviderClass(ctx, c); found.Status == StatusFail || found.Status == StatusUnknown {
			return none, Unknown("no pod was created: SecretProviderClass %s: %s", c.Name, found.Detail).WithHint("%s", found.Hint)
		}
		probe.Classes = append(probe.Classes, c.Name)
	}
	if probe.Image == "" {
		return none, Unknown("no pod was created: neither %s nor the config names an image", r.d.Aidbox.Workload).WithHint("deploy Aidbox first")
	}
	return probe, Result{}
}

// awaitMount waits until the driver has mounted every volume of a pod, or has failed.
func (r *run) awaitMount(ctx context.Context, pod cluster.Pod, classes []string) Result {
	r.progress("store/pod-can-read", probeTimeout)
	for start := time.Now(); time.Since(start) < probeTimeout; {
		if result, known := r.mountOf(ctx, pod, classes); known {
			return result
		}
		if !sleep(ctx, probePoll) {
			return Unknown("pod/%s had not mounted the secrets yet", pod.Name)
		}
	}
	result := podPending(ctx, r, pod)
	return Unknown("not mounted within %s: %s", probeTimeout, result.Detail).WithHint("%s", result.Hint)
}

// mountOf returns the result once the pod has mounted its volumes or cannot mount them.
func (r *run) mountOf(ctx context.Context, pod cluster.Pod, classes []string) (result Result, known bool) {
	live, err := r.Cluster.Pod(ctx, pod.Namespace, pod.Name)
	switch {
	case ctx.Err() != nil:
		return Result{}, false
	case errors.Is(err, fs.ErrNotExist), err == nil && live.Terminating:
		return Unknown("pod/%s was deleted before it mounted anything", pod.Name).WithHint("run it again; no other doctor --from-node of this delivery may run at the same time"), true
	case err != nil:
		return r.unknown(err), true
	}
	statuses, err := r.Cluster.PodStatuses(ctx, pod.Namespace)
	if err != nil {
		return r.unknown(err), ctx.Err() == nil
	}
	missing := slices.DeleteFunc(slices.Clone(classes), func(class string) bool {
		return slices.ContainsFunc(statuses, func(s cluster.PodStatus) bool {
			return s.PodUID == pod.UID && s.SecretProviderClass == class && s.Mounted
		})
	})
	if len(missing) == 0 {
		return Pass("a throw-away pod on node %s mounted %s", live.Node, Count(len(r.d.Secrets), "secret")), true
	}
	events, err := r.Cluster.Events(ctx, pod.Namespace, "Pod", pod.Name)
	if err != nil {
		return r.unknown(fmt.Errorf("why the pod does not mount: %w", err)), ctx.Err() == nil
	}
	if e, ok := worst(events); ok && e.Reason == "FailedMount" {
		return podPending(ctx, r, live), true
	}
	return Result{}, false
}

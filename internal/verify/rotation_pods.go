package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
)

// statusPatience is how much later than a file its status may change.
const statusPatience = 3 * time.Second

// prepare finds out, before anything is written, what there is to follow and how
// long it may take. ok is false where the new value could not arrive.
func (r *rotation) prepare(ctx context.Context) (stopped Result, ok bool) {
	if r.load(ctx); r.pods == nil {
		r.Deadline, r.Poll = orDuration(r.Deadline, defaultDeadline), orDuration(r.Poll, defaultPoll)
		r.layTrails(ctx)
		return Result{}, true
	}
	r.Poll = orDuration(r.Poll, podPoll)
	const unwritten = "nothing was written"
	r.pods.load(ctx)
	r.before = r.pods.replicas()
	switch {
	case r.pods.err != nil:
		stopped = r.unknown(r.pods.err)
		stopped.Detail += "; " + unwritten
		return stopped, false
	case len(r.before) == 0:
		return Unknown("no pod of %s runs in namespace %s, so nothing would be seen; %s", r.d.Aidbox.Workload, r.d.Namespace, unwritten).
			WithHint("secretctl verify workload tells why; rotate --no-verify only writes"), false
	}
	r.mechanism = r.run.driver.rotation(ctx)
	if r.mechanism.Known && !r.mechanism.Enabled {
		return Fail("%s; %s", r.mechanism.Why, unwritten).
			WithHint("the driver rotates with --enable-secret-rotation=true and, from 1.6.0, requiresRepublish: true in its CSIDriver object; rotate --no-verify only writes, then new pods have the value"), false
	}
	const cannot = "the new value would not arrive: %s; %s"
	agents, _ := r.Cluster.Agents(ctx)
	for _, p := range r.before {
		if hop, next := r.providerHop(ctx, agents, p); hop != "" {
			return Fail(cannot, hop, unwritten).WithHint("%s", next), false
		}
	}
	if hop, next, wrong := r.loginHop(ctx); wrong && !r.old.Empty() { // else the write may be what mends it
		return Fail(cannot, hop, unwritten).WithHint("%s", next), false
	}
	r.mounts = r.pods.mounts(r.before)
	r.setDeadline(ctx)
	r.lookAtVersions(ctx)
	r.layTrails(ctx)
	return Result{}, true
}

// setDeadline computes the deadline from the driver, unless one was given.
func (r *rotation) setDeadline(ctx context.Context) {
	r.age = r.youngest(ctx, r.d.MountFolder(r.secret)).Truncate(time.Second)
	if r.Deadline > 0 {
		r.why = "as --rotation-deadline says"
		return
	}
	r.Deadline, r.why = r.mechanism.Deadline(r.age)
}

// age returns how long ago the folder of a replica last changed, of all replicas
// the shortest time; 0 where that cannot be told.
func (r *rotation) youngest(ctx context.Context, folder string) time.Duration {
	youngest := time.Duration(-1)
	for _, p := range r.pods.replicas() {
		info, err := r.Cluster.Stat(ctx, p, aidboxIn(r.d, p.Spec).Name, folder)
		if err != nil {
			return 0
		}
		if age := time.Since(info.ModTime); youngest < 0 || age < youngest {
			youngest = age
		}
	}
	return max(0, youngest)
}

// eachReplica says whether each replica can be asked by itself.
func (r *rotation) eachReplica(ctx context.Context) bool {
	if r.client == nil || r.AidboxAt == nil || r.pods == nil {
		return false
	}
	aidbox, err := r.AidboxAt(r.before[0])
	if err != nil {
		return false
	}
	_, _, err = aidbox.Probe(ctx, r.client.path, r.client.ID, r.old)
	_, forbidden := errors.AsType[*cluster.ForbiddenError](err)
	return !forbidden
}

// nudge has kubelet sync the pods: at once, and where the driver would skip that
// because of its poll interval, when the interval is over.
func (r *rotation) nudge(ctx context.Context) {
	r.nudgeAll(ctx)
	gate := r.mechanism.Interval - r.age
	if gate <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(gate + time.Second):
		r.nudgeAll(ctx)
	}
}

func (r *rotation) nudgeAll(ctx context.Context) {
	for _, t := range r.trails {
		if t.mount == nil || t.mount.pod == nil {
			continue
		}
		select {
		case <-t.file.done:
			continue
		default:
		}
		if err := r.Cluster.Nudge(ctx, *t.mount.pod); err != nil {
			r.times.add(t.name, "not annotated: "+r.line(err.Error()))
			continue
		}
		r.times.add(t.name, momentNudged)
	}
}

// followStatus notes when the driver says of a pod that it mounted another version.
// That is evidence for the timeline, so it keeps silent where it may not look. It
// ends when every pod was seen.
func (r *rotation) followStatus(ctx context.Context) {
	defer close(r.statusSeen)
	id, class, before, seen := r.Provider.StatusID(r.secret), r.classes[r.secret.Name], r.versions, map[string]bool{}
	for len(before) > len(seen) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(r.Poll):
		}
		all, err := r.Cluster.PodStatuses(ctx, r.d.Namespace)
		if err != nil {
			continue
		}
		for _, s := range all {
			if was, ours := before[s.PodUID]; ours && s.SecretProviderClass == class && !seen[s.PodUID] && s.Versions[id] != was {
				seen[s.PodUID] = true
				r.times.add("pod/"+s.Pod, momentStatus)
			}
		}
	}
}

// lookAtVersions remembers what the driver says that it mounted before the write.
func (r *rotation) lookAtVersions(ctx context.Context) {
	r.versions, r.statusSeen = map[string]string{}, make(chan struct{})
	all, _ := r.Cluster.PodStatuses(ctx, r.d.Namespace)
	for _, s := range all {
		if slices.ContainsFunc(r.before, func(p cluster.Pod) bool { return p.UID == s.PodUID }) && s.SecretProviderClass == r.classes[r.secret.Name] {
			r.versions[s.PodUID] = s.Versions[r.Provider.StatusID(r.secret)]
		}
	}
}

// awaitStatus gives the driver a moment to say what it has done: it writes the
// status after the files.
func (r *rotation) awaitStatus(ctx context.Context) {
	if r.pods == nil {
		return
	}
	select {
	case <-r.statusSeen:
	case <-ctx.Done():
	case <-time.After(statusPatience):
	}
}

// samePods proves by identity that no replica was restarted or replaced.
func (r *rotation) samePods(ctx context.Context) Result {
	if r.written.IsZero() {
		return Skip("nothing was written")
	}
	now, err := r.Cluster.Workload(ctx, r.d.Namespace, r.d.Aidbox.Workload.Kind, r.d.Aidbox.Workload.Name)
	if err != nil {
		return r.unknown(err)
	}
	var wrong []string
	for _, was := range r.before {
		i := slices.IndexFunc(now.Pods, func(p cluster.Pod) bool { return p.UID == was.UID })
		switch {
		case i < 0:
			wrong = append(wrong, "pod/"+was.Name+" is gone")
		case now.Pods[i].Terminating:
			wrong = append(wrong, "pod/"+was.Name+" is going away")
		default:
			wrong = append(wrong, restarts(was, now.Pods[i])...)
		}
	}
	if len(wrong) > 0 {
		return Fail("%s", r.line(strings.Join(wrong, "; "))).WithHint("a rotation needs no restart: did something else roll or evict the pods? kubectl get events -n %s", r.d.Namespace)
	}
	return Pass("UID, restart count and start time of %s are as before the write", count(len(r.before), "pod"))
}

func restarts(was, is cluster.Pod) (found []string) {
	for _, before := range was.Statuses {
		after := is.Status(before.Name)
		if after.Restarts != before.Restarts || !after.StartedAt.Equal(before.StartedAt) {
			found = append(found, fmt.Sprintf("container %s of pod/%s was restarted: %d restarts, before %d", before.Name, was.Name, after.Restarts, before.Restarts))
		}
	}
	return found
}

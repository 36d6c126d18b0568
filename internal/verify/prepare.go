package verify

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
)

// prepareRotation finds out, before anything is written, what there is to follow and
// how long it may take. ok is false where the new value could not arrive.
func (r *run) prepareRotation(ctx context.Context) (stopped Result, ok bool) {
	is := r.rotation
	if r.load(ctx); r.pods == nil {
		is.Deadline, is.Poll = cmp.Or(is.Deadline, defaultDeadline), cmp.Or(is.Poll, defaultPoll)
		if stopped, ok = r.preflight(ctx); ok {
			r.health.start(ctx)
		}
		return stopped, ok
	}
	r.pods.load(ctx)
	switch {
	case r.pods.err != nil:
		return r.unknown(r.pods.err), false
	case len(r.pods.replicas()) == 0:
		return Unknown("no pod of %s runs in namespace %s, so nothing would show the rotation", r.d.Aidbox.Workload, r.d.Namespace).
			WithHint("secretctl verify workload says why; rotate --no-verify only writes"), false
	}
	r.mounts = r.pods.mounts(r.pods.replicas())
	lookIntoAll(ctx, r)
	w := r.newPodWatch(ctx, is.secret)
	if w.driver.Known && !w.driver.Enabled {
		return Fail("%s", w.driver.Why).
			WithHint("set --enable-secret-rotation=true on the driver and, from 1.6.0, requiresRepublish: true in its CSIDriver object; or run rotate --no-verify and restart the pods"), false
	}
	const cannot = "the new value would not arrive: %s"
	if cause := r.absentObject(ctx); cause != "" {
		return Fail(cannot, cause).WithHint("%s", r.objectsHint()), false
	}
	agents, _ := r.Cluster.Agents(ctx)
	for _, p := range r.pods.replicas() {
		if cause, next := r.providerCause(ctx, agents, p); cause != "" {
			return Fail(cannot, cause).WithHint("%s", next), false
		}
	}
	if cause, next, wrong := r.loginCause(ctx); wrong && !is.old.Empty() { // else the write may be what fixes it
		return Fail(cannot, cause).WithHint("%s", next), false
	}
	if w.why = "as --rotation-deadline says"; is.Deadline == 0 {
		is.Deadline, w.why = w.driver.Deadline(w.age)
	}
	is.Poll = cmp.Or(is.Poll, podPoll)
	if stopped, ok = r.preflight(ctx); ok {
		w.watch(ctx, r.mounts)
		r.podWatch = w
	}
	return stopped, ok
}

// newPodWatch notes how the driver rotates a secret.
func (r *run) newPodWatch(ctx context.Context, s config.Secret) *podWatch {
	return &podWatch{
		c: r.Cluster, namespace: r.d.Namespace, clean: r.Sanitizer, driver: r.driver.rotation(ctx), age: age(ctx, r.mounts, s).Truncate(time.Second),
		class: r.classes[s.Name], id: r.Provider.StatusID(s), versions: map[string]string{}, seen: make(chan struct{}),
	}
}

// age returns how long ago the folder of a replica last changed, of all replicas
// the shortest time; 0 where that cannot be told.
func age(ctx context.Context, mounts []*mount, s config.Secret) time.Duration {
	youngest := time.Duration(-1)
	for _, m := range mounts {
		folder := fileOf(m.folder(s))(m.observation(ctx))
		if folder.ModTime.IsZero() {
			return 0
		}
		if age := time.Since(folder.ModTime); youngest < 0 || age < youngest {
			youngest = age
		}
	}
	return max(0, youngest)
}

// rotationClient returns the Client that the new value is tried with, if there is one.
func rotationClient(r *run) *client {
	return clientWith(r.d, r.Dependencies, r.rotation.secret, grantBasic, grantCredentials)
}

// newFollowers returns who follows: one for every mount; and who asks Aidbox: each
// replica where that can be done, or else whatever answers at aidbox.url.
func (r *run) newFollowers(ctx context.Context) (followers []*follower) {
	c := rotationClient(r)
	each := c != nil && r.asksPods(ctx, *c)
	for _, m := range r.mounts {
		f := newFollower(m.replica, m, nil)
		f.watch = newWatcher(m, r.rotation.secret, r.rotation.opening)
		if each {
			f.client, f.elsewhere = c.at(r.AidboxAt(*m.pod)), c
		}
		followers = append(followers, f)
	}
	if !each && c != nil {
		followers = append(followers, newFollower("", nil, c))
	}
	return followers
}

// asksPods says whether each replica can be asked by itself.
func (r *run) asksPods(ctx context.Context, c client) bool {
	if r.AidboxAt == nil || r.mounts[0].pod == nil {
		return false
	}
	_, _, err := r.AidboxAt(*r.mounts[0].pod).Probe(ctx, c.path, c.ID, r.rotation.old)
	_, forbidden := errors.AsType[*cluster.ForbiddenError](err)
	return !forbidden
}

// followRotation starts what follows the new value.
func (r *run) followRotation(ctx context.Context) {
	is, w := r.rotation, r.podWatch
	besides := []func(context.Context){r.watchStore}
	if w != nil {
		besides = append(besides, func(ctx context.Context) { w.follow(ctx, is.Poll, is.followers, &is.times) })
	}
	if w != nil && is.Nudge {
		besides = append(besides, func(ctx context.Context) { w.nudge(ctx, is.followers, r.o.Parallel, &is.times) })
	}
	is.start(ctx, besides...)
}

// await waits for a step, and says how long at most.
func (r *run) await(ctx context.Context, what string, deadline time.Duration, s *step) {
	r.progress(what, deadline)
	select {
	case <-s.done:
	case <-ctx.Done():
		<-s.done // which comes at once
	}
}

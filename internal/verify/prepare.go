package verify

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
)

// prepareRotation finds out what to follow, and how long that may take. ok is false if the
// new value could not arrive.
func (r *run) prepareRotation(ctx context.Context) (stopped Result, ok bool) {
	rot := r.rotation
	if r.load(ctx); r.pods == nil {
		rot.Deadline = cmp.Or(rot.Deadline, defaultDeadline)
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
		why, next := r.noPods()
		return Unknown("%s, so nothing would show the rotation", why).WithHint("%s; rotate --no-verify only writes", next), false
	}
	r.mounts = r.pods.mounts(r.pods.replicas())
	lookIntoAll(ctx, r)
	w := &podWatch{
		run: r, mechanism: r.driver.rotation(), age: age(ctx, r.mounts, rot.secret).Truncate(time.Second),
		versions: map[string]string{}, seen: make(chan struct{}),
	}
	if w.mechanism.Known && !w.mechanism.Enabled {
		return Fail("%s", w.mechanism.Why).
			WithHint("set --enable-secret-rotation=true on the driver and, from 1.6.0, requiresRepublish: true in its CSIDriver object; or run rotate --no-verify and restart the pods"), false
	}
	if cause, next := r.obstacle(ctx); cause != "" {
		return Fail("the new value would not arrive: %s", cause).WithHint("%s", next), false
	}
	if w.why = "as --rotation-deadline says"; rot.Deadline == 0 {
		rot.Deadline, w.why = w.mechanism.Deadline(w.age)
	}
	if stopped, ok = r.preflight(ctx); ok {
		w.watch(ctx, r.mounts)
		r.podWatch = w
	}
	return stopped, ok
}

// obstacle returns what would keep the new value from the pods, and what to do.
func (r *run) obstacle(ctx context.Context) (cause, next string) {
	_, err := r.Cluster.ServiceAccount(ctx, r.d.Namespace, r.d.Aidbox.ServiceAccount)
	for _, c := range r.Provider.Classes(r.d) {
		if !errors.Is(err, fs.ErrNotExist) {
			_, err = r.Cluster.SecretProviderClass(ctx, r.d.Namespace, c.Name)
		}
	}
	if errors.Is(err, fs.ErrNotExist) { // without it, the driver updates no file, not even in a pod that runs
		return r.line(err.Error()), r.objectsHint()
	}
	agents, _ := r.Cluster.Agents(ctx)
	asked := map[string]bool{} // nodes
	for _, m := range r.mounts {
		if asked[m.pod.Node] || !m.pod.Status(m.container).Running { // it is left out, and mounts the new value when it starts
			continue
		}
		asked[m.pod.Node] = true
		if cause, next := r.providerCause(ctx, agents, *m.pod); cause != "" {
			return cause, next
		}
	}
	if cause, next, wrong := r.loginCause(ctx); wrong && !r.rotation.old.Empty() { // else the write may fix it
		return cause, next
	}
	return "", ""
}

// age returns how long ago the folder of a replica last changed, of all replicas the
// shortest time; 0 if that is not known.
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

// rotationClient returns the Client that tries the new value, or nil.
func (r *run) rotationClient() *client {
	return r.clientWith(r.rotation.secret, grantBasic, grantCredentials)
}

// newFollowers returns a follower for each mount. Each asks the Aidbox of its replica, if that
// can be reached; otherwise another follower asks aidbox.url.
func (r *run) newFollowers(ctx context.Context) (followers []*follower) {
	c := r.rotationClient()
	askEach := c != nil && r.canAskPods(ctx, *c)
	for _, m := range r.mounts {
		f := newFollower(m.replica, m, nil)
		if askEach {
			f.client, f.fallback = c.at(r.AidboxAt(*m.pod)), c
		}
		followers = append(followers, f)
	}
	if !askEach && c != nil {
		followers = append(followers, newFollower("", nil, c))
	}
	return followers
}

// canAskPods reports whether secretctl may connect to the Aidbox of each replica.
func (r *run) canAskPods(ctx context.Context, c client) bool {
	if r.AidboxAt == nil || r.mounts[0].pod == nil {
		return false
	}
	_, _, err := r.AidboxAt(*r.mounts[0].pod).Probe(ctx, c.path, c.ID, r.rotation.old)
	_, forbidden := errors.AsType[*cluster.ForbiddenError](err)
	return !forbidden
}

// followRotation starts to follow the new value.
func (r *run) followRotation(ctx context.Context) {
	rot := r.rotation
	for _, f := range rot.followers {
		rot.running.Go(func() { rot.follow(ctx, f) })
	}
	rot.running.Go(func() { r.watchStore(ctx) })
	if r.podWatch != nil {
		rot.running.Go(func() { r.podWatch.follow(ctx) })
	}
	if r.podWatch != nil && rot.Nudge {
		rot.running.Go(func() { r.podWatch.nudge(ctx) })
	}
}

package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/store"
)

// preflight checks that a rotation could be seen: every mount has the store's value, and
// Aidbox accepts it. Pods that do not run are left out and named. With Follow, any value may
// be mounted. With Due, a value that has not arrived is followed and not rotated again.
func (r *run) preflight(ctx context.Context) (stopped Result, ok bool) {
	rot := r.rotation
	var serving []*mount
	var late []string
	for _, m := range r.mounts {
		leaveOut, result := r.unfit(ctx, m)
		switch {
		case leaveOut != "":
			rot.leftOut = append(rot.leftOut, fmt.Sprintf("%s (%s)", m.replica, r.line(leaveOut)))
			continue
		case result.Status == StatusFail && rot.Due && !rot.Follow:
			late = append(late, result.Detail)
		case result.Status != "":
			return result, false
		}
		serving = append(serving, m)
	}
	if len(serving) == 0 {
		return Unknown("nothing would show the rotation%s", rot.notFollowed()).WithHint("secretctl verify workload explains why; rotate --no-verify only writes"), false
	}
	if len(rot.leftOut) > 0 {
		rot.Noted(strings.TrimPrefix(rot.notFollowed(), "; "))
	}
	r.mounts = serving
	if len(late) > 0 {
		if stopped, ok = r.followInstead(ctx, list("; ", late)); !ok {
			return stopped, false
		}
	}
	rot.followers = r.newFollowers(ctx)
	if rot.Follow {
		return Result{}, true
	}
	for _, m := range serving {
		if can := fileCanRotate(ctx, r, subject{mount: m, secret: rot.secret}); can.Status == StatusFail && m.pod != nil {
			can.Detail = m.replica + ": " + can.Detail
			return can, false
		}
	}
	return r.aidboxFit(ctx)
}

// unfit returns why a rotation would not be seen in a mount: a reason to leave it out, or a
// result that stops the rotation.
func (r *run) unfit(ctx context.Context, m *mount) (leaveOut string, stopped Result) {
	rot := r.rotation
	if m.pod != nil {
		if status := m.pod.Status(m.container); !status.Running {
			return fmt.Sprintf("container %s does not run: %s", m.container, cmp.Or(status.Reason, m.pod.Phase)), Result{}
		}
	}
	s := subject{mount: m, secret: rot.secret}
	got := m.look(ctx, rot.secret)
	switch err := got.Err; {
	case errors.Is(err, errGone), errors.Is(err, cluster.ErrNotRunning):
		return err.Error(), Result{}
	case rot.Follow && aboutFile(err):
		return "", Result{}
	case errors.Is(err, fs.ErrNotExist):
		stopped = filePresent(ctx, r, s)
	case aboutFile(err):
		stopped = fileReadable(ctx, r, s)
	case cannotLook(err) && r.rotationClient() != nil: // Aidbox will show it
		return "", Result{}
	case err != nil:
		stopped = r.unknown(err)
	case !rot.Follow && !rot.old.Empty() && got.Digest != digest(rot.old):
		stopped = Fail("the file has another value than the store, version %s", rot.before).
			WithHint("an earlier rotation may be under way: %s; otherwise secretctl verify mount explains it", rot.followHint())
	default:
		return "", Result{}
	}
	stopped.Detail = m.replica + ": " + stopped.Detail
	return "", stopped
}

// aidboxFit checks that Aidbox accepts the old value, wherever it will be asked. Otherwise
// nothing that it answers later proves anything.
func (r *run) aidboxFit(ctx context.Context) (stopped Result, ok bool) {
	rot := r.rotation
	if r.pods == nil {
		if err := r.Aidbox.Health(ctx); err != nil {
			return r.unknown(fmt.Errorf("aidbox: %w", err)), false
		}
	}
	if rot.old.Empty() {
		return Result{}, true
	}
	asking := slices.DeleteFunc(slices.Clone(rot.followers), func(f *follower) bool { return f.client == nil })
	answers := make([]attempt, len(asking))
	_ = store.Parallel(len(asking), r.o.Parallel, func(i int) error {
		answers[i] = asking[i].client.authenticate(ctx, rot.old)
		return nil
	})
	for i, f := range asking {
		got, where := answers[i], f.client.Ref()+", with the old value: "+prefix(f.replica)
		switch {
		case got.outcome == accepted, got.outcome == forbidden:
		case got.outcome == refused && rot.Due:
			return r.followInstead(ctx, where+got.String())
		case got.outcome == refused:
			return Fail("%s%s", where, got).WithHint("the Client may be missing in Aidbox, or refer to another secret: secretctl verify client auth"), false
		default:
			return got.unproven(where), false
		}
	}
	return Result{}, true
}

// storePoll is how often the store is asked whether somebody else has written.
const storePoll = 3 * time.Second

// watchStore ends the rotation if somebody else writes another value: then the new value does
// not arrive.
func (r *run) watchStore(ctx context.Context) {
	rot := r.rotation
	for sleep(ctx, storePoll) {
		now, version, err := r.Store.Get(ctx, rot.secret)
		if err == nil && version != rot.version && version != rot.before && !now.Equal(rot.New) {
			rot.conflict.Store(&version)
			rot.cancel()
			return
		}
	}
}

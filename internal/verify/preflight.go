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
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
)

// preflight looks for what would keep a rotation from being seen: a mount that has
// another value than the store, an Aidbox that does not accept what it should. Pods that
// do not serve are left out and named. To follow, whatever is there is where it begins;
// what is rotated if it is due is followed where the last rotation has not arrived.
func (r *run) preflight(ctx context.Context) (stopped Result, ok bool) {
	is := r.rotation
	var serving []*mount
	var late []string
	for _, m := range r.mounts {
		why, result := r.unfit(ctx, m, is.secret)
		switch {
		case result.Status == StatusFail && is.Due && !is.Follow:
			late, serving = append(late, result.Detail), append(serving, m)
		case result.Status != "":
			return result, false
		case why != "":
			is.leftOut = append(is.leftOut, fmt.Sprintf("%s (%s)", m.replica, r.line(why)))
		default:
			serving = append(serving, m)
		}
	}
	if len(serving) == 0 {
		return Unknown("nothing would show the rotation%s", is.besides()).WithHint("secretctl verify workload explains why; rotate --no-verify only writes"), false
	}
	if len(is.leftOut) > 0 && is.Noted != nil {
		is.Noted(is.besides()[2:])
	}
	r.mounts = serving
	if len(late) > 0 {
		if stopped, ok = r.followInstead(ctx, strings.Join(late, "; ")); !ok {
			return stopped, false
		}
	}
	is.followers = r.newFollowers(ctx)
	if is.Follow {
		return Result{}, true
	}
	return r.aidboxFit(ctx)
}

// unfit says why a mount is no place to see a rotation: a reason to leave it out, or a
// result that stops the rotation.
func (r *run) unfit(ctx context.Context, m *mount, s config.Secret) (leaveOut string, stopped Result) {
	is := r.rotation
	if m.pod != nil {
		if status := m.pod.Status(m.container); !status.Running {
			return fmt.Sprintf("container %s does not run: %s", m.container, cmp.Or(status.Reason, m.pod.Phase)), Result{}
		}
	}
	got := m.look(ctx, s)
	switch err := got.Err; {
	case errors.Is(err, errGone), errors.Is(err, cluster.ErrNotRunning):
		return err.Error(), Result{}
	case is.Follow && aboutFile(err):
		return "", Result{}
	case errors.Is(err, fs.ErrNotExist):
		stopped = filePresent(ctx, r, m, s)
	case aboutFile(err):
		stopped = fileReadable(ctx, r, subject{mount: m, secret: s})
	case cannotLook(err) && rotationClient(r) != nil: // Aidbox will tell
		return "", Result{}
	case err != nil:
		stopped = r.unknown(err)
	case !is.Follow && !is.old.Empty() && got.Digest != digest(is.old):
		stopped = Fail("the file has another value than the store, version %s", is.before).
			WithHint("an earlier rotation may be under way: %s; otherwise secretctl verify mount explains it", is.followHint())
	default:
		return "", Result{}
	}
	stopped.Detail = m.replica + ": " + stopped.Detail
	return "", stopped
}

// aidboxFit says whether Aidbox accepts the value that is to be replaced, wherever it
// will be asked. If it does not, nothing that it says later proves anything.
func (r *run) aidboxFit(ctx context.Context) (stopped Result, ok bool) {
	is := r.rotation
	if r.pods == nil {
		if err := r.Aidbox.Health(ctx); err != nil {
			return r.unknown(fmt.Errorf("aidbox: %w", err)), false
		}
	}
	if is.old.Empty() {
		return Result{}, true
	}
	asked := slices.DeleteFunc(slices.Clone(is.followers), func(f *follower) bool { return f.client == nil })
	answers := make([]attempt, len(asked))
	_ = store.Parallel(len(asked), r.o.Parallel, func(i int) error {
		answers[i] = asked[i].client.authenticate(ctx, is.old)
		return nil
	})
	for i, f := range asked {
		got := answers[i]
		what := fmt.Sprintf("%s, with the value that is to be replaced: %s%s", f.client.Ref(), f.prefix(), got)
		switch got.outcome {
		case refused:
			if is.Due {
				return r.followInstead(ctx, what)
			}
			return Fail("%s", what).WithHint("the Client may be missing in Aidbox, or refer to another secret: secretctl verify client auth"), false
		case odd:
			return Fail("%s", what).WithHint("%s", got.hint), false
		case unclear:
			return Unknown("%s", what).WithHint("%s", got.hint), false
		case accepted, forbidden:
		}
	}
	return Result{}, true
}

// storePoll is how often the store is asked whether somebody else has written.
const storePoll = 3 * time.Second

// watchStore ends the rotation when somebody else writes another value: then this one
// arrives nowhere.
func (r *run) watchStore(ctx context.Context) {
	is := r.rotation
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(storePoll):
		}
		now, version, err := r.Store.Get(ctx, is.secret)
		if err == nil && version != is.version && !now.Equal(is.New) {
			is.conflict.Store(&version)
			is.cancel()
			return
		}
	}
}

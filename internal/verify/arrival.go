package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

func newValueMounted(ctx context.Context, r *run, s subject) Result {
	is := r.rotation
	switch {
	case is.written.IsZero():
		return Skip("nothing was written")
	case len(r.mounts) == 0:
		return Unknown("no mount to check")
	}
	var arrived, gone []string
	var late, unreadable []*follower
	for _, f := range is.followers {
		if f.mount == nil {
			continue
		}
		r.await(ctx, "rotation/mounted "+s.name, is.Deadline, &f.file)
		switch {
		case f.file.ok:
			arrived = append(arrived, f.replica+" "+tenths(f.file.after))
		case f.gone():
			gone = append(gone, f.replica+" was replaced meanwhile")
		case f.unreadable():
			unreadable = append(unreadable, f)
		default:
			late = append(late, f)
		}
	}
	have := list(", ", arrived)
	switch version := is.conflict.Load(); {
	case ctx.Err() != nil:
		return is.unfinished()
	case version != nil:
		return is.conflictWith(*version)
	case len(late) > 0:
		return r.explainLate(ctx, late, have)
	case len(unreadable) > 0:
		return cannotTell(r, unreadable[0].file.err, have)
	case len(arrived) == 0:
		return Unknown("%s", list(", ", gone)).WithHint("something replaces the pods: once they are stable, %s", is.followHint())
	}
	return r.inTime(ctx, have, gone)
}

// inTime is the result where every file has the new value but for those of pods that are
// gone.
func (r *run) inTime(ctx context.Context, have string, gone []string) Result {
	is := r.rotation
	detail, refused := have+" after "+is.origin(), Result{}
	if w := r.podWatch; w != nil {
		w.await(ctx)
		detail += fmt.Sprintf(", of at most %s: %s", tenths(is.Deadline), w.why)
		if err := w.notNudged.Load(); err != nil {
			refused = r.unknown(*err)
		}
	}
	if len(gone) > 0 {
		detail += "; " + list("; ", gone)
	}
	switch {
	case refused.Status != "":
		detail += "; the pods could not be annotated, so the kubelet took its own time: " + refused.Detail
	case is.Nudge:
		detail += "; the pods were annotated, so that the kubelet synced them at once"
	}
	switch {
	case len(is.leftOut) > 0:
		return Warn("%s%s", detail, is.besides()).WithHint("secretctl verify workload explains why; what starts from now on mounts the new value")
	case refused.Status != "":
		return Warn("%s", detail).WithHint("%s", refused.Hint)
	}
	return Pass("%s", detail)
}

// unfinished says who has which value where the wait was cut short.
func (r *rotation) unfinished() Result {
	var have, lack []string
	for _, f := range r.followers {
		switch {
		case f.mount == nil:
		case f.file.ok:
			have = append(have, f.replica)
		default:
			lack = append(lack, f.replica)
		}
	}
	detail := fmt.Sprintf("version %s is in the store, %s", r.version, r.sinceWrite())
	if len(have) > 0 {
		detail += "; it is mounted in " + list(", ", have)
	}
	if len(lack) > 0 {
		detail += fmt.Sprintf("; not seen yet in %s, which may still have %s", list(", ", lack), r.earlier())
	}
	return Unknown("%s", detail).WithHint("%s", r.followHint())
}

// earlier names the version that the followed one replaces.
func (r *rotation) earlier() string {
	if r.Follow {
		return "an earlier one"
	}
	return "version " + r.before
}

// explainLate says what is in the mounts that the new value did not reach, and the
// first thing that is wrong on its way.
func (r *run) explainLate(ctx context.Context, late []*follower, have string) Result {
	is := r.rotation
	what := make([]string, len(late))
	_ = store.Parallel(len(late), r.o.Parallel, func(i int) error {
		what[i] = late[i].prefix() + r.content(ctx, late[i].mount)
		return nil
	})
	detail := fmt.Sprintf("%s, %s", list("; ", what), is.sinceWrite())
	if have != "" {
		detail += "; in time: " + have
	}
	then := "; then " + is.followHint()
	m := late[0].mount
	m.seen.forget()
	r.statuses.forget()
	for _, look := range []func(context.Context, *run, *mount, config.Secret) Result{filePresent, fileCanRotate} {
		if found := look(ctx, r, m, is.secret); found.Status == StatusFail || found.Status == StatusWarn {
			return Fail("%s", detail).WithHint("%s; %s%s", found.Detail, found.Hint, then)
		}
	}
	if m.pod == nil {
		return Fail("%s", detail).WithHint("%s%s", driverHint, then)
	}
	cause, next := r.firstCause(ctx, *m.pod)
	for _, found := range append([]string{cause}, r.evidence(ctx, *m.pod, is.written)...) {
		if found != "" {
			detail += "; " + found
		}
	}
	return Fail("%s", detail).WithHint("%s%s", cmp.Or(next, driverHint), then)
}

// content says what a mount has in place of the new value.
func (r *run) content(ctx context.Context, m *mount) string {
	got := m.lookNow(ctx, r.rotation.secret)
	switch {
	case got.Err != nil:
		return r.line(got.Err.Error())
	case got.Digest == digest(r.rotation.old):
		return "still the old value"
	}
	return "another value"
}

// cannotTell says that nobody could look at some files. Where Aidbox can be asked, its
// answer to the new value says more than they would: that there is no tool to look with
// is no reason to doubt it.
func cannotTell(r *run, err error, have string) Result {
	detail := r.line(err.Error())
	if have != "" {
		detail += "; in time: " + have
	}
	if rotationClient(r) == nil {
		return Unknown("%s", detail).WithHint("%s", hint.Of(err))
	}
	detail += "; rotation/new-accepted shows whether it arrived"
	if errors.Is(err, cluster.ErrNoTool) {
		return Warn("%s", detail).WithHint("%s", hint.Of(err))
	}
	return Unknown("%s", detail).WithHint("%s", hint.Of(err))
}

func newValueAccepted(ctx context.Context, r *run, s subject) Result {
	if rotationClient(r) == nil {
		return Skip("no Client of the config uses %s with the grant type basic or client_credentials", s.name)
	}
	return askReplicas(ctx, r, "rotation/new-accepted "+s.name, func(f *follower) *step { return &f.accepted }, func(f *follower) Result {
		switch got := f.accepted.last; got.outcome {
		case odd:
			return Fail("%s%s: which says nothing about the secret", f.accepted.prefix(), got).WithHint("%s", got.hint)
		case refused:
			return Fail("%s: %s%s to the new value, %s", f.client.Ref(), f.accepted.prefix(), got, r.rotation.sinceWrite()).
				WithHint("check that Aidbox reads the file that changed: with scopeFormat object, it reads the vault config only at start")
		default:
			return Unknown("%s%s", f.accepted.prefix(), got).WithHint("%s", got.hint)
		}
	})
}

func oldValueRejected(ctx context.Context, r *run, s subject) Result {
	if r.rotation.old.Empty() {
		return Skip("the value before is not known")
	}
	return askReplicas(ctx, r, "rotation/old-rejected "+s.name, func(f *follower) *step { return &f.refused }, func(f *follower) Result {
		switch got := f.refused.last; got.outcome {
		case accepted, forbidden:
			return Fail("the old value is still ACCEPTED: %s: %s%s, %s", f.client.Ref(), f.refused.prefix(), got, r.rotation.sinceWrite()).
				WithHint("look for a replica with the old file, or another Client with this value")
		default:
			return Unknown("%s%s", f.refused.prefix(), got).WithHint("%s", got.hint)
		}
	})
}

// askReplicas waits for a step of each follower that asks Aidbox. A pod that went away
// has nothing to say. wrong is the result where the step did not come.
func askReplicas(ctx context.Context, r *run, what string, of func(*follower) *step, wrong func(*follower) Result) Result {
	var said []string
	for _, f := range r.rotation.followers {
		if f.client == nil || f.gone() {
			continue
		}
		step := of(f)
		r.await(ctx, what, r.rotation.aidboxDeadline(), step)
		switch {
		case step.ok:
			said = append(said, fmt.Sprintf("%s%s, %s", step.prefix(), step.last.brief(), r.rotation.after(step.after)))
		case ctx.Err() != nil:
			return r.rotation.unfinished()
		case r.rotation.conflict.Load() != nil:
			return r.rotation.conflictWith(*r.rotation.conflict.Load())
		default:
			return wrong(f)
		}
	}
	if len(said) == 0 {
		return Unknown("every pod that could be asked was replaced meanwhile").WithHint("once the pods are stable, %s", r.rotation.followHint())
	}
	return Pass("%s: %s%s", rotationClient(r).Ref(), list("; ", said), r.rotation.disagreement())
}

// disagreement says for how long some replicas took the new value alone and others the
// old one, once that is over: a caller could meet a 401 with either.
func (r *rotation) disagreement() string {
	first, last, replicas := time.Duration(0), time.Duration(0), 0
	for _, f := range r.followers {
		if f.client == nil || f.gone() {
			continue
		}
		if !f.refused.over() || !f.refused.ok {
			return ""
		}
		if replicas == 0 || f.refused.after < first {
			first = f.refused.after
		}
		last, replicas = max(last, f.accepted.after), replicas+1
	}
	if took := (last - first).Round(100 * time.Millisecond); replicas > 1 && took > 0 {
		return "; the replicas disagreed for " + took.String()
	}
	return ""
}

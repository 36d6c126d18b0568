package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/store"
)

// await waits for a step, and reports the deadline as progress.
func (r *run) await(what string, deadline time.Duration, s *step) {
	r.progress(what+" "+r.rotation.secret.Name, deadline)
	<-s.done // at once if ctx ends
}

func newValueMounted(ctx context.Context, r *run, _ subject) Result {
	rot := r.rotation
	if rot.written.IsZero() {
		return Skip("nothing was written")
	}
	var arrived, gone []string
	var late, unreadable []*follower
	for _, f := range rot.followers {
		if f.mount == nil {
			continue
		}
		r.await("rotation/mounted", rot.Deadline, &f.file)
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
	inTime := ""
	if len(arrived) > 0 {
		inTime = "; in time: " + list(", ", arrived)
	}
	switch version := rot.conflict.Load(); {
	case ctx.Err() != nil:
		return rot.interrupted()
	case version != nil:
		return rot.conflictWith(*version)
	case len(late) > 0:
		return r.explainLate(ctx, late, inTime)
	case len(unreadable) > 0:
		return r.explainUnreadable(unreadable[0].file.err, inTime)
	case len(arrived) == 0:
		return Unknown("%s", list(", ", gone)).WithHint("something replaces the pods: once they are stable, %s", rot.followHint())
	}
	return r.allMounted(ctx, list(", ", arrived), gone)
}

// allMounted is the result if every file has the new value, except in pods that are gone.
func (r *run) allMounted(ctx context.Context, arrived string, gone []string) Result {
	rot := r.rotation
	result := Pass("%s after %s", arrived, rot.origin())
	if w := r.podWatch; w != nil {
		w.await(ctx)
		result.Detail += fmt.Sprintf(", of at most %s: %s", tenths(rot.Deadline), w.why)
	}
	if len(gone) > 0 {
		result.Detail += "; " + list("; ", gone)
	}
	if w := r.podWatch; w != nil && w.notNudged.Load() != nil {
		refused := r.unknown(*w.notNudged.Load())
		result = Warn("%s; the pods could not be annotated, so the kubelet took its own time: %s", result.Detail, refused.Detail).WithHint("%s", refused.Hint)
	} else if rot.Nudge {
		result.Detail += "; the pods were annotated, so that the kubelet synced them at once"
	}
	if behind := r.newcomers(ctx); len(behind) > 0 {
		return Unknown("%s; but %s", result.Detail, list(", ", behind)).WithHint("%s", rot.followHint())
	}
	if len(rot.leftOut) > 0 {
		return Warn("%s%s", result.Detail, rot.notFollowed()).WithHint("secretctl verify workload explains why; what starts from now on mounts the new value")
	}
	return result
}

// newcomers names the pods that serve now, are not followed, and do not have the new value.
func (r *run) newcomers(ctx context.Context) (behind []string) {
	if r.podWatch == nil {
		return nil
	}
	w := r.d.Aidbox.Workload
	now, err := r.Cluster.Workload(ctx, r.d.Namespace, w.Kind, w.Name)
	if err != nil {
		return []string{"cannot tell whether pods were added during the rotation: " + r.line(err.Error())}
	}
	came := slices.DeleteFunc(slices.Clone(now.Pods), func(p cluster.Pod) bool {
		return p.Terminating || p.Ended() || slices.ContainsFunc(r.podWatch.followed, func(f cluster.Pod) bool { return f.UID == p.UID })
	})
	behind = make([]string, len(came))
	_ = store.Parallel(len(came), r.o.Parallel, func(i int) error {
		switch got := r.pods.mount(came[i]).lookAgain(ctx, r.rotation.secret); {
		case notRunning(got.Err), got.Err == nil && got.Digest == digest(r.rotation.value):
		case got.Err != nil:
			behind[i] = "pod/" + came[i].Name + " was added during the rotation: " + r.line(got.Err.Error())
		default:
			behind[i] = "pod/" + came[i].Name + " was added during the rotation, and has another value"
		}
		return nil
	})
	return slices.DeleteFunc(behind, func(said string) bool { return said == "" })
}

// interrupted says which replicas have the new value so far.
func (r *rotation) interrupted() Result {
	var mounted, waiting []string
	for _, f := range r.followers {
		switch {
		case f.mount == nil:
		case f.file.ok:
			mounted = append(mounted, f.replica)
		default:
			waiting = append(waiting, f.replica)
		}
	}
	detail := fmt.Sprintf("version %s is in the store, %s", r.version, r.sinceWrite())
	if len(mounted) > 0 {
		detail += "; it is mounted in " + list(", ", mounted)
	}
	if len(waiting) > 0 {
		earlier := "version " + r.before
		if r.Follow {
			earlier = "an earlier one"
		}
		detail += fmt.Sprintf("; not seen yet in %s, which may still have %s", list(", ", waiting), earlier)
	}
	return Unknown("%s", detail).WithHint("%s", r.followHint())
}

// explainLate says what the mounts have that the new value did not reach, and the first
// thing that is wrong on its path.
func (r *run) explainLate(ctx context.Context, late []*follower, inTime string) Result {
	rot := r.rotation
	what := make([]string, len(late))
	_ = store.Parallel(len(late), r.o.Parallel, func(i int) error {
		what[i] = prefix(late[i].replica) + r.content(ctx, late[i].mount)
		return nil
	})
	detail := fmt.Sprintf("%s, %s%s", list("; ", what), rot.sinceWrite(), inTime)
	then := "; then " + rot.followHint()
	m := late[0].mount
	m.seen.forget()
	r.statuses.forget()
	for _, check := range []func(context.Context, *run, subject) Result{filePresent, fileCanRotate} {
		if found := check(ctx, r, subject{mount: m, secret: rot.secret}); found.Status == StatusFail || found.Status == StatusWarn {
			return Fail("%s; %s", detail, found.Detail).WithHint("%s%s", found.Hint, then)
		}
	}
	if m.pod == nil {
		return Fail("%s", detail).WithHint("%s%s", driverHint, then)
	}
	cause, next := r.firstCause(ctx, *m.pod)
	for _, found := range append([]string{cause}, r.evidence(ctx, *m.pod, rot.written)...) {
		if found != "" {
			detail += "; " + found
		}
	}
	return Fail("%s", detail).WithHint("%s%s", cmp.Or(next, driverHint), then)
}

// content says what a mount has in place of the new value.
func (r *run) content(ctx context.Context, m *mount) string {
	switch got := m.lookAgain(ctx, r.rotation.secret); {
	case got.Err != nil:
		return r.line(got.Err.Error())
	case got.Digest == digest(r.rotation.old):
		return "still the old value"
	case got.Digest == digest(r.rotation.value):
		return "the new value, too late"
	default:
		return "another value"
	}
}

// explainUnreadable is the result if some files could not be read. If Aidbox can be asked, its
// response to the new value is better proof, so a missing tool in the container is only a
// warning.
func (r *run) explainUnreadable(err error, inTime string) Result {
	result := r.unknown(err)
	result.Detail += inTime
	if r.rotationClient() != nil {
		result.Detail += "; rotation/new-accepted shows whether it arrived"
		if errors.Is(err, cluster.ErrNoTool) {
			result.Status = StatusWarn
		}
	}
	return result
}

func newValueAccepted(ctx context.Context, r *run, s subject) Result {
	if r.rotationClient() == nil {
		return Skip("no Client of the config uses %s with the grant type basic or client_credentials", s.name)
	}
	return r.askedReplicas(ctx, "rotation/new-accepted", func(f *follower) *step { return &f.accepted }, func(f *follower, got attempt) Result {
		if got.outcome != refused {
			return got.unproven(f.accepted.prefix())
		}
		return Fail("%s: %s%s to the new value, %s", f.client.Ref(), f.accepted.prefix(), got, r.rotation.sinceWrite()).
			WithHint("secretctl verify client auth shows whether the Client exists and refers to this secret; with scopeFormat object, Aidbox reads the vault config only at start")
	})
}

func oldValueRejected(ctx context.Context, r *run, _ subject) Result {
	if r.rotation.old.Empty() {
		return Skip("the value before is not known")
	}
	return r.askedReplicas(ctx, "rotation/old-rejected", func(f *follower) *step { return &f.refused }, func(f *follower, got attempt) Result {
		if got.outcome != accepted && got.outcome != forbidden {
			return got.unknown(f.refused.prefix())
		}
		return Fail("the old value is still ACCEPTED: %s: %s%s, %s", f.client.Ref(), f.refused.prefix(), got, r.rotation.sinceWrite()).
			WithHint("look for a replica with the old file, or another Client with this value")
	})
}

// askedReplicas waits for a step of each follower that asks Aidbox, except in pods that are
// gone. failed is the result of a step that did not happen.
func (r *run) askedReplicas(ctx context.Context, what string, of func(*follower) *step, failed func(*follower, attempt) Result) Result {
	rot := r.rotation
	var said []string
	for _, f := range rot.followers {
		if f.client == nil || f.gone() {
			continue
		}
		step := of(f)
		r.await(what, rot.aidboxDeadline(), step)
		switch version := rot.conflict.Load(); {
		case step.ok:
			said = append(said, fmt.Sprintf("%s%s, %s", step.prefix(), step.last.brief(), rot.after(step.after)))
		case ctx.Err() != nil:
			return rot.interrupted()
		case version != nil:
			return rot.conflictWith(*version)
		default:
			return failed(f, step.last)
		}
	}
	if len(said) == 0 {
		return Unknown("every pod that could be asked was replaced meanwhile").WithHint("once the pods are stable, %s", rot.followHint())
	}
	return Pass("%s: %s%s", r.rotationClient().Ref(), list("; ", said), rot.disagreement())
}

// disagreement says how long some replicas accepted only the new value and others only the
// old one, once that is over: meanwhile a caller could get a 401 with either.
func (r *rotation) disagreement() string {
	var refusedAfter, acceptedAfter []time.Duration
	for _, f := range r.followers {
		if f.client == nil || f.gone() {
			continue
		}
		if !f.refused.over() || !f.refused.ok {
			return ""
		}
		refusedAfter, acceptedAfter = append(refusedAfter, f.refused.after), append(acceptedAfter, f.accepted.after)
	}
	if len(refusedAfter) < 2 {
		return ""
	}
	took := (slices.Max(acceptedAfter) - slices.Min(refusedAfter)).Round(100 * time.Millisecond)
	if took <= 0 {
		return ""
	}
	return "; the replicas disagreed for " + took.String()
}

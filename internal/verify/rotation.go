package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

var rotationChecks = []Check{
	{
		ID: "rotation/store-updated", Title: "the store has the new value",
		subjects: rotatedSecret,
		run:      storeUpdated,
	},
	{
		ID: "rotation/mounted", Title: "the new value reached every mount",
		Needs:    []string{"rotation/store-updated"},
		subjects: rotatedSecret,
		run:      newValueMounted,
	},
	{
		ID: "rotation/new-accepted", Title: "Aidbox accepts the new value",
		Needs:    []string{"rotation/mounted"},
		subjects: rotatedSecret,
		run:      newValueAccepted,

		evenUnknown: true, // Aidbox may be asked where the file cannot be seen
	},
	{
		ID: "rotation/old-rejected", Title: "Aidbox rejects the old value",
		Needs:    []string{"rotation/new-accepted"},
		subjects: rotatedSecret,
		run:      oldValueRejected,
	},
	{
		ID: "rotation/no-restart", Title: "no replica restarted",
		subjects: rotatedSecret,
		run:      noRestart,
	},
}

// rotatedSecret has the secret that gets a new value; where there is none, the
// delivery stands in its place.
func rotatedSecret(_ context.Context, r *run) []subject {
	s := subject{name: r.d.Name, secret: r.rotation.secret}
	if s.secret.Name != "" {
		s.name = s.secret.Name
	}
	return []subject{s}
}

func noRotation() Result {
	return Skip("no secret to rotate").WithHint("set canary: true in the config, or name a secret")
}

func storeUpdated(ctx context.Context, r *run, s subject) Result {
	if s.secret.Name == "" {
		return noRotation()
	}
	is := r.rotation
	if result, ok := r.readRotated(ctx, s.secret); !ok {
		return result
	}
	if !is.WriteOnly {
		if result, ok := r.prepareRotation(ctx); !ok {
			result.Detail += "; nothing was written"
			return result
		}
	}
	switch {
	case is.DryRun:
		return r.wouldRotate()
	case is.Follow:
		is.written, is.version = time.Now(), is.before
		is.times.add("", momentFollowed)
		r.followRotation(ctx)
		return Pass("version %s is the newest%s; nothing was written", is.version, r.driverWhy())
	}
	is.Written("")
	version, err := r.Store.Put(ctx, s.secret, is.New)
	if err != nil {
		return r.notWritten(ctx, s.secret, err)
	}
	r.values.forget()
	is.written, is.version = time.Now(), version
	is.Written(version)
	is.times.add("", momentWritten)
	r.followRotation(ctx)
	return storeGivesBack(ctx, r, s)
}

// readRotated reads what the store has: the value that is replaced, or to follow the
// newest and the one before.
func (r *run) readRotated(ctx context.Context, s config.Secret) (stopped Result, ok bool) {
	is := r.rotation
	old, before, err := r.Store.Get(ctx, s)
	r.Sanitizer.Learn(old, is.New)
	absent := errors.Is(err, fs.ErrNotExist)
	switch is.before = before; {
	case absent && is.Follow, err != nil && !absent:
		return r.unknown(err), false
	case absent:
		is.before = "none"
	case is.Follow:
		is.New, old = old, secret.Value{}
		if kept, ok := r.Store.(store.Versioned); ok {
			if old, err = kept.Previous(ctx, s); err != nil {
				return r.unknown(err), false
			}
		}
		if old.Equal(is.New) { // another secret of the same path has changed
			old = secret.Value{}
		}
		r.Sanitizer.Learn(old)
	case old.Equal(is.New):
		return Fail("the store already has the new value").WithHint("use another value"), false
	}
	if is.value, err = r.values.inFile(s, is.New); err != nil {
		return r.fail(err), false
	}
	is.old, _ = r.values.inFile(s, old) // one that cannot be decoded is in no file
	return Result{}, true
}

// wouldRotate says what would be written, to whom it goes, and how long that may take.
func (r *run) wouldRotate() Result {
	is := r.rotation
	what := fmt.Sprintf("dry run: would write a new version of %s, after %s", strings.Join(r.Provider.Place(r.d, is.secret), " "), is.before)
	if is.WriteOnly {
		return Pass("%s, and follow nothing; nothing was written", what)
	}
	var replicas []string
	for _, m := range r.mounts {
		replicas = append(replicas, m.replica)
	}
	what += fmt.Sprintf("; it would reach %s within %s", strings.Join(replicas, ", "), tenths(is.Deadline))
	if r.podWatch != nil {
		what += ": " + r.podWatch.why
	}
	if c := rotationClient(r); c != nil {
		what += "; " + c.Ref() + " would show whether Aidbox accepts it"
	}
	return Pass("%s%s; nothing was written", what, is.besides())
}

// besides names the pods that are not followed.
func (r *rotation) besides() string {
	if len(r.aside) == 0 {
		return ""
	}
	return "; not followed: " + strings.Join(r.aside, ", ")
}

// driverWhy says how the driver notices a new value.
func (r *run) driverWhy() string {
	if r.podWatch == nil {
		return ""
	}
	return "; " + r.podWatch.driver.Why
}

// notWritten is the result of a write that failed, whose answer may be what got lost.
func (r *run) notWritten(ctx context.Context, s config.Secret, err error) Result {
	is, result := r.rotation, r.unknown(err)
	switch back, version, getErr := r.Store.Get(ctx, s); {
	case getErr == nil && back.Equal(is.New):
		is.Written(version)
		result.Detail += fmt.Sprintf("; but version %s has the new value", version)
	case getErr == nil && version != is.before:
		result.Detail += fmt.Sprintf("; version %s was written meanwhile, and not by this rotation", version)
	case getErr == nil:
		result.Detail += "; nothing was written"
		return result
	}
	return result.WithHint("%s", is.followHint())
}

// storeGivesBack reads what was written.
func storeGivesBack(ctx context.Context, r *run, s subject) Result {
	is := r.rotation
	back, version, err := r.Store.Get(ctx, s.secret)
	switch {
	case err != nil:
		return r.unknown(err)
	case !back.Equal(is.New) && version != is.version:
		return is.overtakenBy(version)
	case !back.Equal(is.New):
		return Fail("the store returns another value than was written").WithHint("check what else writes to it")
	case version == is.before:
		return Fail("the version is still %s after the write", version).WithHint("secretctl needs a store that counts versions")
	}
	return Pass("version %s, was %s%s", version, is.before, r.driverWhy())
}

// overtakenBy is the result where somebody else wrote another value.
func (r *rotation) overtakenBy(version string) Result {
	return Fail("version %s, which somebody else wrote, replaced version %s; the value of this rotation is gone", version, r.version).
		WithHint("%s", r.followHint())
}

func newValueMounted(ctx context.Context, r *run, s subject) Result {
	is := r.rotation
	if len(r.mounts) == 0 {
		return Unknown("no mount to check")
	}
	var arrived, gone []string
	var late, unseen []*follower
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
		case f.blind():
			unseen = append(unseen, f)
		default:
			late = append(late, f)
		}
	}
	have := strings.Join(arrived, ", ")
	switch version := is.overtaken.Load(); {
	case ctx.Err() != nil:
		return is.unfinished()
	case version != nil:
		return is.overtakenBy(*version)
	case len(late) > 0:
		return r.explainLate(ctx, late, have)
	case len(unseen) > 0:
		return fileUnseen(r, unseen[0].file.err, have)
	case len(arrived) == 0:
		return Unknown("%s", strings.Join(gone, ", ")).WithHint("something replaces the pods: once they are stable, %s", is.followHint())
	}
	detail := have + " after " + is.origin()
	if r.podWatch != nil {
		r.podWatch.await(ctx)
		detail += fmt.Sprintf(", of at most %s: %s", tenths(is.Deadline), r.podWatch.why)
	}
	for _, g := range gone {
		detail += "; " + g
	}
	if is.Nudge {
		detail += "; the pods were annotated, so that the kubelet synced them at once"
	}
	if len(is.aside) > 0 {
		return Warn("%s%s", detail, is.besides()).WithHint("secretctl verify workload explains why; what starts from now on mounts the new value")
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
		detail += "; it is mounted in " + strings.Join(have, ", ")
	}
	if len(lack) > 0 {
		detail += fmt.Sprintf("; not seen yet in %s, which may still have %s", strings.Join(lack, ", "), r.earlier())
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
	var what []string
	for _, f := range late {
		what = append(what, f.prefix()+r.content(ctx, f.mount))
	}
	detail := fmt.Sprintf("%s, %s", strings.Join(what, "; "), is.sinceWrite())
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

// fileUnseen says that nobody could look at some files. Where Aidbox can be asked, its
// answer to the new value says more than they would: that there is no tool to look with
// is no reason to doubt it.
func fileUnseen(r *run, err error, have string) Result {
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
	switch {
	case r.rotation.old.Empty() && r.rotation.Follow:
		return Skip("the value before is not known")
	case r.rotation.old.Empty():
		return Skip("the store had no value before")
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
		case r.rotation.overtaken.Load() != nil:
			return r.rotation.overtakenBy(*r.rotation.overtaken.Load())
		default:
			return wrong(f)
		}
	}
	return Pass("%s: %s", rotationClient(r).Ref(), strings.Join(said, "; "))
}

func noRestart(ctx context.Context, r *run, s subject) Result {
	switch {
	case s.secret.Name == "":
		return noRotation()
	case r.rotation.written.IsZero():
		return Skip("nothing was written")
	case r.podWatch != nil:
		return r.podsStayed(ctx, r.podWatch.before)
	}
	return r.health.result(ctx, r.rotation.written, r.Sanitizer)
}

// podsStayed says whether the pods are the ones from before the write.
func (r *run) podsStayed(ctx context.Context, before []cluster.Pod) Result {
	now, err := r.Cluster.Workload(ctx, r.d.Namespace, r.d.Aidbox.Workload.Kind, r.d.Aidbox.Workload.Name)
	if err != nil {
		return r.unknown(err)
	}
	if wrong := samePods(before, now.Pods); len(wrong) > 0 {
		return Fail("%s", r.line(strings.Join(wrong, "; "))).WithHint("a rotation needs no restart: check what replaced them: kubectl get events -n %s", r.d.Namespace)
	}
	return Pass("UID, restart count and start time of %s are as before %s", count(len(before), "pod"), r.rotation.origin())
}

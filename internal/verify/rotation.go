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
	r.Sanitizer.Learn(is.New)
	var err error
	if is.value, err = r.values.inFile(s.secret, is.New); err != nil {
		return r.fail(err)
	}
	old, before, err := r.Store.Get(ctx, s.secret)
	r.Sanitizer.Learn(old)
	is.old, _ = r.values.inFile(s.secret, old) // one that cannot be decoded is in no file
	switch {
	case errors.Is(err, fs.ErrNotExist):
		before = "none"
	case err != nil:
		return r.unknown(err)
	case old.Equal(is.New):
		return Fail("the store already has the new value").WithHint("use another value")
	}
	if !is.WriteOnly {
		if result, ok := r.prepareRotation(ctx); !ok {
			result.Detail += "; nothing was written"
			return result
		}
	}
	if _, err := r.Store.Put(ctx, s.secret, is.New); err != nil {
		return r.unknown(err)
	}
	r.values.forget()
	is.written = time.Now()
	is.times.add("", momentWritten)
	r.followRotation(ctx)
	return storeGivesBack(ctx, r, s, before)
}

// storeGivesBack reads what was written.
func storeGivesBack(ctx context.Context, r *run, s subject, before string) Result {
	back, version, err := r.Store.Get(ctx, s.secret)
	switch {
	case err != nil:
		return r.unknown(err)
	case !back.Equal(r.rotation.New):
		return Fail("the store returns another value than was written").WithHint("check what else writes to it")
	case version == before:
		return Fail("the version is still %s after the write", version).WithHint("secretctl needs a store that counts versions")
	}
	detail := fmt.Sprintf("version %s, was %s", version, before)
	if r.podWatch != nil {
		detail += "; " + r.podWatch.driver.Why
	}
	return Pass("%s", detail)
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
		case f.unseen():
			unseen = append(unseen, f)
		default:
			late = append(late, f)
		}
	}
	have := strings.Join(arrived, ", ")
	switch {
	case ctx.Err() != nil:
		return Unknown("not yet %s", is.sinceWrite())
	case len(late) > 0:
		return r.explainLate(ctx, late, have)
	case len(unseen) > 0:
		return fileUnseen(r, unseen[0].file.err, have)
	case len(arrived) == 0:
		return Unknown("%s", strings.Join(gone, ", ")).WithHint("something replaces the pods: run it again once they are stable")
	}
	detail := have + " after the write"
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
	return Pass("%s", detail)
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
	m := late[0].mount
	m.seen.forget()
	r.statuses.forget()
	for _, look := range []func(context.Context, *run, *mount, config.Secret) Result{filePresent, fileCanRotate} {
		if found := look(ctx, r, m, is.secret); found.Status == StatusFail || found.Status == StatusWarn {
			return Fail("%s", detail).WithHint("%s; %s", found.Detail, found.Hint)
		}
	}
	if m.pod == nil {
		return Fail("%s", detail).WithHint(driverHint)
	}
	cause, next := r.firstCause(ctx, *m.pod)
	for _, found := range append([]string{cause}, r.evidence(ctx, *m.pod, is.written)...) {
		if found != "" {
			detail += "; " + found
		}
	}
	return Fail("%s", detail).WithHint("%s", cmp.Or(next, driverHint))
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

// fileUnseen says that nobody could look at some files. Where Aidbox can be asked,
// its answer to the new value says more than they would.
func fileUnseen(r *run, err error, have string) Result {
	detail := r.line(err.Error())
	if have != "" {
		detail += "; in time: " + have
	}
	if rotationClient(r) == nil {
		return Unknown("%s", detail).WithHint("%s", hint.Of(err))
	}
	return Warn("%s; rotation/new-accepted shows whether it arrived", detail).WithHint("%s", hint.Of(err))
}

func newValueAccepted(ctx context.Context, r *run, s subject) Result {
	if rotationClient(r) == nil {
		return Skip("no Client of the config uses %s with the grant type basic or client_credentials", s.name)
	}
	return askReplicas(ctx, r, "rotation/new-accepted "+s.name, func(f *follower) *step { return &f.accepted }, func(f *follower) Result {
		switch got := f.accepted.last; got.outcome {
		case odd:
			return Fail("%s%s: which says nothing about the secret", f.prefix(), got).WithHint("%s", got.hint)
		case refused:
			return Fail("%s: %s%s to the new value, %s", f.client.Ref(), f.prefix(), got, r.rotation.sinceWrite()).
				WithHint("check that Aidbox reads the file that changed: with scopeFormat object, it reads the vault config only at start")
		default:
			return Unknown("%s%s", f.prefix(), got).WithHint("%s", got.hint)
		}
	})
}

func oldValueRejected(ctx context.Context, r *run, s subject) Result {
	if r.rotation.old.Empty() {
		return Skip("the store had no value before")
	}
	return askReplicas(ctx, r, "rotation/old-rejected "+s.name, func(f *follower) *step { return &f.refused }, func(f *follower) Result {
		switch got := f.refused.last; got.outcome {
		case accepted, forbidden:
			return Fail("the old value is still ACCEPTED: %s: %s%s, %s", f.client.Ref(), f.prefix(), got, r.rotation.sinceWrite()).
				WithHint("look for a replica with the old file, or another Client with this value")
		default:
			return Unknown("%s%s", f.prefix(), got).WithHint("%s", got.hint)
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
			said = append(said, fmt.Sprintf("%s%s, %s after the write", f.prefix(), step.last.brief(), tenths(step.after)))
		case ctx.Err() != nil:
			return Unknown("%s%s", f.prefix(), step.last).WithHint("%s", step.last.hint)
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
	case r.podWatch != nil && !r.rotation.written.IsZero():
		return r.podsStayed(ctx, r.podWatch.before)
	case r.pods != nil:
		return Skip("nothing was written")
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
	return Pass("UID, restart count and start time of %s are as before the write", count(len(before), "pod"))
}

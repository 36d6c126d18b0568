package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
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
	return Skip("no secret to rotate").WithHint("set canary: true in the config, or name a secret with --secret")
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
	if is.Due && !is.Follow {
		if result, ok := r.renew(ctx); !ok {
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
		r.followRotation(is.open(ctx))
		return Pass("version %s is the newest%s%s; nothing was written", is.version, is.why(), r.driverWhy())
	}
	following := is.open(ctx)
	if result, ok := r.stillBefore(ctx, s.secret); !ok {
		return result
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
	r.followRotation(following)
	return storeGivesBack(ctx, r, s)
}

// readRotated reads what the store has: the value that is replaced, or to follow the
// newest and the one before.
func (r *run) readRotated(ctx context.Context, s config.Secret) (stopped Result, ok bool) {
	is := r.rotation
	old, before, err := r.Store.Get(ctx, s)
	r.Sanitizer.Learn(old, is.New)
	switch is.before = before; {
	case err != nil:
		return r.unknown(err), false
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
	case !is.Due && old.Equal(is.New):
		return Fail("the store already has the new value").WithHint("use another value"), false
	}
	if is.value, err = r.values.inFile(s, is.New); err != nil {
		return r.fail(err), false
	}
	is.old, _ = r.values.inFile(s, old) // one that cannot be decoded is in no file
	return Result{}, true
}

// stillBefore reads once more what the new value replaces: since the first time, the pods
// were looked at. The store refuses what changes from now on.
func (r *run) stillBefore(ctx context.Context, s config.Secret) (stopped Result, ok bool) {
	is := r.rotation
	now, version, err := r.Store.Get(ctx, s)
	r.Sanitizer.Learn(now)
	inFile, _ := r.values.inFile(s, now)
	switch {
	case err != nil:
		result := r.unknown(err)
		result.Detail += "; nothing was written"
		return result, false
	case !inFile.Equal(is.old):
		return Fail("somebody else wrote version %s after %s was read; nothing was written", version, is.before).
			WithHint("find out who rotates this secret, then run it again"), false
	}
	return Result{}, true
}

// wouldRotate says what would be written, to whom it goes, and how long that may take.
func (r *run) wouldRotate() Result {
	is := r.rotation
	if is.Follow {
		return Pass("dry run: would follow version %s%s; nothing was written", is.before, is.why())
	}
	what := fmt.Sprintf("dry run: would write a new version of %s, after %s", strings.Join(r.Provider.Place(r.d, is.secret), " "), is.before)
	if is.WriteOnly {
		return Pass("%s, and follow nothing; nothing was written", what)
	}
	var replicas []string
	for _, m := range r.mounts {
		replicas = append(replicas, m.replica)
	}
	what += fmt.Sprintf("; it would reach %s within %s", list(", ", replicas), tenths(is.Deadline))
	if r.podWatch != nil {
		what += ": " + r.podWatch.why
	}
	if c := rotationClient(r); c != nil {
		what += "; " + c.Ref() + " would show whether Aidbox accepts it"
	}
	return Pass("%s%s; nothing was written", what, is.besides())
}

// why says why a rotation that was asked for is followed.
func (r *rotation) why() string {
	if r.unarrived == "" {
		return ""
	}
	return ", and " + r.unarrived
}

// besides names the pods that are not followed.
func (r *rotation) besides() string {
	if len(r.leftOut) == 0 {
		return ""
	}
	return "; not followed: " + list(", ", r.leftOut)
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
		return Warn("version %s, was %s; it could not be read back: %s", is.version, is.before, r.line(err.Error())).WithHint("%s", is.followHint())
	case !back.Equal(is.New) && version != is.version:
		return is.conflictWith(version)
	case !back.Equal(is.New):
		return Fail("the store returns another value than was written").WithHint("check what else writes to it")
	case version == is.before:
		return Fail("the version is still %s after the write", version).WithHint("secretctl needs a store that counts versions")
	}
	return Pass("version %s, was %s%s", version, is.before, r.driverWhy())
}

// conflictWith is the result where somebody else wrote another value.
func (r *rotation) conflictWith(version string) Result {
	return Fail("version %s, which somebody else wrote, replaced version %s; the value of this rotation is gone", version, r.version).
		WithHint("%s", r.followHint())
}

func noRestart(ctx context.Context, r *run, s subject) Result {
	switch {
	case s.secret.Name == "":
		return noRotation()
	case r.rotation.written.IsZero():
		return Skip("nothing was written")
	case r.podWatch != nil:
		return r.podsStayed(ctx, r.podWatch.pods)
	}
	return r.health.result(ctx, r.rotation.written, r.Sanitizer)
}

// podsStayed says whether the pods are the ones from before the write.
func (r *run) podsStayed(ctx context.Context, before []cluster.Pod) Result {
	now, err := r.Cluster.Workload(ctx, r.d.Namespace, r.d.Aidbox.Workload.Kind, r.d.Aidbox.Workload.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fail("%s was deleted meanwhile", r.d.Aidbox.Workload).WithHint("a rotation needs no restart: check what deleted it: kubectl get events -n %s", r.d.Namespace)
	case err != nil:
		return r.unknown(err)
	}
	if wrong := samePods(before, now.Pods); len(wrong) > 0 {
		return Fail("%s", r.line(list("; ", wrong))).WithHint("a rotation needs no restart: check what replaced them: kubectl get events -n %s", r.d.Namespace)
	}
	return Pass("UID, restart count and start time of %s are as before %s", Count(len(before), "pod"), r.rotation.origin())
}

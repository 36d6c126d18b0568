package verify

import (
	"context"
	"fmt"
	"strings"
	"time"

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

		evenUnknown: true, // Aidbox can be asked even if the file cannot be read
	},
	{
		ID: "rotation/old-rejected", Title: "Aidbox rejects the old value",
		Needs:    []string{"rotation/new-accepted"},
		subjects: rotatedSecret,
		run:      oldValueRejected,
	},
	{
		ID: "rotation/no-restart", Title: "no replica restarted",
		after:    "rotation/old-rejected",
		subjects: rotatedSecret,
		run:      noRestart,
	},
}

// rotatedSecret returns the secret that gets a new value, or the delivery without one.
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
	if stopped, ok := r.readRotated(ctx); !ok {
		return stopped
	}
	if stopped, ok := r.readyToWrite(ctx); !ok {
		stopped.Detail += "; nothing was written"
		return stopped
	}
	rot := r.rotation
	switch {
	case rot.DryRun:
		return r.wouldRotate()
	case rot.Follow:
		rot.written, rot.version = time.Now(), rot.before
		rot.times.add("", momentFollowed)
		r.followRotation(rot.open(ctx))
		return Pass("version %s is the newest%s%s; nothing was written", rot.version, rot.notArrived, r.driverWhy())
	}
	following := rot.open(ctx)
	if stopped, ok := r.unchanged(ctx); !ok {
		stopped.Detail += "; nothing was written"
		return stopped
	}
	rot.Written("")
	version, err := r.Store.Put(ctx, s.secret, rot.New)
	if err != nil {
		return r.notWritten(ctx, err)
	}
	r.forgetValues()
	rot.written, rot.version = time.Now(), version
	rot.Written(version)
	rot.times.add("", momentWritten)
	r.followRotation(following)
	return r.storeHasNewValue(ctx)
}

// readRotated reads the value that is replaced; to follow, the newest value and the one
// before it.
func (r *run) readRotated(ctx context.Context) (stopped Result, ok bool) {
	rot := r.rotation
	if rot.Err != nil {
		return r.unknown(rot.Err), false
	}
	old, version, err := r.Store.Get(ctx, rot.secret)
	r.Sanitizer.Learn(old, rot.New)
	rot.before = version
	switch {
	case err != nil:
		return r.unknown(err), false
	case rot.Follow:
		rot.New, old = old, secret.Value{}
		if versioned, ok := r.Store.(store.Versioned); ok {
			if old, err = versioned.Previous(ctx, rot.secret); err != nil {
				return r.unknown(err), false
			}
		}
		if old.Equal(rot.New) { // another secret of the same path has changed
			old = secret.Value{}
		}
		r.Sanitizer.Learn(old)
	case !rot.Due && old.Equal(rot.New):
		return Fail("the store already has the new value").WithHint("use another value"), false
	}
	if rot.value, err = r.inFile(rot.secret, rot.New); err != nil {
		return r.fail(err), false
	}
	rot.old, _ = r.inFile(rot.secret, old) // a value that cannot be decoded is in no file
	return Result{}, true
}

// readyToWrite checks everything that can be checked before the write.
func (r *run) readyToWrite(ctx context.Context) (stopped Result, ok bool) {
	if !r.rotation.WriteOnly {
		if stopped, ok = r.prepareRotation(ctx); !ok {
			return stopped, false
		}
	}
	if r.rotation.Due && !r.rotation.Follow {
		if stopped, ok = r.renew(ctx); !ok {
			return stopped, false
		}
	}
	return r.timeLeft(ctx)
}

// timeLeft checks that ctx does not end before the new value should have arrived.
func (r *run) timeLeft(ctx context.Context) (stopped Result, ok bool) {
	rot := r.rotation
	end, limited := ctx.Deadline()
	left, wanted := time.Until(end), rot.aidboxDeadline()
	if !limited || rot.WriteOnly || rot.Follow || left >= wanted {
		return Result{}, true
	}
	return Unknown("the new value may take %s to arrive, and --timeout leaves %s", tenths(wanted), tenths(max(0, left))).
		WithHint("give it longer with --timeout, or wait less with --rotation-deadline"), false
}

// unchanged checks that nobody has written to the store while the pods were checked. The
// store refuses the write if somebody does so from now on.
func (r *run) unchanged(ctx context.Context) (stopped Result, ok bool) {
	rot := r.rotation
	now, version, err := r.Store.Get(ctx, rot.secret)
	r.Sanitizer.Learn(now)
	if err != nil {
		return r.unknown(err), false
	}
	if inFile, _ := r.inFile(rot.secret, now); !inFile.Equal(rot.old) {
		return Fail("somebody else wrote version %s after %s was read", version, rot.before).
			WithHint("find out who rotates this secret, then run it again"), false
	}
	return Result{}, true
}

// wouldRotate says what a rotation would write, which replicas it would reach, and by when.
func (r *run) wouldRotate() Result {
	rot := r.rotation
	if rot.Follow {
		return Pass("dry run: would follow version %s%s; nothing was written", rot.before, rot.notArrived)
	}
	what := fmt.Sprintf("dry run: would write a new version of %s, after %s", strings.Join(r.Provider.Place(r.d, rot.secret), " "), rot.before)
	if rot.WriteOnly {
		return Pass("%s, and follow nothing; nothing was written", what)
	}
	var replicas []string
	for _, m := range r.mounts {
		replicas = append(replicas, m.replica)
	}
	what += fmt.Sprintf("; it would reach %s within %s", list(", ", replicas), tenths(rot.Deadline))
	if r.podWatch != nil {
		what += ": " + r.podWatch.why
	}
	if c := r.rotationClient(); c != nil {
		what += "; " + c.Ref() + " would show whether Aidbox accepts it"
	}
	return Pass("%s%s; nothing was written", what, rot.notFollowed())
}

// driverWhy says how the driver notices a new value.
func (r *run) driverWhy() string {
	if r.podWatch == nil {
		return ""
	}
	return "; " + r.podWatch.mechanism.Why
}

// notWritten is the result of a write that failed. The store may have made it all the same.
func (r *run) notWritten(ctx context.Context, err error) Result {
	rot, result := r.rotation, r.unknown(err)
	switch now, version, err := r.Store.Get(ctx, rot.secret); {
	case err == nil && now.Equal(rot.New):
		rot.Written(version)
		result.Detail += fmt.Sprintf("; but version %s has the new value", version)
	case err == nil && version != rot.before:
		result.Detail += fmt.Sprintf("; version %s was written meanwhile, and not by this rotation", version)
	case err == nil:
		result.Detail += "; nothing was written"
		return result
	}
	return result.WithHint("%s", rot.followHint())
}

// storeHasNewValue reads the value back.
func (r *run) storeHasNewValue(ctx context.Context) Result {
	rot := r.rotation
	now, version, err := r.Store.Get(ctx, rot.secret)
	switch {
	case err != nil:
		return Warn("version %s, was %s; it could not be read back: %s", rot.version, rot.before, r.line(err.Error())).WithHint("%s", rot.followHint())
	case !now.Equal(rot.New) && version == rot.before: // a standby lags behind
		return Warn("version %s, was %s, which the store still returns%s", rot.version, rot.before, r.driverWhy())
	case !now.Equal(rot.New) && version != rot.version:
		return rot.conflictWith(version)
	case !now.Equal(rot.New):
		return Fail("the store returns another value than was written").WithHint("check what else writes to it")
	case version == rot.before:
		return Fail("the version is still %s after the write", version).WithHint("secretctl needs a store that counts versions")
	}
	return Pass("version %s, was %s%s", version, rot.before, r.driverWhy())
}

// conflictWith is the result if somebody else wrote another value.
func (r *rotation) conflictWith(version string) Result {
	return Fail("version %s, which somebody else wrote, replaced version %s; the value of this rotation is gone", version, r.version).
		WithHint("%s", r.followHint())
}

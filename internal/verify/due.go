package verify

import (
	"context"
	"time"

	"github.com/secretctl/secretctl/internal/store"
)

// followInstead makes a rotation that is due follow the version in the store, because that
// has not arrived.
func (r *run) followInstead(ctx context.Context, why string) (stopped Result, ok bool) {
	r.rotation.Follow, r.rotation.notArrived = true, ", which has not arrived ("+r.line(why)+")"
	return r.readRotated(ctx)
}

// renew makes the new value of a rotation that is due. ok is false if it is not due, or if
// that cannot be found out.
func (r *run) renew(ctx context.Context) (stopped Result, ok bool) {
	rot := r.rotation
	if rot.MaxAge > 0 {
		at, err := store.WrittenAt(ctx, r.Store, rot.secret)
		if err != nil {
			return r.unknown(err), false
		}
		if due := at.Add(rot.MaxAge); time.Now().Before(due) {
			return Pass("version %s has arrived, and its value is not due before %s", rot.before, due.UTC().Format(time.RFC3339)), false
		}
	}
	var err error
	if rot.New, err = rot.Renew(ctx); err == nil {
		rot.value, err = r.inFile(rot.secret, rot.New)
	}
	r.Sanitizer.Learn(rot.New)
	if err != nil {
		return r.unknown(err), false
	}
	return Result{}, true
}

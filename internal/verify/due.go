package verify

import (
	"context"
	"time"

	"github.com/secretctl/secretctl/internal/store"
)

// followInstead turns a rotation that is written if it is due into one that follows
// what the store has already, because that has not arrived.
func (r *run) followInstead(ctx context.Context, why string) (stopped Result, ok bool) {
	is := r.rotation
	is.Follow, is.unarrived = true, r.line(why)
	return r.readRotated(ctx, is.secret)
}

// renew makes the new value of a rotation that is due. ok is false where it is not, or
// where that cannot be found out.
func (r *run) renew(ctx context.Context) (stopped Result, ok bool) {
	is := r.rotation
	if is.MaxAge > 0 {
		at, err := store.WrittenAt(ctx, r.Store, is.secret)
		if err != nil {
			return r.unknown(err), false
		}
		if due := at.Add(is.MaxAge); time.Now().Before(due) {
			return Pass("version %s has arrived, and its value is not due before %s", is.before, due.UTC().Format(time.RFC3339)), false
		}
	}
	var err error
	if is.New, err = is.Renew(ctx); err == nil {
		is.value, err = r.values.inFile(is.secret, is.New)
	}
	r.Sanitizer.Learn(is.New)
	if err != nil {
		return r.unknown(err), false
	}
	return Result{}, true
}

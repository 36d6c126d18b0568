package verify

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

const day = 24 * time.Hour

// due is a rotation of a value that is older than 90 days. ages are the ages of the
// versions, newest first, and values their values; "" is deleted.
func due(values []string, ages []time.Duration, change func(*testing.T, *fixture)) func(*testing.T, *fixture) {
	return func(t *testing.T, s *fixture) {
		rotating(nil)(t, s)
		s.o.Rotation = &Rotation{
			Secret: "client-secret", Due: true, MaxAge: 90 * day, Deadline: time.Minute,
			Renew: func(context.Context) (secret.Value, error) { return value(rotated), nil },
		}
		s.w.History = func() ([]string, []time.Time, error) {
			var written []time.Time
			for _, age := range ages {
				written = append(written, time.Now().Add(-age))
			}
			return values, written, nil
		}
		if change != nil {
			change(t, s)
		}
	}
}

// notArrived is due, with a young value in the store that the file, or Aidbox, does not have.
func notArrived(change func(*testing.T, *fixture)) func(*testing.T, *fixture) {
	return due([]string{rotated, canary}, []time.Duration{time.Hour, 100 * day}, func(t *testing.T, s *fixture) {
		s.store["client-secret"], s.valid, s.before = rotated, rotated, canary
		s.w.Put = func(context.Context, config.Secret, secret.Value) (string, error) {
			t.Error("wrote to the store")
			return "", nil
		}
		s.o.Rotation.Renew = func(context.Context) (secret.Value, error) {
			t.Error("made a new value")
			return secret.Value{}, nil
		}
		if change != nil {
			change(t, s)
		}
	})
}

func dueRows() []row {
	const (
		updated  = "rotation/store-updated client-secret"
		mounted  = "rotation/mounted client-secret"
		accepted = "rotation/new-accepted client-secret"
		restart  = "rotation/no-restart client-secret"
	)
	dryRun := func(_ *testing.T, s *fixture) {
		s.o.Rotation.DryRun, s.o.Selected = true, []string{"rotation/store-updated"}
	}
	arrives := func(t *testing.T, s *fixture) {
		time.AfterFunc(30*time.Second, func() { s.publish(t, map[string]string{"client-secret": rotated}, time.Now()) })
	}
	old, young := due([]string{canary}, []time.Duration{91 * day}, nil), due([]string{canary}, []time.Duration{89 * day}, nil)
	return []row{
		{"due", old, updated, StatusPass, "version 4, was 3"},
		{"due", old, accepted, StatusPass, "answered 200"},
		{"due, whatever its age", due(nil, nil, func(_ *testing.T, s *fixture) { s.o.Rotation.MaxAge = 0 }), updated, StatusPass, "version 4, was 3"},
		{"not due", young, updated, StatusPass, "version 3 has arrived, and its value is not due before 2000-01-02T00:00:00Z; nothing was written"},
		{"not due", young, mounted, StatusSkip, "nothing was written"},
		{"not due", young, accepted, StatusSkip, "skipped: rotation/mounted was skipped"},
		{"not due", young, restart, StatusSkip, "nothing was written"},
		{"due, and another secret of its versions is not", due([]string{canary, canary, "x"}, []time.Duration{day, 91 * day, 200 * day}, nil), updated, StatusPass, "version 4, was 3"},
		{"not due, and the versions before are deleted", due([]string{canary, "", canary}, []time.Duration{day, 91 * day, 200 * day}, nil), updated, StatusPass, "not due before"},
		{"age unknown", due(nil, nil, func(_ *testing.T, s *fixture) {
			s.w.History = func() ([]string, []time.Time, error) { return nil, nil, errors.New("vault: denied") }
		}), updated, StatusUnknown, "vault: denied; nothing was written"},
		{"due, and no new value", due([]string{canary}, []time.Duration{91 * day}, func(_ *testing.T, s *fixture) {
			s.o.Rotation.Renew = func(context.Context) (secret.Value, error) { return secret.Value{}, errors.New("no source") }
		}), updated, StatusUnknown, "no source; nothing was written"},
		{"due, and not in the store", due(nil, nil, func(_ *testing.T, s *fixture) { clear(s.store) }), updated, StatusUnknown, "file does not exist"},
		{"due, dry run", due([]string{canary}, []time.Duration{91 * day}, dryRun), updated, StatusPass, "dry run: would write a new version"},

		{"not arrived", notArrived(nil), updated, StatusPass, "version 3 is the newest, which has not arrived (local: the file has another value than the store, version 3); nothing was written"},
		{"not arrived", notArrived(nil), mounted, StatusFail, "local: still the old value, 1m0s after the start"},
		{"not arrived, and arrives", notArrived(arrives), mounted, StatusPass, "after the start"},
		{"not arrived, and arrives", notArrived(arrives), accepted, StatusPass, "answered 200"},
		{"not arrived, whatever its age", notArrived(func(_ *testing.T, s *fixture) { s.o.Rotation.MaxAge = 0 }), mounted, StatusFail, "still the old value"},
		{"not arrived in Aidbox", notArrived(func(t *testing.T, s *fixture) {
			s.publish(t, map[string]string{"client-secret": rotated}, time.Now())
			s.valid = canary
		}), accepted, StatusFail, "answered 401 to the new value, 1m30s after the start"},
		{"not arrived, dry run", notArrived(dryRun), updated, StatusPass, "dry run: would follow version 3, which has not arrived (local: the file has another value"},
	}
}

package keyvault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/internal/transport"
)

// Azure takes up to 10 minutes to propagate roles and federated credentials.
const (
	firstWait       = 100 * time.Millisecond
	longestWait     = 10 * time.Second
	propagationTime = 10 * time.Minute
)

// retry repeats a request while Azure refuses it for a time. explain restates its error.
func (v *Store) retry(ctx context.Context, about string, request func() error, explain func(error) error) error {
	start := time.Now()
	for attempt := 0; ; attempt++ {
		err := request()
		if err == nil {
			return nil
		}
		failed := explain(err)
		why, least := v.transient(err)
		if why == "" || v.o.Waiting == nil || ctx.Err() != nil || time.Since(start) > propagationTime {
			return failed
		}
		v.o.Waiting(about + ": " + why)
		if ended := transport.Sleep(ctx, max(least, transport.Backoff(firstWait, longestWait, attempt, nil))); ended != nil {
			return fmt.Errorf("%w: %w", failed, ended)
		}
	}
}

// retryWhilePropagating retries a request about a secret. role is the role that the
// request needs.
func (v *Store) retryWhilePropagating(ctx context.Context, s config.Secret, role string, request func() error) error {
	return v.retry(ctx, "key vault "+s.KeyVault, request, func(err error) error { return v.fail(ctx, s, role, err) })
}

// retryLogin retries a diff whose login may be refused for a time.
func (v *Store) retryLogin(diff store.StepFunc) store.StepFunc {
	return func(ctx context.Context) (changes []store.Change, err error) {
		err = v.retry(ctx, "azure", func() (err error) { changes, err = diff(ctx); return err }, func(err error) error { return err })
		return changes, err
	}
}

var errRecovering = errors.New("was recovered, but still does not exist")

// transient says why a request may soon succeed, and after how long at least; "" if
// waiting does not help.
func (v *Store) transient(err error) (why string, least time.Duration) {
	login, isLogin := errors.AsType[*azure.LoginError](err)
	r := v.azure.RefusalOf(err)
	switch {
	case isLogin && login.Propagating():
		return "the login is refused, as for some minutes after a federated credential was created", 0
	case r.Has("ForbiddenByRbac"):
		return "access is refused, as for some minutes after a role was assigned", 0
	case r.Has(beingDeleted):
		return "the deletion of a secret is in progress", 0
	case errors.Is(err, errRecovering), r.Has(beingRecovered):
		return "the recovery of a secret is in progress", 0
	case r.HasStatus(http.StatusTooManyRequests):
		return "it limits how many requests it takes", r.RetryAfter
	}
	return "", 0
}

// recover recovers a deleted secret and reads it.
func (v *Store) recover(ctx context.Context, s config.Secret) (is entry, err error) {
	err = v.retryWhilePropagating(ctx, s, officerRole, func() error {
		_, err := v.client(s).RecoverDeletedSecret(ctx, s.ObjectName, nil)
		if r := v.azure.RefusalOf(err); r.Has(beingRecovered) || r.HasStatus(http.StatusNotFound) {
			return nil // another run recovered it first
		}
		return err
	})
	if err != nil {
		return entry{}, err
	}
	err = v.retry(ctx, "key vault "+s.KeyVault, func() (err error) {
		if is, err = v.read(ctx, s, ""); err == nil && is.version == "" {
			err = v.about(s, errRecovering)
		}
		return err
	}, func(err error) error { return err })
	return is, err
}
